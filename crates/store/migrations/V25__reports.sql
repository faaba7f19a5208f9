create table report (
    site      text        not null,
    kind      text        not null constraint report_kind_check check (kind in ('day', 'month')),
    first_day date        not null,
    zone      text        not null,
    -- where the page is kept
    key       text        not null,
    sha256    bytea       not null,
    bytes     integer     not null,
    -- of the mails that say so
    subject   text        not null,
    text      text        not null,
    slot      timestamptz not null,
    made_at   timestamptz not null,
    constraint report_pk primary key (site, kind, first_day)
);
comment on table report is 'The report of a site on a day or a month, as it was made last.';

create table report_mail (
    site        text        not null,
    kind        text        not null,
    first_day   date        not null,
    receiver    text        not null,
    -- the Message-ID of every attempt
    message_id  uuid        not null,
    attempts    integer     not null default 0,
    sent_at     timestamptz,
    given_up_at timestamptz,
    last_error  text,
    constraint report_mail_pk primary key (site, kind, first_day, receiver),
    constraint report_mail_report_fk foreign key (site, kind, first_day) references report on delete cascade
);
create index report_mail_open on report_mail (first_day) where sent_at is null and given_up_at is null;
comment on table report_mail is 'A mail that says that there is a report.';

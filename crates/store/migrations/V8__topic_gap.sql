create table topic_gap (
    topic       text        not null,
    "partition" integer     not null,
    incarnation integer     not null,
    next        bigint      not null,
    goes_on_at  bigint      not null,
    kind        text        not null constraint topic_gap_kind_check check (kind in ('expired', 'made_anew')),
    found_at    timestamptz not null,
    constraint topic_gap_pk primary key (topic, "partition", incarnation, goes_on_at)
);
comment on table topic_gap is 'Where a worker found other records than it had to go on with.';
comment on column topic_gap.next is 'The offset of the record that was to be read next.';
comment on column topic_gap.goes_on_at is 'Where reading went on, in the topic of this incarnation.';
comment on column topic_gap.kind is
    'expired: the records between were gone before they were read; made_anew: the topic was deleted and made again.';

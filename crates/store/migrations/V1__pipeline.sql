-- The tables of the pipeline. Rows are the truth; events only wake the next stage.

create table device (
    id            integer generated always as identity constraint device_pk primary key,
    source        text        not null,
    name          text        not null,
    -- moved on at most once a minute, so that a busy device is not a hot row
    first_seen_at timestamptz not null,
    last_seen_at  timestamptz not null,
    tags          jsonb       not null default '{}',
    constraint device_name_unique unique (source, name)
);
-- how many devices of a source are new
create index device_first_seen on device (source, first_seen_at);
-- people name a device without its source
create index device_name on device (name);
comment on table device is 'One device of one source, by the name its platform gives it.';

create table stream (
    id        integer generated always as identity constraint stream_pk primary key,
    device_id integer not null constraint stream_device_fk references device (id),
    channel   text    not null,
    constraint stream_channel_unique unique (device_id, channel)
);
comment on table stream is 'One place that measures: a device and a channel.';

create table metric (
    stream_id integer  not null constraint metric_stream_fk references stream (id),
    position  smallint not null,
    name      text     not null,
    unit      text     not null default '',
    kind      text     not null constraint metric_kind_check check (kind in ('number', 'flag', 'text', 'bytes')),
    constraint metric_pk primary key (stream_id, position),
    constraint metric_name_unique unique (stream_id, name, unit, kind)
);
comment on table metric is 'What the n-th value of a stream''s rows means. Positions count from 0 and are only ever added.';

create table moment (
    stream_id   integer     not null,
    observed_at timestamptz not null,
    received_at timestamptz not null,
    receipt_id  uuid        not null,
    revised_at  timestamptz,
    "values"    float8[]    not null,
    texts       text[],
    quality     smallint[],
    received_ats timestamptz[],
    receipt_ids  uuid[],
    constraint moment_pk primary key (stream_id, observed_at)
) partition by range (observed_at);
comment on table moment is 'One row is one moment of one stream: "values" and texts by the position of their metric.';
comment on column moment.receipt_ids is
    'By position, as received_ats: where the values came with different payloads; null where all came with receipt_id.';
comment on column moment.quality is 'By position: 0 or null good, 1 uncertain, 2 bad; null where all are good.';
-- What the writer hands over, many at once.
create type moment_row as (
    stream_id   integer,
    observed_at timestamptz,
    received_at timestamptz,
    receipt_id  uuid,
    revised_at  timestamptz,
    "values"    float8[],
    texts       text[],
    quality     smallint[],
    received_ats timestamptz[],
    receipt_ids  uuid[]
);
create table moment_default partition of moment default;
comment on table moment_default is 'Moments more than 24 months before or a day ahead of their receive time, of which no month was made by hand.';

create table receipt (
    received_at timestamptz not null,
    id          uuid        not null,
    source      text        not null,
    event_id    text        not null,
    format      text        not null,
    traceparent text,
    outcome     text        not null constraint receipt_outcome_check
                check (outcome in ('stored', 'no_data', 'partial', 'rejected', 'duplicate')),
    readings    integer     not null,
    problems    integer     not null,
    -- the request as application/http; null where a Kafka record keeps it
    request     bytea,
    record_topic     text,
    record_partition integer,
    record_offset    bigint,
    constraint receipt_pk primary key (received_at, id)
) partition by range (received_at);
comment on table receipt is 'One row for each accepted payload.';
comment on column receipt.record_topic is
    'With record_partition and record_offset: the Kafka record that holds the request, where request is null.';
create table receipt_default partition of receipt default;

create table receipt_key (
    source      text        not null,
    key         text        not null,
    received_at timestamptz not null,
    expires_at  timestamptz not null,
    receipt_id  uuid        not null,
    outcome     text        not null,
    constraint receipt_key_pk primary key (source, key)
);
comment on table receipt_key is 'Claimed in the transaction that stores a payload: what makes a second delivery a second delivery.';

create sequence evaluation_token;
create table evaluation_request (
    stream_id   integer     not null constraint evaluation_request_pk primary key,
    from_at     timestamptz not null,
    token       bigint      not null,
    traceparent text
);
-- those that wait longest are taken first
create index evaluation_request_token on evaluation_request (token);
comment on table evaluation_request is 'A stream that rules watch has readings that no rule has seen, the earliest at from_at.';

create table alert_state (
    rule          text        not null,
    stream_id     integer     not null,
    position      smallint    not null,
    rule_hash     text        not null,
    -- the state at checkpoint_at, which no later reading may change any more
    checkpoint_at timestamptz not null,
    checkpoint    jsonb       not null,
    -- the state at the newest reading or heartbeat
    status        text        not null constraint alert_state_status_check check (status in ('ok', 'pending', 'firing')),
    since_at      timestamptz,
    -- when time alone, without a reading, may change the state
    deadline_at   timestamptz,
    -- the newest reading that was evaluated
    newest_at     timestamptz,
    updated_at    timestamptz not null,
    constraint alert_state_pk primary key (rule, stream_id, position)
);
create index alert_state_stream on alert_state (stream_id);
create index alert_state_deadline on alert_state (deadline_at) where deadline_at is not null;
create index alert_state_rule on alert_state (rule, rule_hash);
create index alert_state_firing on alert_state (rule) where status = 'firing';

create table alert_transition (
    id            bigint generated always as identity constraint alert_transition_pk primary key,
    rule          text        not null,
    rule_hash     text        not null,
    stream_id     integer     not null,
    position      smallint    not null,
    kind          text        not null constraint alert_transition_kind_check
                  check (kind in ('firing', 'resolved', 'retracted')),
    at            timestamptz not null,
    value         float8,
    cause         text        not null,
    severity      text        not null,
    labels        jsonb       not null,
    annotations   jsonb       not null,
    traceparent   text,
    recorded_at   timestamptz not null,
    -- on 'retracted': the transition that later data made untrue; on that one: who retracted it
    retracts      bigint,
    retracted_by  bigint
);
create index alert_transition_series on alert_transition (stream_id, rule, position, at);
create index alert_transition_recorded on alert_transition (recorded_at);
comment on table alert_transition is 'A transition is effective while retracted_by is null and it is no retraction.';

create table notification (
    id              uuid        not null constraint notification_pk primary key,
    transition_id   bigint      not null constraint notification_transition_fk references alert_transition (id),
    receiver        text        not null,
    -- one alert on one receiver: its messages go in the order of their transitions
    alert_key       text        not null,
    status          text        not null constraint notification_status_check
                    check (status in ('pending', 'repeating', 'delivered', 'superseded', 'summarized', 'failed')),
    attempts        integer     not null default 0,
    next_attempt_at timestamptz not null,
    give_up_at      timestamptz not null,
    lease_until     timestamptz,
    lease           uuid,
    delivered_at    timestamptz,
    last_error      text,
    is_fallback     boolean     not null default false,
    -- when the fallback hears of it too, should it not be delivered by then; null where it does not, or has
    fallback_at     timestamptz,
    fell_back       boolean     not null default false,
    -- this message stands for so many alerts beyond what its receiver is sent within an hour
    summarizes      integer,
    created_at      timestamptz not null,
    constraint notification_once unique (transition_id, receiver)
);
-- least passes over null
create index notification_due on notification (least(next_attempt_at, fallback_at))
    where status in ('pending', 'repeating');
create index notification_receiver_due on notification (receiver, (least(next_attempt_at, fallback_at)))
    where status in ('pending', 'repeating');
create index notification_summary on notification (receiver) where summarizes is not null and status = 'pending';
create index notification_created on notification (created_at);
create index notification_order on notification (alert_key, receiver, transition_id);

create table receiver_budget (
    receiver      text        not null constraint receiver_budget_pk primary key,
    -- the hour that is counted, and how many alerts began on the receiver within it
    window_from   timestamptz not null,
    begun         integer     not null default 0,
    -- the receiver asked to be left alone until then, or nothing that was tried got through
    blocked_until timestamptz,
    -- when a message that says how many more there are was last begun
    summarized_at timestamptz
);
comment on table receiver_budget is 'How much a receiver has been sent within the hour.';

create table dead_letter (
    id           uuid        not null constraint dead_letter_pk primary key,
    source       text        not null,
    event_id     text        not null,
    event_type   text        not null,
    stage        text        not null,
    cause        text        not null constraint dead_letter_cause_check
                 check (cause in ('rejected', 'unavailable', 'malformed')),
    reason       text        not null,
    -- [{"place": "...", "reason": "..."}], one for each item that could not be taken
    problems     jsonb       not null default '[]',
    -- the CloudEvent: its attributes, and its data byte for byte
    attributes   jsonb       not null,
    data         bytea,
    deliveries   integer     not null default 1,
    first_at     timestamptz not null,
    last_at      timestamptz not null,
    replays      integer     not null default 0,
    replayed_at  timestamptz,
    resolved_at  timestamptz
);
create index dead_letter_open on dead_letter (last_at) where resolved_at is null;
create index dead_letter_last on dead_letter (last_at);
create index dead_letter_replayed on dead_letter (replayed_at) where replayed_at is not null;

create table heartbeat (
    at timestamptz not null constraint heartbeat_pk primary key
);
comment on table heartbeat is 'When a tick found nothing waiting that was sent before it; silence counts only while heartbeats came.';

create table pending_heartbeat (
    at        timestamptz not null constraint pending_heartbeat_pk primary key,
    waits_for text        not null constraint pending_heartbeat_waits_for_check
              check (waits_for in ('payloads', 'dead_letters')),
    -- where that queue ended, by consumer and partition; null where it could not be looked at yet
    ends      jsonb,
    ends_at   timestamptz not null
);
comment on table pending_heartbeat is 'A tick that is no heartbeat yet: payloads sent before it may still wait.';

create table topic_offset (
    topic        text        not null,
    "partition"  integer     not null,
    -- the offset behind the last record whose rows, dead letters and events are safe
    next         bigint      not null,
    -- when the worker last had nothing left to read
    caught_up_at timestamptz,
    constraint topic_offset_pk primary key (topic, "partition")
);
comment on table topic_offset is 'How far the worker has come in each partition of a topic.';

create table active_pipeline (
    singleton    boolean     not null default true constraint active_pipeline_pk primary key
                 constraint active_pipeline_single check (singleton),
    hash         text        not null,
    activated_at timestamptz not null
);
comment on table active_pipeline is 'The hash of the pipeline file in force.';

create view readings as
select d.source, d.name as device, s.channel, m.name as metric, r.observed_at,
       case when m.kind in ('number', 'flag') then r."values"[m.position + 1] end as value,
       case when m.kind in ('text', 'bytes') then r.texts[m.position + 1] end as text,
       nullif(m.unit, '') as unit, m.kind,
       case coalesce(r.quality[m.position + 1], 0) when 0 then 'good' when 1 then 'uncertain' else 'bad' end as quality,
       coalesce(r.received_ats[m.position + 1], r.received_at) as received_at, r.revised_at,
       coalesce(r.receipt_ids[m.position + 1], r.receipt_id) as receipt_id
from device d
join stream s on s.device_id = d.id
join metric m on m.stream_id = s.id
join moment r on r.stream_id = s.id
where r."values"[m.position + 1] is not null or r.texts[m.position + 1] is not null;
comment on view readings is 'One line per value with its names and unit; filter by source, device and metric.';

create view last_readings as
select d.source, d.name as device, s.channel, m.name as metric, r.observed_at,
       case when m.kind in ('number', 'flag') then r."values"[m.position + 1] end as value,
       case when m.kind in ('text', 'bytes') then r.texts[m.position + 1] end as text,
       nullif(m.unit, '') as unit, m.kind,
       case coalesce(r.quality[m.position + 1], 0) when 0 then 'good' when 1 then 'uncertain' else 'bad' end as quality,
       coalesce(r.received_ats[m.position + 1], r.received_at) as received_at, r.revised_at
from device d
join stream s on s.device_id = d.id
join metric m on m.stream_id = s.id
cross join lateral (
    select *
    from (select * from moment where stream_id = s.id order by observed_at desc limit 1000) as recent
    where recent."values"[m.position + 1] is not null or recent.texts[m.position + 1] is not null
    order by recent.observed_at desc limit 1) as r;
comment on view last_readings is 'The newest value of each metric, as far as it is among the newest 1,000 moments of its stream.';

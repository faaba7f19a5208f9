set synchronous_commit = off;
set work_mem = '256MB';

do $$
declare first timestamptz; tbl text; col text;
begin
    for first in select generate_series(date_trunc('month', :NOW: - interval '3 months', 'UTC'), :NOW:, '1 month') loop
        foreach tbl in array array['moment', 'receipt'] loop
            execute format('create table %I partition of %I for values from (%L) to (%L)',
                tbl || to_char(first at time zone 'UTC', '"_"YYYY_MM'), tbl, first,
                ((first at time zone 'UTC') + interval '1 month') at time zone 'UTC');
        end loop;
    end loop;
end $$;

insert into device (source, name, first_seen_at, last_seen_at)
select 'fleet', 'old-' || n, :NOW: - interval '80 days', :ENDED: from generate_series(1, :SIZE:) n;
insert into stream (device_id, channel) select id, '' from device order by id;
insert into metric (stream_id, position, name, unit, kind)
select s.id, m.position, m.name, m.unit, 'number'
from stream s, (values (0, 'temperature', 'Cel'), (1, 'humidity', '%RH')) as m (position, name, unit) order by 1, 2;

insert into moment (stream_id, observed_at, received_at, receipt_id, "values")
select s.id, at.at, at.at, gen_random_uuid(), array[20.0, 50.0]
from stream s, (values (:ENDED: - interval '70 days'), (:ENDED: - interval '35 days'), (:ENDED:)) as at (at)
order by 1, 2;

-- One device has reported every 5 seconds.
insert into moment (stream_id, observed_at, received_at, receipt_id, "values")
select s.id, :ENDED: - n * interval '5 seconds', :ENDED:, gen_random_uuid(), array[20.0, 50.0]
from stream s join device d on d.id = s.device_id, generate_series(:SIZE:, 1, -1) n
where d.name = 'old-1'
on conflict do nothing;

insert into receipt (received_at, id, source, event_id, format, outcome, readings, problems, request)
select :ENDED: - n * interval '0.1 second', gen_random_uuid(), 'fleet', n::text, 'json', 'stored', 2, 0, 'POST / HTTP/1.1'
from generate_series(:SIZE:, 1, -1) n;
insert into receipt_key (source, key, received_at, expires_at, receipt_id, outcome)
select source, 'id:' || event_id, received_at, received_at + interval '30 days', id, outcome from receipt;

insert into alert_state (rule, stream_id, position, rule_hash, checkpoint_at, checkpoint, status, deadline_at, updated_at)
select 'TooHot', id, 0, :HOT:, :ENDED:, :STATE:, 'ok', null, :ENDED: from stream order by id;
insert into alert_state (rule, stream_id, position, rule_hash, checkpoint_at, checkpoint, status, deadline_at, updated_at)
select 'Silent', id, 0, :SILENT:, :ENDED:, :STATE:, 'ok', :ENDED: + interval '3 days', :ENDED: from stream order by id;

insert into alert_transition (rule, rule_hash, stream_id, position, kind, at, value, cause, severity, labels, annotations,
                              recorded_at)
select 'TooHot', :HOT:, s.id, 0, t.kind, :ENDED: - t.before, 31, t.cause, 'warning',
       jsonb_build_object('alertname', 'TooHot', 'device', s.id), '{}', :ENDED: - t.before
from stream s, (values ('firing', interval '2 hours', 'breach'), ('resolved', interval '1 hour', 'cleared'))
               as t (kind, before, cause);
insert into notification (id, transition_id, receiver, alert_key, status, attempts, next_attempt_at, give_up_at, delivered_at,
                          created_at)
select gen_random_uuid(), id, 'ops', 'TooHot/' || stream_id || '/0', 'delivered', 1, at, at + interval '1 day', at, at
from alert_transition;

insert into dead_letter (id, source, event_id, event_type, stage, cause, reason, attributes, data, first_at, last_at, replays,
                         replayed_at, resolved_at)
select gen_random_uuid(), '/sources/fleet', 'old-' || n, 'dev.freshet.payload.received.v1', 'transform', 'unavailable',
       'the database was away', '{}', 'POST / HTTP/1.1', :ENDED: - interval '3 days', :ENDED: - interval '2 days', 1,
       :ENDED: - interval '1 day', :ENDED: - interval '1 day'
from generate_series(1, :SIZE: / 5) n;

insert into heartbeat (at) select :NOW: - n * interval '5 minutes' from generate_series(1, least(:SIZE:, 100000)) n;

-- A device that is expected to send has a row before it has sent, so that silence of it can be counted.
alter table device
    add column expected_at timestamptz,
    add column expected_by bigint;
comment on column device.expected_at is 'Since when it was expected, of a device whose row was made before it had sent; until then it was last seen at the epoch.';
comment on column device.expected_by is 'The pipeline by whose rules the series were made whose silence is counted until it has sent.';
create index device_unseen on device (expected_by) where last_seen_at = timestamptz '1970-01-01 00:00:00+00';

-- A series that has no values any more, and is to be pruned. One that was keeps its row, called `pruned` with its position, so that no other gets that.
alter table metric add column emptied_at timestamptz;
comment on column metric.emptied_at is 'When no value of the series was left, and an alert of it fired: it ends with the next evaluation, which makes this null again.';

create or replace view devices as
select d.id, coalesce(d.source, e.source) as source, coalesce(d.name, e.name) as device, e.entry ->> 'name' as name, e.entry ->> 'site' as site,
       e.entry ->> 'model' as model, coalesce(d.tags, '{}') || coalesce(e.entry -> 'labels', '{}') as labels,
       nullif(d.first_seen_at, timestamptz '1970-01-01 00:00:00+00') as first_seen_at, nullif(d.last_seen_at, timestamptz '1970-01-01 00:00:00+00') as last_seen_at,
       coalesce(d.tags, '{}') as tags, coalesce(e.entry, '{}') as entry, (e.entry ? 'retired_at') is true as is_retired,
       (d.last_seen_at > (e.entry ->> 'retired_at')::timestamptz) is true as sends_retired
from (select * from device where erased_at is null and merged_into is null) d
full join (
    select source, name,
           registered || (configured - 'place') || case when registered ? 'labels' or configured ? 'labels' then jsonb_build_object(
               'labels', coalesce(registered -> 'labels', '{}') || coalesce(configured -> 'labels', '{}')) else '{}' end as entry
    from device_entry) e on e.source = d.source and e.name = d.name
-- One that is expected no more is nothing.
where d.last_seen_at is distinct from timestamptz '1970-01-01 00:00:00+00' or e.source is not null;

-- Two devices become one: the streams of the one move to the other.
alter table device add column merged_into integer;
comment on column device.merged_into is 'The device that its streams are moving to; its name leads there already.';

create or replace view devices as
select d.id, coalesce(d.source, e.source) as source, coalesce(d.name, e.name) as device, e.entry ->> 'name' as name, e.entry ->> 'site' as site,
       e.entry ->> 'model' as model, coalesce(d.tags, '{}') || coalesce(e.entry -> 'labels', '{}') as labels, d.first_seen_at, d.last_seen_at,
       coalesce(d.tags, '{}') as tags, coalesce(e.entry, '{}') as entry, (e.entry ? 'retired_at') is true as is_retired,
       (d.last_seen_at > (e.entry ->> 'retired_at')::timestamptz) is true as sends_retired
from (select * from device where erased_at is null and merged_into is null) d
full join (
    select source, name,
           registered || (configured - 'place') || case when registered ? 'labels' or configured ? 'labels' then jsonb_build_object(
               'labels', coalesce(registered -> 'labels', '{}') || coalesce(configured -> 'labels', '{}')) else '{}' end as entry
    from device_entry) e on e.source = d.source and e.name = d.name;

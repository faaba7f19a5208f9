-- What people say of devices. Where that changes which device a name leads to, what was found before it is not written.
create table registry (
    singleton  boolean not null default true constraint registry_pk primary key
               constraint registry_single check (singleton),
    generation bigint  not null default 1
);
comment on table registry is 'A number that grows whenever a name of a device leads elsewhere.';
insert into registry default values;

create table device_entry (
    source     text  not null,
    -- as its platform calls it
    name       text  not null,
    -- by the command line
    registered jsonb not null default '{}',
    -- by the pipeline in force, which wins
    configured jsonb not null default '{}',
    constraint device_entry_pk primary key (source, name)
);
comment on table device_entry is 'What people say of a device: name, labels, site, model, expected, retired_at. It need not have sent yet.';

create table device_alias (
    source    text    not null,
    alias     text    not null,
    device_id integer not null constraint device_alias_device_fk references device (id),
    constraint device_alias_pk primary key (source, alias)
);
create index device_alias_device on device_alias (device_id);
comment on table device_alias is 'A second name that leads to a device.';

alter table device
    add column begins_at timestamptz,
    add column erased_at timestamptz;
comment on column device.begins_at is 'Payloads that were received before are not stored: a device of this name was erased then. Null is none.';
comment on column device.erased_at is 'Since when it is being erased; its name is gone already.';

create table erasure (
    hash       bytea       not null constraint erasure_pk primary key,
    erased_at  timestamptz not null,
    -- nothing is stored of it any more
    is_retired boolean     not null
);
comment on table erasure is 'That a device was erased, by a keyed hash of its source and name.';
create table erasure_key (
    singleton boolean not null default true constraint erasure_key_pk primary key
              constraint erasure_key_single check (singleton),
    key       bytea   not null
);
comment on table erasure_key is 'Without it nobody can tell from a hash which device was erased.';
insert into erasure_key (key)
select decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex');

-- Stages may not read the key.
do $migration$
begin
    execute format($create$
        create function erasure_hash(source text, name text) returns bytea
        language sql stable security definer set search_path = %I, pg_temp
        as $body$
            select sha256(key || sha256(key || convert_to(source, 'UTF8') || '\x00'::bytea || convert_to(name, 'UTF8'))) from erasure_key
        $body$
    $create$, current_schema());
end
$migration$;
comment on function erasure_hash is 'By which erasure names a device of a source.';
revoke execute on function erasure_hash from public;

-- 1179779077 is the class of this lock, of every release: who writes shares it until its transaction has ended, and who changes where
-- names lead holds it alone. What is read behind the lock is what was committed before it.
create function writes_hold(until timestamptz, registry_generation bigint) returns boolean
language plpgsql volatile as $$
begin
    if now() > until then
        raise 'the floors were read too long ago' using errcode = 'serialization_failure';
    end if;
    perform pg_advisory_xact_lock_shared(1179779077, 0);
    if (select generation from registry) <> registry_generation then
        raise 'names of devices lead elsewhere by now' using errcode = 'FR001';
    end if;
    return true;
end
$$;
comment on function writes_hold is
    'Fails in a transaction that began after this time, and where the registry is at another generation than this, if any; else true.';

create view devices as
select d.id, coalesce(d.source, e.source) as source, coalesce(d.name, e.name) as device, e.entry ->> 'name' as name, e.entry ->> 'site' as site,
       e.entry ->> 'model' as model, coalesce(d.tags, '{}') || coalesce(e.entry -> 'labels', '{}') as labels, d.first_seen_at, d.last_seen_at,
       coalesce(d.tags, '{}') as tags, coalesce(e.entry, '{}') as entry, (e.entry ? 'retired_at') is true as is_retired,
       (d.last_seen_at > (e.entry ->> 'retired_at')::timestamptz) is true as sends_retired
from (select * from device where erased_at is null) d
full join (
    select source, name,
           registered || (configured - 'place') || case when registered ? 'labels' or configured ? 'labels' then jsonb_build_object(
               'labels', coalesce(registered -> 'labels', '{}') || coalesce(configured -> 'labels', '{}')) else '{}' end as entry
    from device_entry) e on e.source = d.source and e.name = d.name;
comment on view devices is 'A line a device, by the name its platform gives it, with what people say of it; also of those that have not sent.';

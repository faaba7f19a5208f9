-- What is too old goes, and nothing of its age arrives behind it.
create table retention_floor (
    -- empty: of all sources
    source     text        not null constraint retention_floor_pk primary key,
    at         timestamptz not null,
    moved_at   timestamptz not null,
    -- no reading of the source alone is left below it
    cleared_at timestamptz
);
comment on table retention_floor is 'Below which times no reading of a source is stored any more. It is moved before anything is taken away, and never back.';

alter table receipt add column expired integer;
comment on column receipt.expired is 'How many readings of the payload lay below the floor of their source and were not stored; null is none.';

-- Who stores readings knows the floors from a while before. Nothing is written by a transaction that begins later than it may rely on them.
create function floors_hold(until timestamptz) returns boolean
language plpgsql stable as $$
begin
    if now() > until then
        raise 'the floors were read too long ago' using errcode = 'serialization_failure';
    end if;
    return true;
end
$$;
comment on function floors_hold is 'Fails in a transaction that began after this time; else true.';

-- Only an owner may drop a partition: this lets who cleans up drop what is one, and no other table.
do $migration$
begin
    execute format($create$
        create function drop_partition(parent text, first_day date) returns void
        language plpgsql security definer set search_path = %I, pg_temp
        as $body$
        declare
            name constant text := parent || to_char(first_day, case when parent = 'request' then '"_"YYYY_MM_DD' else '"_"YYYY_MM' end);
            ends constant timestamptz := (first_day + interval '1 month') at time zone 'UTC';
        begin
            if parent not in ('moment', 'receipt', 'request') or not exists (
                select from pg_inherits where inhparent = to_regclass(parent) and inhrelid = to_regclass(name)) then
                raise 'no partition of moment, receipt or request begins on this day' using errcode = 'invalid_parameter_value';
            end if;
            if parent = 'moment' and not exists (select from retention_floor where source = '' and at >= ends) then
                raise 'the month is not below the floor of all sources' using errcode = 'object_not_in_prerequisite_state';
            end if;
            execute format('drop table %%I', name);
        end
        $body$
    $create$, current_schema());
end
$migration$;
comment on function drop_partition is 'Drops the partition of moment, receipt or request that begins on this day, in UTC.';
revoke execute on function drop_partition from public;

-- Only an owner may make a partition: this lets who stores payloads make the months that they need, and no other table.
do $migration$
begin
    execute format($create$
        create function make_month(parent text, first_day date) returns boolean
        language plpgsql security definer set search_path = %I, pg_temp
        as $body$
        declare
            time_column constant text := case parent when 'moment' then 'observed_at' when 'receipt' then 'received_at' end;
            month constant text := parent || to_char(first_day, '"_"YYYY_MM');
            bounds constant text[] := array[to_char(first_day, 'YYYY-MM-DD" 00:00:00+00"'),
                                            to_char(first_day + interval '1 month', 'YYYY-MM-DD" 00:00:00+00"')];
        begin
            if time_column is null or first_day <> date_trunc('month', first_day) then
                raise 'a month of moment or of receipt is named by its first day' using errcode = 'invalid_parameter_value';
            end if;
            -- One at a time makes a month. 1179779074 is the class of such locks, of every release.
            perform pg_advisory_xact_lock(1179779074,
                (extract(year from first_day) * 12 + extract(month from first_day))::integer * 2 + (parent = 'receipt')::integer);
            -- One that an operator has detached stays detached, and what comes for its month stays in the default partition.
            if to_regclass(month) is not null then
                return false;
            end if;
            -- Who comes later to the default partition waits behind us.
            perform set_config('lock_timeout', '2000', true);
            execute format('create table %%I (like %%I including all)', month, parent);
            -- Locked first and at once: a weaker lock that grows would meet its like.
            execute format('lock table %%I in access exclusive mode', parent || '_default');
            execute format(
                'with moved as (delete from %%1$I where %%2$I >= %%3$L and %%2$I < %%4$L returning *) insert into %%5$I select * from moved',
                parent || '_default', time_column, bounds[1], bounds[2], month);
            execute format('alter table %%I attach partition %%I for values from (%%L) to (%%L)',
                parent, month, bounds[1], bounds[2]);
            return true;
        end
        $body$
    $create$, current_schema());
end
$migration$;
comment on function make_month is
    'Makes the partition of moment or receipt for the month that begins on this day, in UTC, where it is missing; whether it was.';
revoke execute on function make_month from public;

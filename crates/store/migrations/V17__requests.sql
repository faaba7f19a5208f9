-- Requests lie beside their receipts, by day: what is kept for a month is dropped a day at a time, and no receipt is written anew.
create table request (
    received_at timestamptz not null,
    receipt_id  uuid        not null,
    -- as application/http
    body        bytea       not null,
    constraint request_pk primary key (received_at, receipt_id)
) partition by range (received_at);
comment on table request is 'The request of a receipt as it came, where no Kafka record keeps it.';
create table request_default partition of request default;
comment on column receipt.request is 'Where the release before wrote the receipt: its request.';

-- Only an owner may make a partition: this lets who stores payloads make those that they need, and no other table.
do $migration$
begin
    execute format($create$
        create function make_partition(parent text, first_day date) returns boolean
        language plpgsql security definer set search_path = %I, pg_temp
        as $body$
        declare
            time_column constant text := case parent when 'moment' then 'observed_at' when 'receipt' then 'received_at'
                                                     when 'request' then 'received_at' end;
            is_of_day constant boolean := parent = 'request';
            next_day constant date := first_day + case when is_of_day then interval '1 day' else interval '1 month' end;
            name constant text := parent || to_char(first_day, case when is_of_day then '"_"YYYY_MM_DD' else '"_"YYYY_MM' end);
            bounds constant text[] := array[to_char(first_day, 'YYYY-MM-DD" 00:00:00+00"'),
                                            to_char(next_day, 'YYYY-MM-DD" 00:00:00+00"')];
        begin
            if time_column is null or first_day is null or not is_of_day and first_day <> date_trunc('month', first_day) then
                raise 'a day of request, and a month of moment or of receipt, is named by its first day'
                    using errcode = 'invalid_parameter_value';
            end if;
            -- One at a time makes a partition. 1179779074 is the class of such locks, of every release.
            perform pg_advisory_xact_lock(1179779074, hashtext(name));
            -- One that an operator has detached stays detached, and what comes for its time stays in the default partition.
            if to_regclass(name) is not null then
                return false;
            end if;
            -- Who comes later to the default partition waits behind us.
            perform set_config('lock_timeout', '2000', true);
            execute format('create table %%I (like %%I including all)', name, parent);
            -- Locked first and at once: a weaker lock that grows would meet its like.
            execute format('lock table %%I in access exclusive mode', parent || '_default');
            execute format(
                'with moved as (delete from %%1$I where %%2$I >= %%3$L and %%2$I < %%4$L returning *) insert into %%5$I select * from moved',
                parent || '_default', time_column, bounds[1], bounds[2], name);
            execute format('alter table %%I attach partition %%I for values from (%%L) to (%%L)',
                parent, name, bounds[1], bounds[2]);
            return true;
        end
        $body$
    $create$, current_schema());
    -- For the release before.
    execute format($create$
        create or replace function make_month(parent text, first_day date) returns boolean
        language sql security definer set search_path = %I, pg_temp
        as 'select make_partition(parent, first_day)'
    $create$, current_schema());
end
$migration$;
comment on function make_partition is
    'Makes the partition of moment, receipt or request that begins on this day, in UTC, where it is missing; whether it was.';
revoke execute on function make_partition from public;

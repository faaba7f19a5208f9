-- What the readings of an hour or a day leave that can be merged; each of the readings within it alone. Crate rollups says what each column is.
create table rollup_hour (
    stream_id integer          not null,
    position  smallint         not null,
    -- in UTC
    hour      timestamptz      not null,
    -- values of quality bad, which are in nothing else
    bad       bigint           not null,
    -- the others; where there are none, the rest is null
    n         bigint           not null,
    sum       double precision,
    min       double precision,
    max       double precision,
    first_at  timestamptz,
    first     double precision,
    last_at   timestamptz,
    last      double precision,
    rise      double precision,
    changes   bigint,
    -- covered by values: between those that are no further apart than the gap
    seconds   double precision,
    integral  double precision,
    sin_sum   double precision,
    cos_sum   double precision,
    constraint rollup_hour_pk primary key (stream_id, position, hour)
);
comment on table rollup_hour is 'What the readings of a series in an hour of UTC come to; complete up to rollup_progress.hours_to, but for rollup_due.';

create table rollup_day (
    stream_id integer          not null,
    position  smallint         not null,
    -- the first moment of the day, and of the next
    from_at   timestamptz      not null,
    to_at     timestamptz      not null,
    day       date             not null,
    zone      text             not null,
    bad       bigint           not null,
    n         bigint           not null,
    sum       double precision,
    min       double precision,
    max       double precision,
    first_at  timestamptz,
    first     double precision,
    last_at   timestamptz,
    last      double precision,
    rise      double precision,
    changes   bigint,
    seconds   double precision,
    integral  double precision,
    sin_sum   double precision,
    cos_sum   double precision,
    constraint rollup_day_pk primary key (stream_id, position, from_at)
);
comment on table rollup_day is 'The same of a civil day of the device''s zone; complete up to rollup_progress.days_to.';

-- What the roller hands over, many at once.
create type rollup_part as (
    stream_id integer,
    position  smallint,
    from_at   timestamptz,
    to_at     timestamptz,
    day       date,
    zone      text,
    bad       bigint,
    n         bigint,
    sum       double precision,
    min       double precision,
    max       double precision,
    first_at  timestamptz,
    first     double precision,
    last_at   timestamptz,
    last      double precision,
    rise      double precision,
    changes   bigint,
    seconds   double precision,
    integral  double precision,
    sin_sum   double precision,
    cos_sum   double precision
);

create sequence rollup_token;
create table rollup_due (
    stream_id integer     not null,
    hour      timestamptz not null,
    -- another one whenever something is written into the hour again
    token     bigint      not null,
    constraint rollup_due_pk primary key (stream_id, hour)
);
comment on table rollup_due is 'Hours whose readings have changed since they may have been rolled up.';

create table rollup_progress (
    singleton boolean not null default true constraint rollup_progress_pk primary key
              constraint rollup_progress_single check (singleton),
    -- null before the first
    hours_to  timestamptz,
    days_to   timestamptz
);
comment on table rollup_progress is 'What ended by then is rolled up.';
insert into rollup_progress default values;

create table metric_aggregate (
    name      text    not null,
    kind      text    not null,
    aggregate text    not null,
    -- in seconds
    gap       double precision not null,
    constraint metric_aggregate_pk primary key (name, kind)
);
comment on table metric_aggregate is 'How the values of a metric become one, by the pipeline that has rolled them up last.';

alter table device add column zone text;
comment on column device.zone is 'The time zone by which its days are rolled up; null where none is yet.';

alter table retention_floor add column frozen_at timestamptz;
comment on column retention_floor.frozen_at is 'Hours that ended by then are rolled up for the last time: their readings may be gone.';
update retention_floor set frozen_at = date_trunc('hour', at + interval '59 minutes 59.999999 seconds', 'UTC');

do $migration$
begin
    execute format($create$
        create or replace function drop_partition(parent text, first_day date) returns void
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
            if parent = 'moment' and not exists (select from retention_floor where source = '' and at >= ends and frozen_at >= ends) then
                raise 'the month is not below the floor of all sources, or not rolled up' using errcode = 'object_not_in_prerequisite_state';
            end if;
            execute format('drop table %%I', name);
        end
        $body$
    $create$, current_schema());
end
$migration$;

-- The value of a span with the step that leads into it from the last reading before, as Part::value_after of crate rollups; null where there is none.
create function rollup_value(aggregate text, gap double precision, before_at timestamptz, before double precision, n bigint, sum double precision,
                             min double precision, max double precision, first_at timestamptz, first double precision, rise double precision,
                             seconds double precision, integral double precision, sin_sum double precision, cos_sum double precision)
returns double precision language sql immutable as $$
    -- Each operand is of the type that its operator is for, so that nobody's own operators are found.
    select case
        when n = 0::bigint then null
        when aggregate = 'counter'::text then
            case when before is null then case when n > 1::bigint then rise end
                 when abs(rise) < 1e290::double precision and abs(first) < 1e290::double precision and abs(before) < 1e290::double precision
                 then rise + case when first < before then greatest(first, 0::double precision) else first - before end end
        when aggregate = 'direction'::text then
            case when sqrt(sin_sum * sin_sum + cos_sum * cos_sum) / n::double precision > 1e-9::double precision
                 then case when atan2d(sin_sum, cos_sum) < 0::double precision then atan2d(sin_sum, cos_sum) + 360::double precision
                           else abs(atan2d(sin_sum, cos_sum)) end end
        when aggregate in ('time_weighted'::text, 'flag'::text)
             and (seconds > 0::double precision or first_at - before_at <= make_interval(secs => gap)) then
            case when before is null or first_at - before_at > make_interval(secs => gap)
                 then case when integral is not null then greatest(min, least(max, integral / seconds)) end
                 when abs(integral) < 1e290::double precision and abs(before) < 1e280::double precision
                 then greatest(least(min, before), least(greatest(max, before),
                      (integral + before * extract(epoch from first_at - before_at)::double precision)
                      / (seconds + extract(epoch from first_at - before_at)::double precision))) end
        when aggregate = 'flag'::text then null
        when sum is not null then greatest(min, least(max, sum / n::double precision))
    end
$$;
comment on function rollup_value is 'The value of an hour or a day by the aggregate of its metric.';

-- Hours that are not rolled up yet come from readings, as crate rollups makes parts of them; beyond 1e290 a value counts as bad there, since
-- PostgreSQL fails where a sum leaves the range of doubles.
create view readings_hourly as
select d.source, d.name as device, s.channel, m.name as metric, nullif(m.unit, '') as unit, r.hour, a.aggregate,
       rollup_value(a.aggregate, a.gap, b.at, b.value, r.n, r.sum, r.min, r.max, r.first_at, r.first, r.rise, r.seconds, r.integral, r.sin_sum,
                    r.cos_sum) as value,
       r.min, r.max, r.n, r.bad
from device d
join stream s on s.device_id = d.id
join metric m on m.stream_id = s.id
join metric_aggregate a on a.name = m.name and a.kind = m.kind
cross join rollup_progress p
cross join lateral (
    select hour, bad, n, sum, min, max, first_at, first, rise, seconds, integral, sin_sum, cos_sum
    from rollup_hour where stream_id = m.stream_id and position = m.position and hour < coalesce(p.hours_to, '-infinity')
    union all
    select hour, count(*) filter (where is_bad), count(*) filter (where not is_bad), sum(value) filter (where not is_bad),
           min(value) filter (where not is_bad), max(value) filter (where not is_bad), min(at) filter (where not is_bad),
           (array_agg(value order by at) filter (where not is_bad))[1],
           sum(case when before is null then 0 when value < before then greatest(value, 0) else value - before end) filter (where not is_bad),
           sum(case when distance <= a.gap then distance else 0 end) filter (where not is_bad),
           sum(case when distance <= a.gap then before * distance else 0 end) filter (where not is_bad),
           sum(sind(value)) filter (where not is_bad), sum(cosd(value)) filter (where not is_bad)
    from (
        select hour, at, value, is_bad, lag(value) over one as before, extract(epoch from at - lag(at) over one)::double precision as distance
        from (
            select observed_at as at, date_trunc('hour', observed_at, 'UTC') as hour, "values"[m.position + 1] as value,
                   coalesce(quality[m.position + 1], 0) = 2 or not abs("values"[m.position + 1]) < 1e290 as is_bad
            from moment
            where stream_id = m.stream_id and observed_at >= coalesce(p.hours_to, '-infinity') and "values"[m.position + 1] is not null) reading
        window one as (partition by hour, is_bad order by at)) step
    group by hour) r
left join lateral (
    (select last_at as at, last as value from rollup_hour
     where stream_id = m.stream_id and position = m.position and hour < least(r.hour, coalesce(p.hours_to, '-infinity')) and n > 0
     order by hour desc limit 1)
    union all
    (select observed_at, "values"[m.position + 1] from moment
     where stream_id = m.stream_id and observed_at >= coalesce(p.hours_to, '-infinity') and observed_at < r.hour
       and abs("values"[m.position + 1]) < 1e290 and coalesce(quality[m.position + 1], 0) < 2
     order by observed_at desc limit 1)
    order by at desc limit 1) b on a.aggregate in ('counter', 'time_weighted', 'flag');
comment on view readings_hourly is 'A line an hour of UTC and series in which something was read; filter by source, device, metric and hour.';

create view readings_daily as
select d.source, d.name as device, s.channel, m.name as metric, nullif(m.unit, '') as unit, r.day, r.zone, r.from_at, r.to_at, a.aggregate,
       rollup_value(a.aggregate, a.gap, b.last_at, b.last, r.n, r.sum, r.min, r.max, r.first_at, r.first, r.rise, r.seconds, r.integral,
                    r.sin_sum, r.cos_sum) as value,
       r.min, r.max, r.n, r.bad
from device d
join stream s on s.device_id = d.id
join metric m on m.stream_id = s.id
join metric_aggregate a on a.name = m.name and a.kind = m.kind
join rollup_day r on r.stream_id = m.stream_id and r.position = m.position
left join lateral (
    select last_at, last from rollup_day
    where stream_id = m.stream_id and position = m.position and from_at < r.from_at and n > 0
    order by from_at desc limit 1) b on a.aggregate in ('counter', 'time_weighted', 'flag');
comment on view readings_daily is 'A line a civil day of the device''s zone that is rolled up, and series; filter by source, device, metric and from_at.';

-- For a panel that shows any range of time. Who may execute it may read all readings.
do $migration$
begin
    execute format($create$
        create function readings_between(source text, device text, metric text, "from" timestamptz, until timestamptz, resolution text default 'auto')
        returns table (channel text, at timestamptz, value double precision, min double precision, max double precision, unit text, span text)
        language sql stable security definer set search_path = %I, pg_temp
        as $body$
            with asked as materialized (
                select $1 as source, d.name as device, $3 as metric,
                       case when $6 <> 'auto' then $6
                            when $5 - $4 <= interval '2 days' then 'raw'
                            when $5 - $4 <= interval '62 days' then 'hour'
                            else 'day' end as wanted,
                       coalesce((select max(f.frozen_at) from retention_floor f where f.source in ('', $1)), '-infinity') as gone,
                       coalesce((select max(r.to_at) from stream s
                                 join metric m on m.stream_id = s.id and m.name = $3
                                 join rollup_day r on r.stream_id = s.id and r.position = m.position
                                 where s.device_id = d.id), '-infinity') as days_to
                from device d
                where d.id = coalesce((select id from device o where o.source = $1 and o.name = $2),
                                      (select device_id from device_alias a where a.source = $1 and a.alias = $2)))
            select h.channel, h.from_at, h.value, h.min, h.max, h.unit, 'day'
            from asked a join readings_daily h on (h.source, h.device, h.metric) = (a.source, a.device, a.metric)
            where a.wanted = 'day' and h.to_at > $4 and h.from_at < $5
            union all
            select h.channel, h.hour, h.value, h.min, h.max, h.unit, 'hour'
            from asked a join readings_hourly h on (h.source, h.device, h.metric) = (a.source, a.device, a.metric)
            where h.hour > $4 - interval '1 hour' and h.hour < $5
              and case a.wanted when 'day' then h.hour >= a.days_to when 'raw' then h.hour < a.gone else true end
            union all
            select r.channel, r.observed_at, r.value, null, null, r.unit, 'raw'
            from asked a join readings r on (r.source, r.device, r.metric) = (a.source, a.device, a.metric)
            where a.wanted = 'raw' and r.observed_at >= greatest($4, a.gone) and r.observed_at < $5 and r.value is not null and r.quality <> 'bad'
            order by 1, 2
        $body$
    $create$, current_schema());
end
$migration$;
comment on function readings_between is
    'What a metric of a device was: readings where the range is of 2 days at most, hours where it is of up to 62, else days, or as resolution says (raw, hour, day). What is not rolled up yet is by finer spans, and what is gone by coarser ones.';
revoke execute on function readings_between from public;

//! The queue's SQL.

/// $1 now. For each receiver with open notifications that are under no lease: when the first of them has something to be
/// done. Receivers are found by skipping through their index: as many steps as there are receivers.
pub(super) const SCHEDULE: &str = "
    with recursive known as (
        (select receiver from notification where status in ('pending', 'repeating') order by receiver limit 1)
        union all
        select next.receiver
        from known, lateral (select receiver from notification n
                             where n.status in ('pending', 'repeating') and n.receiver > known.receiver
                             order by n.receiver limit 1) next)
    select known.receiver, due.at
    from known
    left join receiver_budget b on b.receiver = known.receiver and b.blocked_until > $1
    cross join lateral (
        select case when b.receiver is null then
                   (select least(n.next_attempt_at, n.fallback_at) from notification n
                    where n.receiver = known.receiver and n.status in ('pending', 'repeating')
                      and (n.lease_until is null or n.lease_until <= $1)
                    order by least(n.next_attempt_at, n.fallback_at) limit 1)
               else
                   (select min(least(greatest(n.next_attempt_at, b.blocked_until), n.fallback_at)) from notification n
                    where n.receiver = known.receiver and n.status in ('pending', 'repeating')
                      and (n.lease_until is null or n.lease_until <= $1))
               end as at) due
    where due.at is not null
    order by due.at";

/// $1 now, $2 limit, $3 class of locks, $4 receiver, $5 whether it is blocked. The worst first, then the oldest. The lock
/// keeps two processes from taking parts of one group.
pub(super) const DUE: &str = "
    with candidate as materialized (
        select n.alert_key, n.receiver, min(n.transition_id) as first,
               min(case t.severity when 'info' then 2 when 'warning' then 1 else 0 end) as rank
        from notification n
        join alert_transition t on t.id = n.transition_id
        where n.receiver = $4 and n.status in ('pending', 'repeating')
          and least(n.next_attempt_at, n.fallback_at) <= $1 and (not $5 or n.fallback_at <= $1)
          and not exists (select from notification h
                          where h.alert_key = n.alert_key and h.receiver = n.receiver
                            and h.status in ('pending', 'repeating') and h.lease_until > $1)
        group by n.alert_key, n.receiver
        order by rank, first
        limit $2)
    select alert_key, receiver from candidate
    where pg_try_advisory_xact_lock($3, hashtext(alert_key || E'\\x1f' || receiver))";

/// $1 and $2 groups whose lock is held, $3 now. A statement of its own, so that it sees what others committed
/// before they let go of the lock.
pub(super) const OPEN_ROWS: &str = "
    select n.id, n.alert_key, n.receiver, n.status, n.attempts, n.lease is not null as interrupted,
           n.next_attempt_at, n.give_up_at, n.is_fallback, n.fallback_at, n.fell_back, n.summarizes,
           t.id as transition, t.rule, t.kind, t.at, t.value, t.cause, t.severity, t.labels, t.annotations, t.traceparent,
           coalesce(d.source, '') as source, coalesce(d.name, '') as device,
           coalesce(s.channel, '') as device_channel, coalesce(m.name, '') as metric, coalesce(m.unit, '') as unit,
           b.id as retracted_transition, b.kind as retracted_kind, b.at as retracted_at,
           bn.id as retracted_id, case when bn.summarizes is null then bn.status else 'summarized' end as retracted_status,
           coalesce(bn.fell_back or bn.status = 'failed', false) as retracted_fell_back,
           f.at as firing_at, f.id as firing_id, f.status as firing_status, f.fell_back as firing_fell_back,
           coalesce((select l.kind = 'resolved' from alert_transition l
                     where l.stream_id = t.stream_id and l.rule = t.rule and l.position = t.position
                       and l.kind <> 'retracted' and l.retracted_by is null
                     order by l.at desc, l.id desc limit 1), true) as over
    from unnest($1::text[], $2::text[]) with ordinality as wanted (alert_key, receiver, number)
    join notification n using (alert_key, receiver)
    join alert_transition t on t.id = n.transition_id
    left join stream s on s.id = t.stream_id
    left join device d on d.id = s.device_id
    left join metric m on m.stream_id = t.stream_id and m.position = t.position
    left join alert_transition b on b.id = t.retracts
    left join notification bn on bn.transition_id = b.id and bn.receiver = n.receiver
    left join lateral (
        select e.at, e.kind, en.id, case when en.summarizes is null then en.status else 'summarized' end as status,
               coalesce(en.fell_back or en.status = 'failed', false) as fell_back
        from alert_transition e
        left join notification en on en.transition_id = e.id and en.receiver = n.receiver
        where e.stream_id = t.stream_id and e.rule = t.rule and e.position = t.position
          and e.kind <> 'retracted' and e.retracted_by is null and e.at <= t.at and e.id <> t.id
        order by e.at desc, e.id desc
        limit 1) f on f.kind = 'firing' and t.kind <> 'firing'
    where n.status in ('pending', 'repeating')
      and not exists (select from notification h
                      where h.alert_key = n.alert_key and h.receiver = n.receiver
                        and h.status in ('pending', 'repeating') and h.lease_until > $3)
    order by wanted.number, n.transition_id
    for update of n";

/// $1 ids, $2 lease, $3 until.
pub(super) const LEASE_ROWS: &str = "update notification set lease = $2, lease_until = $3 where id = any($1)";

/// $1 id, $2 lease, $3 now.
pub(super) const DELIVERED: &str = "
    update notification set status = 'delivered', attempts = attempts + 1, delivered_at = $3, last_error = null,
                            lease = null, lease_until = null
    where id = $1 and lease = $2 and status in ('pending', 'repeating')";

/// $1 id, $2 lease, $3 now, $4 next attempt, $5 when to give up, $6 when the fallback is notified (may be null).
pub(super) const REPEATING: &str = "
    update notification set status = 'repeating', attempts = attempts + 1, delivered_at = coalesce(delivered_at, $3),
                            next_attempt_at = $4, give_up_at = $5, fallback_at = $6, last_error = null
    where id = $1 and lease = $2 and status in ('pending', 'repeating')";

/// $1 id, $2 lease.
pub(super) const ENDED: &str = "
    update notification set status = 'delivered', lease = null, lease_until = null where id = $1 and lease = $2 and status in ('pending', 'repeating')";

/// $1 id, $2 lease.
pub(super) const SUPERSEDED: &str = "
    update notification set status = 'superseded', lease = null, lease_until = null where id = $1 and lease = $2 and status in ('pending', 'repeating')";

/// $1 id, $2 lease, $3 next attempt, $4 error.
pub(super) const RETRY: &str = "
    update notification set attempts = attempts + 1, next_attempt_at = $3, last_error = $4
    where id = $1 and lease = $2 and status in ('pending', 'repeating')";

/// $1 id, $2 lease.
pub(super) const FELL_BACK: &str = "
    update notification set fell_back = true, fallback_at = null
    where id = $1 and lease = $2 and status in ('pending', 'repeating')";

/// $1 id, $2 lease, $3 error.
pub(super) const FAILED: &str = "
    update notification set status = 'failed', attempts = attempts + 1, last_error = $3,
                            lease = null, lease_until = null
    where id = $1 and lease = $2 and status in ('pending', 'repeating')";

/// $1 id of the row that is given up, $2 the new row's id, $3 its receiver, $4 now, $5 when to give up.
pub(super) const QUEUE_FALLBACK: &str = "
    insert into notification (id, transition_id, receiver, alert_key, status, next_attempt_at, give_up_at, is_fallback,
                              summarizes, created_at)
    select $2, transition_id, $3, alert_key, 'pending', $4, $5, true, summarizes, $4 from notification where id = $1
    on conflict do nothing";

/// $1 alert key, $2 receiver, $3 lease, $4 the earliest next attempt of what is still open (may be null).
pub(super) const RELEASE: &str = "
    update notification
    set lease = null, lease_until = null,
        next_attempt_at = greatest(next_attempt_at, $4::timestamptz)
    where alert_key = $1 and receiver = $2 and lease = $3";

/// $1 receiver, $2 now.
pub(super) const BEGIN_BUDGET: &str = "
    insert into receiver_budget (receiver, window_from) values ($1, $2) on conflict do nothing";

/// $1 receiver.
pub(super) const BUDGET: &str = "
    select window_from, begun, summarized_at from receiver_budget where receiver = $1 for update";

/// $1 receiver, $2 the beginning of the hour, $3 how many began within it, $4 when a summary was begun (may be null).
pub(super) const SPEND: &str = "
    update receiver_budget set window_from = $2, begun = $3, summarized_at = $4 where receiver = $1";

/// $1 receiver, $2 until when.
pub(super) const BLOCK: &str = "
    insert into receiver_budget (receiver, window_from, blocked_until) values ($1, '-infinity', $2)
    on conflict (receiver) do update
    set blocked_until = greatest(receiver_budget.blocked_until, excluded.blocked_until)";

/// $1 receiver. One that nobody has tried to send yet.
pub(super) const OPEN_SUMMARY: &str = "
    select id from notification
    where receiver = $1 and summarizes is not null and status = 'pending' and attempts = 0 and lease is null
    limit 1 for update skip locked";

/// $1 id, $2 lease, $3 when it is to be sent.
pub(super) const BEGIN_SUMMARY: &str = "
    update notification set summarizes = 0, next_attempt_at = $3
    where id = $1 and lease = $2 and status = 'pending'";

/// $1 id, $2 how many more.
pub(super) const ADD_TO_SUMMARY: &str = "update notification set summarizes = summarizes + $2 where id = $1";

/// $1 ids, $2 lease.
pub(super) const SUMMARIZED: &str = "
    update notification set status = 'summarized', lease = null, lease_until = null, fallback_at = null
    where id = any($1) and lease = $2 and status = 'pending' and summarizes is null";

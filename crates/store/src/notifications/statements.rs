//! The queue's SQL.

/// $1 now, $2 limit, $3 class of locks. The lock keeps two processes from taking parts of one group.
pub(super) const DUE: &str = "
    with candidate as materialized (
        select n.alert_key, n.receiver, min(n.transition_id) as first
        from notification n
        where n.status in ('pending', 'repeating') and n.next_attempt_at <= $1
          and not exists (select from notification h
                          where h.alert_key = n.alert_key and h.receiver = n.receiver
                            and h.status in ('pending', 'repeating') and h.lease_until > $1)
        group by n.alert_key, n.receiver
        order by first
        limit $2)
    select alert_key, receiver from candidate
    where pg_try_advisory_xact_lock($3, hashtext(alert_key || E'\\x1f' || receiver))";

/// $1 and $2 groups whose lock is held, $3 now. A statement of its own, so that it sees what others committed
/// before they let go of the lock.
pub(super) const OPEN_ROWS: &str = "
    select n.id, n.alert_key, n.receiver, n.status, n.attempts, n.lease is not null as interrupted,
           n.next_attempt_at, n.give_up_at, n.is_fallback,
           t.id as transition, t.rule, t.kind, t.at, t.value, t.cause, t.severity, t.labels, t.annotations, t.traceparent,
           coalesce(d.source, '') as source, coalesce(d.name, '') as device,
           coalesce(s.channel, '') as device_channel, coalesce(m.name, '') as metric, coalesce(m.unit, '') as unit,
           b.id as retracted_transition, b.kind as retracted_kind, b.at as retracted_at,
           bn.id as retracted_id, bn.status as retracted_status,
           f.at as firing_at, f.id as firing_id, f.status as firing_status,
           coalesce((select l.kind = 'resolved' from alert_transition l
                     where l.stream_id = t.stream_id and l.rule = t.rule and l.position = t.position
                       and l.kind <> 'retracted' and l.retracted_by is null
                     order by l.at desc, l.id desc limit 1), true) as over
    from unnest($1::text[], $2::text[]) as wanted (alert_key, receiver)
    join notification n using (alert_key, receiver)
    join alert_transition t on t.id = n.transition_id
    left join stream s on s.id = t.stream_id
    left join device d on d.id = s.device_id
    left join metric m on m.stream_id = t.stream_id and m.position = t.position
    left join alert_transition b on b.id = t.retracts
    left join notification bn on bn.transition_id = b.id and bn.receiver = n.receiver
    left join lateral (
        select e.at, e.kind, en.id, en.status
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
    order by n.alert_key, n.receiver, n.transition_id
    for update of n";

/// $1 ids, $2 lease, $3 until.
pub(super) const LEASE_ROWS: &str = "update notification set lease = $2, lease_until = $3 where id = any($1)";

/// $1 id, $2 lease, $3 now.
pub(super) const DELIVERED: &str = "
    update notification set status = 'delivered', attempts = attempts + 1, delivered_at = $3, last_error = null,
                            lease = null, lease_until = null
    where id = $1 and lease = $2 and status in ('pending', 'repeating')";

/// $1 id, $2 lease, $3 now, $4 next attempt, $5 when to give up.
pub(super) const REPEATING: &str = "
    update notification set status = 'repeating', attempts = attempts + 1, delivered_at = coalesce(delivered_at, $3),
                            next_attempt_at = $4, give_up_at = $5, last_error = null
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

/// $1 id, $2 lease, $3 error.
pub(super) const FAILED: &str = "
    update notification set status = 'failed', attempts = attempts + 1, last_error = $3,
                            lease = null, lease_until = null
    where id = $1 and lease = $2 and status in ('pending', 'repeating')";

/// $1 id of the row that is given up, $2 the new row's id, $3 its receiver, $4 now, $5 when to give up.
pub(super) const QUEUE_FALLBACK: &str = "
    insert into notification (id, transition_id, receiver, alert_key, status, next_attempt_at, give_up_at, is_fallback,
                              created_at)
    select $2, transition_id, $3, alert_key, 'pending', $4, $5, true, $4 from notification where id = $1
    on conflict do nothing";

/// $1 alert key, $2 receiver, $3 lease, $4 the earliest next attempt of what is still open (may be null).
pub(super) const RELEASE: &str = "
    update notification
    set lease = null, lease_until = null,
        next_attempt_at = greatest(next_attempt_at, $4::timestamptz)
    where alert_key = $1 and receiver = $2 and lease = $3";

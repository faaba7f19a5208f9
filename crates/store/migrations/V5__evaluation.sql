-- A stream whose evaluation fails by itself keeps its request, and is tried again later. The release before knows neither column:
-- it tries at once, as it did.
alter table evaluation_request
    add column attempts   integer not null default 0,
    add column not_before timestamptz;
comment on column evaluation_request.attempts is 'How often the evaluation of this stream alone failed; not_before: when it is tried next.';

-- No transition is effective twice. Nothing should have written one twice; of what did, the first stays. No writer comes between.
lock table alert_transition in share row exclusive mode;
update alert_transition t set retracted_by = first.id
from (select stream_id, rule, position, kind, at, min(id) as id from alert_transition
      where kind <> 'retracted' and retracted_by is null
      group by stream_id, rule, position, kind, at having count(*) > 1) as first
where t.stream_id = first.stream_id and t.rule = first.rule and t.position = first.position and t.kind = first.kind
  and t.at = first.at and t.id <> first.id and t.kind <> 'retracted' and t.retracted_by is null;
create unique index alert_transition_effective on alert_transition (stream_id, rule, position, kind, at)
    where kind <> 'retracted' and retracted_by is null;

-- A state moves far more often than it changes: room beside it spares its indexes.
alter table alert_state set (fillfactor = 70);

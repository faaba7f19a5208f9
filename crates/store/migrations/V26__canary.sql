-- Of receipts that come from now on. Two statements: those that are there stay as they are.
alter table receipt add column stored_at timestamptz;
alter table receipt alter column stored_at set default now();
comment on column receipt.stored_at is
    'When the transaction that stored it began; null in receipts of releases before.';

create table canary_run (
    slot         timestamptz not null constraint canary_run_pk primary key,
    -- the time of its readings, which finds them
    at           timestamptz not null,
    sent_at      timestamptz,
    -- what follows lies on the clocks of those who did it
    accepted_at  timestamptz,
    stored_at    timestamptz,
    recorded_at  timestamptz,
    delivered_at timestamptz,
    finished_at  timestamptz,
    -- why it did not come all the way; null where it did, or is under way
    failure      text,
    pinged_at    timestamptz,
    ping_failure text
);
create index canary_run_passed on canary_run (slot) where finished_at is not null and failure is null;
comment on table canary_run is 'A payload of the canary, and when it was where: sent, accepted, stored, its alert recorded, its notification delivered.';

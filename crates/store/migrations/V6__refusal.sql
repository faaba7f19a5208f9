-- Payloads that could not be persisted when they came, and wait at their senders.
create table refusal (
    at timestamptz not null constraint refusal_pk primary key
);
comment on table refusal is 'When a process that persists payloads by itself last refused one: a tick after which one was refused is no heartbeat.';

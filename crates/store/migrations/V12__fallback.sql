-- Payloads that went to the Broker because the database did not take them in time.
create table fallback (
    at       timestamptz not null constraint fallback_pk primary key,
    payloads bigint      not null
);
comment on table fallback is
    'How many payloads a process that persists payloads by itself gave to the Broker until then, since it said so before.';

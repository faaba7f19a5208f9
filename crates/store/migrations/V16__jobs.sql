-- Timed work: each slot of each job is a row, made once whatever ticks are lost or come twice.
create table job (
    name        text        not null constraint job_pk primary key,
    schedule    text        not null,
    zone        text        not null,
    known_since timestamptz not null,
    paused_at   timestamptz
);
comment on table job is 'A job of freshet.yaml and its schedule, as the scheduler has found it.';
comment on column job.known_since is 'No earlier slot is made: a new or changed schedule makes up for nothing.';

create table job_slot (
    job         text        not null constraint job_slot_job_fk references job on delete cascade,
    slot        timestamptz not null,
    -- asked for by a person, and none of the schedule
    requested   boolean     not null default false,
    state       text        not null default 'open' constraint job_slot_state_check check (state in ('open', 'done', 'failed')),
    -- who works on it, and until when no other process may
    lease       uuid,
    lease_until timestamptz,
    -- how far it is; null before its first slice
    cursor      jsonb,
    -- slices that failed, and processes that ended without a word
    attempts    integer     not null default 0,
    not_before  timestamptz,
    error       text,
    started_at  timestamptz,
    finished_at timestamptz,
    result      jsonb,
    constraint job_slot_pk primary key (job, slot)
);
create index job_slot_open on job_slot (job, slot) where state = 'open';
comment on table job_slot is 'A job at one of its times. What a slice does is committed with its cursor, and only by who has its lease.';

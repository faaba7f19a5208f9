-- Of two accounts of one moment that were received at once, the one by the later mapping stays: what is reprocessed is not undone by
-- a process that has an older file.
create table pipeline_generation (
    -- the first 16 digits, as receipt.pipeline has them
    hash       text    not null constraint pipeline_generation_pk primary key,
    generation integer not null
);
comment on table pipeline_generation is 'A number for each pipeline file, in the order in which they were last put in force.';
insert into pipeline_generation (hash, generation) select left(hash, 16), 1 from active_pipeline;

alter table moment
    add column generation  integer,
    add column generations integer[];
comment on column moment.generation is 'Of the mapping that gave the values that came with receipt_id; null where that is not known, which is before all others.';
comment on column moment.generations is 'By position, as receipt_ids. A receipt without a value has emptied the position.';
-- What the writer hands over, many at once. The release before has moment_row.
create type moment_account as (
    stream_id    integer,
    observed_at  timestamptz,
    received_at  timestamptz,
    receipt_id   uuid,
    revised_at   timestamptz,
    "values"     float8[],
    texts        text[],
    quality      smallint[],
    received_ats timestamptz[],
    receipt_ids  uuid[],
    generation   integer,
    generations  integer[]
);

-- A receipt of a request that was read again.
alter table receipt add column rereads uuid;
comment on column receipt.rereads is 'The receipt whose request was read again; its readings count as received when that was.';
create index receipt_rereads on receipt (rereads) where rereads is not null;

create unlogged table reprocess_row (
    run         uuid        not null,
    receipt_id  uuid        not null,
    stream_id   integer     not null,
    observed_at timestamptz not null,
    begun_at    timestamptz not null
);
create index reprocess_row_receipt on reprocess_row (run, receipt_id);
comment on table reprocess_row is 'While requests are read again: which moments have values of which receipts.';

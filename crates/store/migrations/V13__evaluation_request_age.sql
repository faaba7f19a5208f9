-- A request that is renewed keeps its time: how long the oldest waits is how far evaluation is behind.
alter table evaluation_request add column requested_at timestamptz not null default now();
comment on column evaluation_request.requested_at is 'When the stream came to have readings that no rule has seen.';

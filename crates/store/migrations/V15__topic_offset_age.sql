-- A partition that the worker has never come to the end of is behind, too.
alter table topic_offset add column made_at timestamptz not null default now();
comment on column topic_offset.made_at is 'When a worker was given the partition first.';

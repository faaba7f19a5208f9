-- The worker's offsets stand in the transaction of its rows; who may write them is who holds the newest epoch.
alter table topic_offset
    add column epoch       bigint  not null default 0,
    add column incarnation integer not null default 0,
    add column begun       bigint,
    add column deaths      integer not null default 0,
    add column last_offset bigint,
    add column last_hash   bigint;
comment on table topic_offset is 'How far the worker has come in each partition of a topic: written in the transaction of the rows.';
comment on column topic_offset.next is
    'The offset behind the last record whose rows or dead letter are stored; -1 before the first was looked for.';
comment on column topic_offset.epoch is
    'Raised by each worker that is given the partition: only the newest epoch writes.';
comment on column topic_offset.incarnation is
    'Counts the topics of this name: 0 before the first record was looked for, 2 where the topic was deleted and made anew.';
comment on column topic_offset.begun is
    'Records below were begun with; those from next on may have ended their process, and are read one at a time.';
comment on column topic_offset.deaths is 'How often the process ended over the record at next.';
comment on column topic_offset.last_offset is
    'The record before next, with last_hash of its time and identity: what tells a topic of the same name.';

-- One receipt for many records of a topic, whose offsets are what tells them from others.
alter table receipt
    add column record_incarnation integer,
    add column record_last_offset bigint,
    add column records            integer,
    add column record_outcomes    jsonb,
    add column record_problems    jsonb;
comment on table receipt is 'One row for each accepted payload, or for a range of a topic''s records whose ids are no keys.';
comment on column receipt.record_last_offset is
    'The last of a range of records of one source, which begins at record_offset; null where the receipt is of one payload.';
comment on column receipt.records is 'How many payloads the range holds: records of its source whose ids are no keys.';
comment on column receipt.record_outcomes is 'How many of them came to which outcome.';
comment on column receipt.record_problems is
    '[{"offset": ..., "outcome": "...", "problems": ..., "reason": "..."}], the first hundred of those that have any.';

-- A source may read many topics, and one that is gone keeps nothing waiting.
alter table topic_offset add column left_at timestamptz;
comment on column topic_offset.left_at is
    'Since when no worker reads it any more, because the topic is gone or its source does not name it.';

-- A payload that came from a Kafka topic leaves its request there: the receipt says where.
alter table receipt
    add column record_topic     text,
    add column record_partition integer,
    add column record_offset    bigint;
comment on column receipt.record_topic is
    'With record_partition and record_offset: the Kafka record that holds the request, where request is null.';

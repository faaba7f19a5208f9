-- By which pipeline file a payload was decoded.
alter table receipt add column pipeline bigint;
comment on column receipt.pipeline is
    'The first eight bytes of the hash of the pipeline that decoded it; null where an earlier release did.';

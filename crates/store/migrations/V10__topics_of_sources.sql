-- Topics of two sources, and of the pipeline itself, may have one name on several clusters.
alter table topic_offset
    add column source text not null default '',
    drop constraint topic_offset_pk,
    add constraint topic_offset_pk primary key (source, topic, "partition");
comment on column topic_offset.source is 'The source whose topic it is, on a cluster of others; empty: the pipeline''s own.';

alter table topic_gap
    add column source text not null default '',
    drop constraint topic_gap_pk,
    add constraint topic_gap_pk primary key (source, topic, "partition", incarnation, goes_on_at);
comment on column topic_gap.source is 'As topic_offset.source.';

alter table receipt add column record_source text;
comment on column receipt.record_source is 'The source whose topic keeps the records of a range, where that is not the pipeline''s own.';

create table topic_source (
    source   text        not null constraint topic_source_pk primary key,
    added_at timestamptz not null
);
comment on table topic_source is 'Sources whose topics are read, and since when.';

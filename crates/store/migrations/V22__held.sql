-- Payloads of devices that nobody knows, of sources that hold these: the event, as a dead letter has it, until each device is known.
create table held (
    source       text        not null,
    received_at  timestamptz not null,
    -- the dead letter that it becomes where nobody adopts a device of it
    id           uuid        not null,
    receipt_id   uuid        not null,
    -- its claim, where it has one
    key          text,
    event_source text        not null,
    event_id     text        not null,
    event_type   text        not null,
    stage        text        not null,
    attributes   jsonb       not null,
    data         bytea,
    held_at      timestamptz not null,
    constraint held_pk primary key (source, received_at, id)
);
create index held_at on held (held_at);
comment on table held is 'A payload with readings of devices that are not known; what it says of others is stored.';

create table held_device (
    source      text        not null,
    device      text        not null,
    received_at timestamptz not null,
    id          uuid        not null,
    constraint held_device_pk primary key (source, device, received_at, id),
    constraint held_device_held_fk foreign key (source, received_at, id) references held on delete cascade
);
create index held_device_held on held_device (source, received_at, id);
comment on table held_device is 'A device that is not known, and a held payload with readings of it.';

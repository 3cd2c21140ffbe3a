-- The tables of the data logger. A reading is one measurement of all sensors, in one transaction.

create table if not exists quantity (
    id   integer primary key,
    name text not null unique,       -- cpu, memory, network_in, temperature_acpitz, …
    unit text not null               -- %, MB, kB/s, °C, …
) strict;

create table if not exists reading (
    id integer primary key,          -- 1, 2, 3, …: rows are never deleted, so a gap is a loss
    at integer not null              -- nanoseconds since 1970, UTC
) strict;

create table if not exists measurement (
    reading  integer not null references reading (id),
    quantity integer not null references quantity (id),
    value    real    not null,
    primary key (reading, quantity)
) strict, without rowid;

create view if not exists history as
    select reading.id, strftime('%Y-%m-%dT%H:%M:%fZ', at / 1e9, 'unixepoch') as at, name, value, unit
    from measurement join reading on reading.id = reading join quantity on quantity.id = quantity;

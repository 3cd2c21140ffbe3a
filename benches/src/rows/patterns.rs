//! Publishing, fan-out, calls, many writers, and stored values: files, mailslots, journals.

use super::row::{Row, SIZES, own, peer};

fn published(rows: &mut Vec<Row>) {
    rows.push(
        Row::new(
            "shm 64 B published there and back, spinning",
            own("publish and recv", "ours published shm 64 apart 100"),
            own("cache-line ping-pong", "floor spin 8 apart"),
        )
        .mark(1.5, 1.2)
        .beside([
            own("channel", "ours round shm 64 apart 100"),
            peer("iceoryx2 publish-subscribe", "iceoryx2 publish 64"),
        ]),
    );
    for readers in [1, 4, 16, 64] {
        let mut row = Row::new(
            format!("shm 64 B published to {readers}, per message"),
            own("publish and recv", &format!("ours fanout shm {readers}")),
            own("one store, a load each", &format!("floor fanout {readers}")),
        );
        if readers <= 16 {
            row = row.mark(3.0, 2.0);
        }
        rows.push(row.beside([
            own("unix publisher", &format!("ours fanout unix {readers}")),
            peer("ZeroMQ PUB and SUB, ipc", &format!("zeromq fanout ipc 64 apart {readers}")),
        ]));
    }
}

/// Published arrays: each subscriber reads eight bytes before the publisher sends the next array.
fn published_arrays(rows: &mut Vec<Row>) {
    for readers in [1, 4] {
        rows.push(
            Row::new(
                format!("shm array of 1 MiB loaned, published to {readers}, spinning"),
                own("publish and recv", &format!("ours publish loaned 1048576 {readers}")),
                own("ours, 64 B to as many", &format!("ours publish short 64 {readers}")),
            )
            .mark(1.2, 1.05),
        );
        rows.push(Row::new(
            format!("shm array of 1 MiB not loaned, published to {readers}, spinning"),
            own("publish and recv", &format!("ours publish own 1048576 {readers}")),
            own("memcpy", "floor memcpy 1048576"),
        ));
    }
}

fn calls(rows: &mut Vec<Row>) {
    for (transport, bytes, size, label, floor) in [
        ("shm", 64, "64 B", "futex and copy", "futex 64"),
        ("shm", 10_000, "10 kB", "futex and copy", "futex 10000"),
        ("shm", 1 << 20, "1 MiB", "futex and copy", "futex 1048576"),
        ("unix", 10_000, "10 kB", "write and read", "socket 10000"),
    ] {
        let parked = if transport == "shm" { ", parked" } else { "" };
        let mut row = Row::new(
            format!("{transport} {size} call to a server{parked}"),
            own("call", &format!("ours call {transport} {bytes} together 0")),
            own(label, &format!("floor {floor} together")),
        );
        if transport == "shm" {
            row = row.beside([
                peer("ZeroMQ REQ and REP, ipc", &format!("zeromq call ipc {bytes} together")),
                peer("nng REQ and REP, ipc", &format!("nng call ipc {bytes} together")),
            ]);
        }
        if bytes == 64 {
            row = row.beside([
                peer("Redis ECHO, unix socket", "redis call 64 together"),
                peer("D-Bus method call, own bus", "dbus call 64 together"),
            ]);
        }
        if bytes == 1 << 20 {
            row = row.beside([own("channel", "ours round shm 1048576 together 0")]);
        }
        rows.push(row);
    }
    rows.push(
        Row::new(
            "shm 64 B, 16 writers to one server, per request",
            own("server", "ours writers shm 16"),
            own("16 sockets, epoll", "floor writers 16"),
        )
        .beside([
            own("unix server", "ours writers unix 16"),
            peer("ZeroMQ REP, 16 REQ", "zeromq writers ipc 64 apart 16"),
        ]),
    );
}

fn kept(rows: &mut Vec<Row>) {
    for (bytes, size) in SIZES {
        let marked = |row: Row| if bytes <= 10_000 { row.mark(1.3, 1.1) } else { row };
        rows.push(marked(Row::new(
            format!("file {size} there and back, the latest value"),
            own("publish and recv", &format!("ours values file {bytes} together")),
            own("create, rename and read", &format!("floor rename {bytes} together")),
        )));
        // A datagram is limited by a socket's send buffer.
        if bytes < 1 << 16 {
            rows.push(marked(Row::new(
                format!("dgram {size} there and back"),
                own("two mailslots", &format!("ours mailslots {bytes} together")),
                own("send and recv", &format!("floor datagram {bytes} together")),
            )));
        }
        rows.push(Row::new(
            format!("journal {size} one way, on the disk"),
            own("publish", &format!("ours journal {bytes}")),
            own("write and fdatasync", &format!("floor append {bytes}")),
        ));
    }
}

pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    published(&mut rows);
    published_arrays(&mut rows);
    calls(&mut rows);
    kept(&mut rows);
    rows
}

//! Round trips and one-way traffic of a channel on each transport.

use super::row::{Case, Row, SIZES, own, peer};

/// Peers that exchange messages of any size, with both ends on one processor.
fn sleepers(bytes: usize) -> Vec<Case> {
    let mut peers = vec![
        own("pipe", &format!("floor pipe {bytes} together")),
        peer("ZeroMQ PAIR, ipc", &format!("zeromq pair ipc {bytes} together")),
        peer("nng PAIR, ipc", &format!("nng pair ipc {bytes} together")),
        peer("Boost message_queue", &format!("boost_mq round {bytes} together")),
    ];
    // Without privileges, a queue's messages have at most 8 KiB.
    if bytes <= 8192 {
        peers.push(peer("POSIX mq", &format!("posix_mq round {bytes} together")));
    }
    if bytes <= 10_000 {
        peers.push(peer("Redis lists, unix socket", &format!("redis round {bytes} together")));
    }
    peers
}

fn spinning(rows: &mut Vec<Row>) {
    rows.push(
        Row::new(
            "shm 64 B round trip, spinning",
            own("channel", "ours round shm 64 apart 100"),
            own("cache-line ping-pong", "floor spin 8 apart"),
        )
        .mark(1.5, 1.2)
        .beside([
            own("copy and spin", "floor spin 64 apart"),
            own("a message from a thread to itself, one way", "ours self shm 64"),
            peer("iceoryx2 publish-subscribe", "iceoryx2 publish 64"),
            peer("Boost message_queue, try_receive", "boost_mq spin 64 apart"),
        ]),
    );
    rows.push(
        Row::new(
            "shm 64 B call and reply, spinning",
            own("call", "ours call shm 64 apart 100"),
            own("cache-line ping-pong", "floor spin 8 apart"),
        )
        .mark(1.7, 1.4)
        .beside([peer("iceoryx2 request-response", "iceoryx2 request 64")]),
    );
    for (bytes, size) in &SIZES[1..] {
        rows.push(
            Row::new(
                format!("shm {size} round trip, spinning"),
                own("channel", &format!("ours round shm {bytes} apart 100")),
                own("copy and spin", &format!("floor spin {bytes} apart")),
            )
            .beside([peer("iceoryx2, written and read", &format!("iceoryx2 publish {bytes}"))]),
        );
    }
}

/// Bytes that are written once each way, and read in place or copied into the program's memory.
fn long_bytes(rows: &mut Vec<Row>) {
    let lengths =
        [(1000, "1 kB"), (10_000, "10 kB"), (60_000, "60 kB"), (1_000_000, "1 MB"), (16_000_000, "16 MB")];
    for (bytes, size) in lengths {
        let ours = own("send_bytes, recv_into", &format!("ours own channel lent {bytes} apart 100"));
        let copied = own("send_payload of a copy", &format!("ours own channel copied {bytes} apart 100"));
        let name = format!("shm bytes of {size}, round trip, spinning");
        // Copied as often as in the floor.
        rows.push(long_spinning(name, ours, bytes, 1.15).beside([copied]));
    }
    for (bytes, size) in
        [(64, "64 B"), (1000, "1 kB"), (10_000, "10 kB"), (64 << 10, "64 KiB"), (1 << 20, "1 MiB")]
    {
        own_bytes(rows, bytes, size);
    }
    let long = [(1_000_000, "1 MB", 0.75), (16_000_000, "16 MB", 0.8)];
    // Bytes that the receiver views: one copy less each way.
    for (bytes, size, mark) in long {
        let ours =
            |how: &str| own("send_bytes, recv and a view", &format!("ours own channel viewed {bytes} {how}"));
        let published =
            |how: &str| own("publish, recv and a view", &format!("ours published-viewed {bytes} {how}"));
        for (what, case) in [
            (format!("shm bytes of {size} viewed, round trip"), &ours as &dyn Fn(&str) -> Case),
            (format!("shm bytes of {size} viewed, published there and back"), &published),
        ] {
            rows.push(long_spinning(format!("{what}, spinning"), case("apart 100"), bytes, mark));
            rows.push(
                Row::new(
                    format!("{what}, parked"),
                    case("together 0"),
                    own("futex and one copy", &format!("floor futex-once {bytes} together")),
                )
                .mark(1.15, 1.15),
            );
        }
    }
    // Within a map, like a camera's frame with its metadata: sent from the program's memory, read in place.
    for (bytes, size, _) in long {
        let ours = own("send, get", &format!("ours arrays bytes {bytes} apart 100"));
        let name = format!("shm map with bytes of {size}, round trip, spinning");
        rows.push(long_spinning(name, ours, bytes, 1.15));
        let ours = own("send, get", &format!("ours arrays bytes {bytes} together 0"));
        rows.push(long_parked(format!("shm map with bytes of {size}, round trip, parked"), ours, bytes));
    }
    for (bytes, size, _) in long {
        let ours = own("send_bytes, recv_into", &format!("ours own channel lent {bytes} together 0"));
        rows.push(long_parked(format!("shm bytes of {size}, round trip, parked"), ours, bytes));
        let ours = own("publish and recv", &format!("ours published shm {bytes} apart 100"));
        let name = format!("shm bytes of {size} published there and back, spinning");
        rows.push(long_spinning(name, ours, bytes, 1.15));
        let ours = own("publish and recv", &format!("ours published shm {bytes} together 0"));
        rows.push(long_parked(format!("shm bytes of {size} published there and back, parked"), ours, bytes));
    }
    // Encoded into a slot, copied out of it, and decoded; the length is sent back.
    rows.push(
        Row::new(
            "shm map of 100,000 small values there, its length back, spinning",
            own("send and recv", "ours entries 100000 apart 100"),
            own("encode, copy and decode in one process", "ours entries-alone 100000"),
        )
        .mark(1.1, 1.0),
    );
}

/// Bytes of a program by each way to send and receive them.
fn own_bytes(rows: &mut Vec<Row>, bytes: usize, size: &str) {
    let floor = || own("copy and spin", &format!("floor spin {bytes} apart"));
    let ours = |label: &str, what: &str| own(label, &format!("ours own {what} {bytes} apart 100"));
    rows.push(
        Row::new(
            format!("shm bytes of {size}, published there and back, spinning"),
            ours("send_bytes, recv_into", "published lent"),
            floor(),
        )
        .beside([
            ours("send_payload of a copy, recv", "published copied"),
            ours("loan_bytes in raw, recv_into", "published loaned-raw"),
            ours("loan_bytes in CBOR, view_bytes", "published loaned"),
            peer("iceoryx2, written and read", &format!("iceoryx2 publish {bytes}")),
        ]),
    );
    rows.push(
        Row::new(
            format!("shm bytes of {size}, loaned, round trip, spinning"),
            ours("loan_bytes in raw, recv_into", "channel loaned-raw"),
            ours("send_bytes, recv_into", "channel lent"),
        )
        .mark(1.1, 1.0)
        .beside([ours("loan_bytes in CBOR, view_bytes", "channel loaned")]),
    );
    rows.push(
        Row::new(
            format!("shm bytes of {size}, call and answer, spinning"),
            ours("call_bytes", "called lent"),
            floor(),
        )
        .beside([
            ours("call_payload of a copy", "called copied"),
            peer("iceoryx2 request-response", &format!("iceoryx2 request {bytes}")),
        ]),
    );
}

/// Long bytes between spinning ends, compared with a copy on both sides.
fn long_spinning(name: String, ours: Case, bytes: usize, mark: f64) -> Row {
    Row::new(name, ours, own("copy and spin", &format!("floor spin {bytes} apart")))
        .mark(mark, mark)
        .beside([peer("iceoryx2, written and read", &format!("iceoryx2 publish {bytes}"))])
}

/// Long bytes between sleeping ends, from and to own memory: one copy on each side, as in the floor.
///
/// A second floor has one copy on one side, as for a viewed array.
fn long_parked(name: String, ours: Case, bytes: usize) -> Row {
    Row::new(name, ours, own("futex and copy", &format!("floor futex {bytes} together")))
        .mark(1.15, 1.15)
        .beside([own("futex and one copy", &format!("floor futex-once {bytes} together"))])
}

/// Arrays without copies; each end writes or reads eight bytes.
fn loaned(rows: &mut Vec<Row>) {
    for (bytes, size) in [(1 << 20, "1 MiB"), (16 << 20, "16 MiB")] {
        rows.push(
            Row::new(
                format!("shm array of {size} loaned and viewed, round trip, spinning"),
                own("channel", &format!("ours arrays loaned {bytes} apart 100")),
                own("ours, 64 B round trip", "ours round shm 64 apart 100"),
            )
            .mark(1.2, 1.05),
        );
    }
}

fn parked(rows: &mut Vec<Row>) {
    for (bytes, size) in SIZES {
        let row = Row::new(
            format!("shm {size} round trip, parked"),
            own("channel", &format!("ours round shm {bytes} together 0")),
            own("futex and copy", &format!("floor futex {bytes} together")),
        );
        let row = if bytes == 64 { row.mark(1.1, 1.05) } else { row };
        rows.push(row.beside(sleepers(bytes)));
    }
    rows.push(
        Row::new(
            "shm array of 1 MB not loaned, round trip, parked",
            own("channel", "ours arrays own 1000000 together 0"),
            own("futex and one copy", "floor futex-once 1000000 together"),
        )
        .mark(1.2, 1.05),
    );
    rows.push(
        Row::new(
            "shm 64 B round trip, parked, two processors",
            own("channel", "ours round shm 64 apart 0"),
            own("futex and copy", "floor futex 64 apart"),
        )
        .beside([
            own("pipe", "floor pipe 64 apart"),
            own("eventfd", "floor eventfd apart"),
            peer("ZeroMQ PAIR, ipc", "zeromq pair ipc 64 apart"),
            peer("nng PAIR, ipc", "nng pair ipc 64 apart"),
        ]),
    );
}

/// Futures compared with waiting calls, for an arrived message and for a message still to come.
fn awaited(rows: &mut Vec<Row>) {
    for transport in ["shm", "unix"] {
        rows.push(Row::new(
            format!("{transport} 64 B from a thread to itself, awaited"),
            own("recv_async", &format!("ours awaited-self {transport} 64")),
            own("ours, recv", &format!("ours self {transport} 64")),
        ));
        rows.push(Row::new(
            format!("{transport} 64 B round trip, awaited, parked"),
            own("recv_async", &format!("ours awaited {transport} 64 together 0")),
            own("ours, recv", &format!("ours round {transport} 64 together 0")),
        ));
    }
}

/// A kernel transport: its name, the floor's operation, the floor, and the marks at 64 B and 10 kB.
type Kernel = (&'static str, &'static str, &'static str, Option<(f64, f64)>);

const KERNEL: [Kernel; 4] = [
    ("unix", "write and read", "socket", Some((1.1, 1.05))),
    ("tcp", "write and read", "tcp", Some((1.1, 1.05))),
    ("fifo", "write and read", "pipe", Some((1.3, 1.25))),
    ("spool", "create, rename, read and unlink", "unlink", None),
];

fn through_the_kernel(rows: &mut Vec<Row>) {
    for (transport, label, floor, marks) in KERNEL {
        for (bytes, size) in SIZES {
            let mut row = Row::new(
                format!("{transport} {size} round trip"),
                own("channel", &format!("ours round {transport} {bytes} together 0")),
                own(label, &format!("floor {floor} {bytes} together")),
            );
            if let (Some((mark, moonshot)), 64 | 10_000) = (marks, bytes) {
                row = row.mark(mark, moonshot);
            }
            if transport == "tcp" && bytes <= 10_000 {
                row = row.beside([
                    peer("ZeroMQ PAIR, tcp", &format!("zeromq pair tcp {bytes} together")),
                    peer("nng PAIR, tcp", &format!("nng pair tcp {bytes} together")),
                ]);
            }
            rows.push(row);
        }
    }
}

fn one_way(rows: &mut Vec<Row>) {
    rows.push(
        Row::new(
            "shm 64 B one way",
            own("channel", "ours stream shm 64 apart"),
            own("SPSC queue of one process", "floor queue apart"),
        )
        .mark(1.5, 1.2)
        .beside([
            own("unix channel", "ours stream unix 64 apart"),
            peer("iceoryx2 publish-subscribe", "iceoryx2 stream 64"),
            peer("ZeroMQ PUSH and PULL, ipc", "zeromq stream ipc 64 apart"),
            peer("nng PUSH and PULL, ipc", "nng stream ipc 64 apart"),
            peer("Boost message_queue", "boost_mq stream 64 apart"),
            peer("POSIX mq", "posix_mq stream 64 apart"),
            peer("Redis lists, pipelined", "redis stream 64 apart"),
        ]),
    );
    rows.push(
        Row::new(
            "shm 64 B one way, batches of 64",
            own("channel", "ours batches shm 64 apart"),
            own("SPSC queue of one process", "floor queue apart"),
        )
        .mark(1.3, 1.0)
        .beside([own("unix channel", "ours batches unix 64 apart")]),
    );
    rows.push(
        Row::new(
            "shm 1 MiB one way",
            own("channel", "ours stream shm 1048576 apart"),
            own("memcpy", "floor memcpy 1048576"),
        )
        .beside([own("unix channel", "ours stream unix 1048576 apart")]),
    );
}

pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    spinning(&mut rows);
    long_bytes(&mut rows);
    loaned(&mut rows);
    parked(&mut rows);
    through_the_kernel(&mut rows);
    awaited(&mut rows);
    one_way(&mut rows);
    rows
}

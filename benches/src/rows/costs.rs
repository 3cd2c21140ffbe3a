//! Costs of a connection besides message times: connecting, processor time, memory, wake-ups, sizes.

use super::row::{Row, Unit, own};

fn beginnings(rows: &mut Vec<Row>) {
    for transport in ["shm", "unix"] {
        rows.push(Row::new(
            format!("{transport} connect and close"),
            own("channel to a server", &format!("ours connect {transport}")),
            own("connect and close of a socket", "floor connect"),
        ));
        rows.push(Row::new(
            format!("{transport} first message: connect, call, close"),
            own("channel to a server", &format!("ours first {transport}")),
            own("connect, write, read, close", "floor first"),
        ));
        rows.push(Row::new(
            format!("{transport} latest() without a subscription"),
            own("latest", &format!("ours latest {transport}")),
            own("connect, write, read, close", "floor first"),
        ));
    }
    rows.push(Row::new(
        "shm restart of the server to its first answer",
        own("call", "ours restart shm"),
        own("start of a program to its first byte", "floor restart"),
    ));
}

fn processor_time(rows: &mut Vec<Row>) {
    for (what, ours, floor, label) in [
        ("shm 64 B round trip, parked", "round shm 64 together 0", "futex 64 together", "futex and copy"),
        ("shm 64 B one way", "stream shm 64 apart", "queue apart", "SPSC queue of one process"),
        ("unix 64 B round trip", "round unix 64 together 0", "socket 64 together", "write and read"),
        ("unix 64 B one way", "stream unix 64 apart", "", ""),
    ] {
        let (what, ours) =
            (format!("CPU seconds for a million: {what}"), own("both ends", &format!("cpu ours {ours}")));
        let mut row = Row::counted(what, Unit::CpuPerMillion, ours);
        if !floor.is_empty() {
            row.floor = Some(own(label, &format!("cpu floor {floor}")));
        }
        rows.push(row);
    }
}

fn memory(rows: &mut Vec<Row>) {
    for (what, transport, most) in [
        ("connection", "shm", Some(0.6 * 1024.0 * 1024.0)),
        ("connection", "unix", None),
        ("publisher", "shm", None),
        ("publisher", "unix", None),
    ] {
        let row = Row::counted(
            format!("memory of a {transport} {what}, both ends"),
            Unit::Bytes,
            own("proportional set size of 32, each", &format!("ours memory {what} {transport}")),
        );
        rows.push(if let Some(most) = most { row.at_most(most) } else { row });
    }
    rows.push(
        Row::counted(
            "wake-ups of idle programs in a second",
            Unit::Count,
            own("channel, server, publisher, subscriber", "ours idle"),
        )
        .at_most(0.0),
    );
}

/// The time that other programs get, with one more program than processors.
///
/// A mark of 1.05 allows a loss of 5 % for an equal number of round trips. The row without a pause gets no mark,
/// because its exchanges differ: a channel makes more round trips while both its ends have a processor.
fn guests(rows: &mut Vec<Row>) {
    for (transport, pace, what) in [
        ("shm", "paced", "1,000 round trips a second"),
        ("shm", "bursts", "20 round trips, a pause of 1 ms, and so on"),
        ("shm", "busy", "round trips without pause"),
        ("unix", "paced", "1,000 round trips a second"),
    ] {
        let row = Row::new(
            format!("other programs' work beside {what}, {transport}, spinning, processors oversubscribed"),
            own("channel", &format!("ours oversubscribed {transport} 20 {pace}")),
            own("two pipes", &format!("floor oversubscribed {pace}")),
        )
        .measured_by_itself();
        rows.push(if pace == "busy" { row } else { row.mark(1.05, 1.0) });
    }
}

fn sizes(rows: &mut Vec<Row>) {
    for (what, file) in [
        ("the program linkspan", "linkspan"),
        ("liblinkspan.so", "liblinkspan_c.so"),
        ("the PHP extension", "liblinkspan_php.so"),
        ("the Python module", "lib_native.so"),
    ] {
        rows.push(Row::counted(
            format!("size of {what}"),
            Unit::Bytes,
            own("segments that are loaded", &format!("ours size {file}")),
        ));
    }
}

pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    beginnings(&mut rows);
    processor_time(&mut rows);
    memory(&mut rows);
    guests(&mut rows);
    sizes(&mut rows);
    rows
}

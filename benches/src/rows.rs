//! The rows of the table: what is measured beside what.

use std::path::PathBuf;

/// Something that a worker does.
#[derive(Clone, Debug)]
pub struct Case {
    /// How the table calls it.
    pub label: String,
    /// The worker.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
}

/// What is aimed at.
#[derive(Clone, Copy, Debug)]
pub enum Mark {
    /// At most so many times the floor.
    Ratio(f64),
    /// At most so many nanoseconds.
    Nanoseconds(f64),
}

/// One row.
#[derive(Clone, Debug)]
pub struct Row {
    /// What is done.
    pub what: String,
    /// By us.
    pub ours: Case,
    /// The least it could take.
    pub floor: Case,
    /// By others.
    pub peers: Vec<Case>,
    /// The first mark, where one is set.
    pub mark: Option<Mark>,
}

fn own(label: &str, words: &str) -> Case {
    Case {
        label: label.to_owned(),
        // The program runs, so there is a path to it.
        program: std::env::current_exe().unwrap_or_else(|_| "linkspan-bench".into()),
        arguments: std::iter::once("work").chain(words.split(' ')).map(str::to_owned).collect(),
    }
}

/// A worker in Python: the interpreter that `benches/run` has prepared, else the first on the path.
fn python(label: &str, case: &str) -> Case {
    let program = std::env::var_os("LINKSPAN_BENCH_PYTHON").unwrap_or_else(|| "python3".into());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python/work.py");
    Case { label: label.to_owned(), program: program.into(), arguments: vec![script.into(), case.into()] }
}

/// A worker in PHP, with the extension that `benches/run` has built.
fn php(label: &str, case: &str) -> Case {
    let this = std::env::current_exe().unwrap_or_else(|_| "linkspan-bench".into());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/php/work.php");
    let mut arguments: Vec<String> = vec!["pinned".into(), "php".into()];
    if let Ok(extension) = std::env::var("LINKSPAN_BENCH_PHP_EXTENSION") {
        arguments.extend(["-d".into(), format!("extension={extension}")]);
    }
    arguments.extend([script.into(), case.into(), this.display().to_string()]);
    Case { label: label.to_owned(), program: this, arguments }
}

const SIZES: [(usize, &str); 4] = [(64, "64 B"), (1000, "1 kB"), (10_000, "10 kB"), (1 << 20, "1 MiB")];

/// Every row, in the table's order.
pub fn all() -> Vec<Row> {
    let mut rows = Vec::new();
    let mut row = |what: String, ours: Case, floor: Case, peers: Vec<Case>, mark: Option<Mark>| {
        rows.push(Row { what, ours, floor, peers, mark });
    };
    row(
        "shm 32 B round trip, spinning".into(),
        own("channel", "ours round shm 32 apart 1000"),
        own("cache-line ping-pong", "floor spin 8 apart"),
        vec![own("a message from a thread to itself, one way", "ours self shm 32")],
        None,
    );
    row(
        "shm 64 B round trip, spinning".into(),
        own("channel", "ours round shm 64 apart 1000"),
        own("cache-line ping-pong", "floor spin 8 apart"),
        vec![
            own("copy and spin", "floor spin 64 apart"),
            own("a message from a thread to itself, one way", "ours self shm 64"),
        ],
        Some(Mark::Ratio(2.0)),
    );
    for (bytes, size) in &SIZES[1..] {
        row(
            format!("shm {size} round trip, spinning"),
            own("channel", &format!("ours round shm {bytes} apart 1000")),
            own("copy and spin", &format!("floor spin {bytes} apart")),
            vec![],
            None,
        );
    }
    for (bytes, size) in SIZES {
        row(
            format!("shm {size} round trip, parked"),
            own("channel", &format!("ours round shm {bytes} together 0")),
            own("futex and copy", &format!("floor futex {bytes} together")),
            vec![own("pipe", &format!("floor pipe {bytes} together"))],
            (bytes == 64).then_some(Mark::Ratio(1.5)),
        );
    }
    row(
        "shm 64 B round trip, parked, two processors".into(),
        own("channel", "ours round shm 64 apart 0"),
        own("futex and copy", "floor futex 64 apart"),
        vec![own("pipe", "floor pipe 64 apart"), own("eventfd", "floor eventfd apart")],
        None,
    );
    for (bytes, size) in SIZES {
        row(
            format!("unix {size} round trip"),
            own("channel", &format!("ours round unix {bytes} together 0")),
            own("write and read", &format!("floor socket {bytes} together")),
            vec![],
            (bytes == 64).then_some(Mark::Ratio(1.3)),
        );
    }
    for (bytes, size) in SIZES {
        let apart = [
            ("tcp", "write and read", "tcp"),
            ("fifo", "write and read", "pipe"),
            ("spool", "create, rename, read and unlink", "unlink"),
        ];
        for (transport, label, floor) in apart {
            row(
                format!("{transport} {size} round trip"),
                own("channel", &format!("ours round {transport} {bytes} together 0")),
                own(label, &format!("floor {floor} {bytes} together")),
                vec![],
                match (transport, bytes) {
                    ("spool", 1000) => Some(Mark::Nanoseconds(100_000.0)),
                    ("spool", _) => None,
                    _ => Some(Mark::Ratio(1.15)),
                },
            );
        }
        row(
            format!("file {size} there and back, the latest value"),
            own("publish and recv", &format!("ours values file {bytes} together")),
            own("create, rename and read", &format!("floor rename {bytes} together")),
            vec![],
            None,
        );
        // A datagram holds no more than a socket's send buffer.
        if bytes < 1 << 16 {
            row(
                format!("dgram {size} there and back"),
                own("two mailslots", &format!("ours mailslots {bytes} together")),
                own("send and recv", &format!("floor datagram {bytes} together")),
                vec![],
                None,
            );
        }
        row(
            format!("journal {size} one way, on the disk"),
            own("publish", &format!("ours journal {bytes}")),
            own("write and fdatasync", &format!("floor append {bytes}")),
            vec![],
            None,
        );
    }
    row(
        "shm 64 B published there and back, spinning".into(),
        own("publish and recv", "ours published shm 64 apart 1000"),
        own("cache-line ping-pong", "floor spin 8 apart"),
        vec![own("channel", "ours round shm 64 apart 1000")],
        None,
    );
    row(
        "shm 1 MiB call to a server, parked".into(),
        own("call", "ours call shm 1048576 together 0"),
        own("futex and copy", "floor futex 1048576 together"),
        vec![own("channel", "ours round shm 1048576 together 0")],
        None,
    );
    row(
        "shm 10 kB call to a server, parked".into(),
        own("call", "ours call shm 10000 together 0"),
        own("futex and copy", "floor futex 10000 together"),
        vec![],
        None,
    );
    row(
        "unix 10 kB call to a server".into(),
        own("call", "ours call unix 10000 together 0"),
        own("write and read", "floor socket 10000 together"),
        vec![],
        None,
    );
    row(
        "shm 64 B one way".into(),
        own("channel", "ours stream shm 64 apart"),
        own("SPSC queue of one process", "floor queue apart"),
        vec![own("unix channel", "ours stream unix 64 apart")],
        Some(Mark::Ratio(2.5)),
    );
    row(
        "shm 1 MiB one way".into(),
        own("channel", "ours stream shm 1048576 apart"),
        own("memcpy", "floor memcpy 1048576"),
        vec![own("unix channel", "ours stream unix 1048576 apart")],
        None,
    );
    for (what, peer) in [("cbor", "ciborium"), ("json", "serde_json")] {
        row(
            format!("Rust map of 10 fields to {what}"),
            own("encode", &format!("ours encode {what}")),
            own(peer, &format!("ours peer-encode {what}")),
            vec![],
            None,
        );
        row(
            format!("Rust map of 10 fields from {what}"),
            own("decode", &format!("ours decode {what}")),
            own(peer, &format!("ours peer-decode {what}")),
            vec![],
            None,
        );
    }
    row(
        "Python dict of 10 fields to cbor".into(),
        python("encode", "encode-linkspan"),
        python("orjson", "encode-orjson"),
        vec![
            python("to json", "encode-linkspan-json"),
            python("msgpack", "encode-msgpack"),
            python("cbor2", "encode-cbor2"),
            python("json", "encode-json"),
        ],
        Some(Mark::Nanoseconds(1000.0)),
    );
    for (transport, floor) in
        [("shm", "ours round shm 128 together 0"), ("unix", "ours round unix 128 together 0")]
    {
        row(
            format!("Python dict of 10 fields, {transport} round trip, parked"),
            python("send and recv", &format!("{transport}-dict")),
            own("the same in Rust, encoded already", floor),
            vec![python("multiprocessing", "multiprocessing-dict"), python("pyzmq and orjson", "pyzmq-dict")],
            None,
        );
        row(
            format!("Python NumPy array of 1 MB sent by {transport}, its length back"),
            python("send and recv", &format!("{transport}-array")),
            python("one copy of it", "copy"),
            vec![python("multiprocessing", "multiprocessing-array"), python("pyzmq", "pyzmq-array")],
            None,
        );
    }
    row(
        "PHP warm call of 1 kB by shm, parked".into(),
        php("call", "shm"),
        own("the same in Rust", "ours call shm 1000 together 0"),
        vec![php("PHP stream socket", "socket")],
        Some(Mark::Ratio(1.3)),
    );
    row(
        "PHP warm call of 1 kB by unix".into(),
        php("call", "unix"),
        own("the same in Rust", "ours call unix 1000 together 0"),
        vec![php("PHP stream socket", "socket")],
        None,
    );
    rows
}

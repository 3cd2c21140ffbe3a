//! C, C++, Fortran, Python and PHP with the work of the other rows.

use super::row::{Case, Row, own, peer, php, python, this};

fn python_rows(rows: &mut Vec<Row>) {
    rows.push(
        Row::new(
            "Python dict of 10 fields, shm round trip, spinning",
            python("send and recv", "shmspin-dict"),
            own("the same in Rust, encoded already", "ours round shm 128 apart 100"),
        )
        .beside([python("iceoryx2 and orjson", "iceoryx2spin-dict")])
        .at_most(5_000.0),
    );
    rows.push(
        Row::new(
            "Python NumPy array of 1 MB loaned and viewed, shm round trip, spinning",
            python("loan, send and recv", "shmspin-loan"),
            own("the same in Rust", "ours arrays loaned 1000000 apart 100"),
        )
        .beside([python("iceoryx2", "iceoryx2spin-loan")])
        .at_most(6_000.0),
    );
    rows.push(
        Row::new(
            "Python bytes of 1 MB, shm round trip, spinning",
            python("send and recv", "shmspin-bytes"),
            own(
                "send_payload of a copy, recv and a copy in Rust",
                "ours own channel copied 1000000 apart 100",
            ),
        )
        .beside([python("iceoryx2, written and read", "iceoryx2spin-bytes")]),
    );
    for (transport, floor) in
        [("shm", "ours round shm 128 together 0"), ("unix", "ours round unix 128 together 0")]
    {
        rows.push(
            Row::new(
                format!("Python dict of 10 fields, {transport} round trip, parked"),
                python("send and recv", &format!("{transport}-dict")),
                own("the same in Rust, encoded already", floor),
            )
            .beside([
                python("multiprocessing pipe", "multiprocessing-dict"),
                python("pyzmq and orjson", "pyzmq-dict"),
                python("redis-py and orjson", "redis-dict"),
            ]),
        );
        rows.push(
            Row::new(
                format!("Python NumPy array of 1 MB sent by {transport}, its length back"),
                python("send and recv", &format!("{transport}-array")),
                python("one copy of it", "copy"),
            )
            .beside([
                python("multiprocessing pipe", "multiprocessing-array"),
                python("multiprocessing shared_memory and a pipe", "sharedmemory-array"),
                python("pyzmq", "pyzmq-array"),
                python("redis-py", "redis-array"),
            ]),
        );
    }
}

/// Records by generated code in a dynamic language, compared with a program without generated code.
struct Records {
    language: &'static str,
    worker: fn(&str, &str) -> Case,
    /// The prefix of the cases of packed records.
    packed: &'static str,
    /// The form that a program sends without generated code.
    map: &'static str,
    encode_floor: (&'static str, &'static str),
    decode_floor: (&'static str, &'static str),
    /// The language's own serialization of an object, and its inverse.
    own: [&'static str; 2],
    /// The language's own functions for packed bytes.
    pack: (&'static str, &'static str),
    unpack: (&'static str, &'static str),
}

const RECORDS: [Records; 2] = [
    Records {
        language: "Python",
        worker: python,
        packed: "record",
        map: "dict",
        encode_floor: ("through a dict", "through-dict-encode"),
        decode_floor: ("through a dict", "through-dict"),
        own: ["pickle", "unpickle"],
        pack: ("struct.pack", "struct-pack"),
        unpack: ("struct.unpack", "struct-unpack"),
    },
    Records {
        language: "PHP",
        worker: php,
        packed: "packed",
        map: "array",
        encode_floor: ("through an array", "through-array-encode"),
        decode_floor: ("through an array", "through-array"),
        own: ["serialize", "unserialize"],
        pack: ("PHP's pack", "pack-alone"),
        unpack: ("PHP's unpack", "unpack-alone"),
    },
];

impl Records {
    /// The floors are a program without plans, and a third of their time is the aim. The constructor's time is the
    /// lower bound for decoding.
    fn rows(&self) -> [Row; 4] {
        let language = self.language;
        let of = |label: &str, what: &str| (self.worker)(label, &format!("record {what}"));
        let packed = |label: &str, what: &str| (self.worker)(label, &format!("{} {what}", self.packed));
        let map = |verb: &str| of(&format!("{} alone", self.map), &format!("{}-{verb}", self.map));
        [
            Row::new(
                format!("{language} record of 10 fields to cbor, generated code"),
                of("generated", "encode"),
                of(self.encode_floor.0, self.encode_floor.1),
            )
            .mark(1.0 / 3.0, 0.2)
            .beside([map("encode"), of(self.own[0], self.own[0])]),
            Row::new(
                format!("{language} record of 10 fields from cbor, generated code"),
                of("generated", "decode"),
                of(self.decode_floor.0, self.decode_floor.1),
            )
            .mark(1.0 / 3.0, 0.2)
            .beside([
                map("decode"),
                of("the constructor alone", "construct"),
                of(self.own[1], self.own[1]),
            ]),
            Row::new(
                format!("{language} record of 10 fields packed, generated code"),
                packed("generated", "pack"),
                packed(self.pack.0, self.pack.1),
            )
            .mark(1.5, 1.0),
            Row::new(
                format!("{language} record of 10 fields unpacked, generated code"),
                packed("generated", "unpack"),
                packed(self.unpack.0, self.unpack.1),
            )
            .mark(1.5, 1.0)
            .beside([packed("the constructor alone", "construct-packed")]),
        ]
    }
}

/// A worker in C, C++ or Fortran, with this program as its far end.
fn compiled(name: &str, placement: &str, spin: &str) -> Case {
    let mut case = peer("send and recv", name);
    case.arguments = [&this().display().to_string(), placement, spin].map(str::to_owned).to_vec();
    case
}

/// The same round trip in the languages of the C interface, compared with Rust; C++ compared with C.
fn compiled_rows(rows: &mut Vec<Row>) {
    for (how, placement, spin) in [("spinning", "apart", "100"), ("parked", "together", "0")] {
        let rust = own("the same in Rust", &format!("ours map shm {placement} {spin}"));
        let mut c = compiled("ours-c", placement, spin);
        let what = |language: &str| format!("{language} map of 2 fields, shm round trip, {how}");
        rows.push(Row::new(what("C"), c.clone(), rust.clone()).mark(1.05, 1.02));
        rows.push(
            Row::new(what("Fortran"), compiled("ours-fortran", placement, spin), rust).mark(1.05, 1.02),
        );
        c.label = "the same in C".into();
        rows.push(Row::new(what("C++"), compiled("ours-cpp", placement, spin), c).mark(1.05, 1.02));
    }
}

/// Loaned arrays through the C interface, compared with Rust.
fn loaned_rows(rows: &mut Vec<Row>) {
    for (bytes, size) in [(1 << 20, "1 MiB"), (16 << 20, "16 MiB")] {
        let mut c = compiled("ours-loan", "apart", "100");
        c.arguments.push(bytes.to_string());
        let rust = own("the same in Rust", &format!("ours arrays loaned {bytes} apart 100"));
        let what = format!("C array of {size} loaned and viewed, shm round trip, spinning");
        rows.push(Row::new(what, c, rust).mark(1.05, 1.02));
    }
}

pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    compiled_rows(&mut rows);
    loaned_rows(&mut rows);
    python_rows(&mut rows);
    rows.extend(RECORDS.iter().flat_map(Records::rows));
    for (transport, parked) in [("shm", ", parked"), ("unix", "")] {
        rows.push(
            Row::new(
                format!("PHP warm call of 1 kB by {transport}{parked}"),
                php("call", transport),
                own("the same in Rust", &format!("ours call-text {transport} 1000 together 0")),
            )
            .mark(1.05, 1.03)
            .beside([
                own("in Rust, encoded already", &format!("ours call {transport} 1000 together 0")),
                php("PHP stream socket", "socket"),
                php("PHP sysvmsg", "sysvmsg"),
                php("PHP redis ECHO, unix socket", "redis"),
            ]),
        );
    }
    rows
}

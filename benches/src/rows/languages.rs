//! C, C++, Fortran, Python and PHP on the work of the other rows.

use super::{Case, Row, own, peer, php, python, this};

fn python_rows(rows: &mut Vec<Row>) {
    rows.push(
        Row::new(
            "Python dict of 10 fields, shm round trip, spinning",
            python("send and recv", "shmspin-dict"),
            own("the same in Rust, encoded already", "ours round shm 128 apart 1000"),
        )
        .at_most(5_000.0),
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

/// A worker in C, C++ or Fortran, with this program as its far end.
fn compiled(name: &str, placement: &str, spin: &str) -> Case {
    let mut case = peer("send and recv", name);
    case.arguments = [&this().display().to_string(), placement, spin].map(str::to_owned).to_vec();
    case
}

/// The same trip in the languages of the C interface, beside Rust; C++ beside C.
fn compiled_rows(rows: &mut Vec<Row>) {
    for (how, placement, spin) in [("spinning", "apart", "1000"), ("parked", "together", "0")] {
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

/// The rows of languages.
pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    compiled_rows(&mut rows);
    python_rows(&mut rows);
    for (transport, parked) in [("shm", ", parked"), ("unix", "")] {
        rows.push(
            Row::new(
                format!("PHP warm call of 1 kB by {transport}{parked}"),
                php("call", transport),
                own("the same in Rust", &format!("ours call {transport} 1000 together 0")),
            )
            .mark(1.05, 1.03)
            .beside([
                php("PHP stream socket", "socket"),
                php("PHP sysvmsg", "sysvmsg"),
                php("PHP redis ECHO, unix socket", "redis"),
            ]),
        );
    }
    rows
}

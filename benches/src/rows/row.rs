//! A row: the case of ours, its floor, the cases of others and the mark; and how the worker of each case is started.

use std::path::PathBuf;

/// One operation that a worker measures.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name in the table.
    pub label: String,
    /// The worker's program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
}

/// The unit of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Nanoseconds of one operation.
    Time,
    /// Nanoseconds that the case measures by itself, once in a turn.
    TimeOfItsOwn,
    /// Nanoseconds of processor time for one operation, of all processes together; shown for a million.
    CpuPerMillion,
    /// Bytes.
    Bytes,
    /// A number.
    Count,
}

/// The aim, and a more ambitious one.
#[derive(Clone, Copy, Debug)]
pub enum Mark {
    /// At most this many times the floor.
    Ratio(f64, f64),
    /// At most this much, in the row's unit.
    Most(f64),
}

/// One row.
#[derive(Clone, Debug)]
pub struct Row {
    /// What is measured.
    pub what: String,
    /// Our case.
    pub ours: Case,
    /// The lower bound, if something simpler does the same.
    pub floor: Option<Case>,
    /// The cases of other libraries.
    pub peers: Vec<Case>,
    /// The mark, if one is set.
    pub mark: Option<Mark>,
    /// The unit.
    pub unit: Unit,
}

impl Row {
    /// A row whose unit is time.
    pub fn new(what: impl Into<String>, ours: Case, floor: Case) -> Row {
        Row { what: what.into(), ours, floor: Some(floor), peers: vec![], mark: None, unit: Unit::Time }
    }

    /// A row of something that is counted, without a floor.
    pub fn counted(what: impl Into<String>, unit: Unit, ours: Case) -> Row {
        Row { what: what.into(), ours, floor: None, peers: vec![], mark: None, unit }
    }

    /// The case measures by itself, once per turn.
    pub fn measured_by_itself(mut self) -> Row {
        self.unit = Unit::TimeOfItsOwn;
        self
    }

    /// Adds cases of other libraries.
    pub fn beside(mut self, peers: impl IntoIterator<Item = Case>) -> Row {
        self.peers.extend(peers);
        self
    }

    /// The mark as a ratio to the floor, and the moonshot.
    pub fn mark(mut self, ratio: f64, moonshot: f64) -> Row {
        self.mark = Some(Mark::Ratio(ratio, moonshot));
        self
    }

    /// The mark as a value in the unit of the row.
    pub fn at_most(mut self, most: f64) -> Row {
        self.mark = Some(Mark::Most(most));
        self
    }
}

/// This program.
pub fn this() -> PathBuf {
    // The program is running, so it has a path.
    std::env::current_exe().unwrap_or_else(|_| "linkspan-bench".into())
}

/// A worker of this program.
pub fn own(label: &str, words: &str) -> Case {
    Case {
        label: label.to_owned(),
        program: this(),
        arguments: std::iter::once("work").chain(words.split(' ')).map(str::to_owned).collect(),
    }
}

/// The directory in which `benches/peers/build` puts the peers in C, C++ and Rust.
fn peers() -> PathBuf {
    std::env::var_os("LINKSPAN_BENCH_PEERS")
        .map_or_else(|| this().with_file_name("bench-peers"), PathBuf::from)
}

/// A peer in C, C++ or Rust: its program and its arguments.
pub fn peer(label: &str, words: &str) -> Case {
    let mut words = words.split(' ');
    let program = peers().join(words.next().unwrap_or_default());
    Case { label: label.to_owned(), program, arguments: words.map(str::to_owned).collect() }
}

/// A worker in Python: the interpreter that `benches/run` has prepared, else the first on the path.
pub fn python(label: &str, case: &str) -> Case {
    let program = std::env::var_os("LINKSPAN_BENCH_PYTHON").unwrap_or_else(|| "python3".into());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python/work.py");
    let this = this().display().to_string();
    Case {
        label: label.to_owned(),
        program: program.into(),
        arguments: vec![script.into(), case.into(), this],
    }
}

/// What PHP's manual says is fastest: its cache of compiled scripts and its compiler to machine code, which the command
/// line has to be told of.
const FAST_PHP: [&str; 6] =
    ["-d", "opcache.enable_cli=1", "-d", "opcache.jit_buffer_size=32M", "-d", "opcache.jit=tracing"];

/// A worker in PHP, with the extension that `benches/run` has built.
pub fn php(label: &str, case: &str) -> Case {
    let this = this();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/php/work.php");
    let mut arguments: Vec<String> =
        ["pinned", "php"].into_iter().chain(FAST_PHP).map(String::from).collect();
    if let Ok(extension) = std::env::var("LINKSPAN_BENCH_PHP_EXTENSION") {
        arguments.extend(["-d".into(), format!("extension={extension}")]);
    }
    arguments.extend([script.into(), case.into(), this.display().to_string()]);
    Case { label: label.to_owned(), program: this, arguments }
}

/// The sizes of messages, and their names in the table.
pub const SIZES: [(usize, &str); 4] = [(64, "64 B"), (1000, "1 kB"), (10_000, "10 kB"), (1 << 20, "1 MiB")];

//! A row: our case, its floor, other cases and the mark; and how each case's worker is started.

use std::path::PathBuf;

#[derive(Clone, Debug)]
pub struct Case {
    pub label: String,
    pub program: PathBuf,
    pub arguments: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Time,
    /// Nanoseconds that the case measures itself, once per turn.
    TimeOfItsOwn,
    /// Nanoseconds of processor time per operation, of all processes together; shown per million.
    CpuPerMillion,
    Bytes,
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

#[derive(Clone, Debug)]
pub struct Row {
    pub what: String,
    pub ours: Case,
    /// The lower bound: something simpler for the same purpose, if any.
    pub floor: Option<Case>,
    pub peers: Vec<Case>,
    pub mark: Option<Mark>,
    pub unit: Unit,
}

impl Row {
    pub fn new(what: impl Into<String>, ours: Case, floor: Case) -> Row {
        Row { what: what.into(), ours, floor: Some(floor), peers: vec![], mark: None, unit: Unit::Time }
    }

    /// Creates a row of a count, without a floor.
    pub fn counted(what: impl Into<String>, unit: Unit, ours: Case) -> Row {
        Row { what: what.into(), ours, floor: None, peers: vec![], mark: None, unit }
    }

    /// Marks the case as measuring itself, once per turn.
    pub fn measured_by_itself(mut self) -> Row {
        self.unit = Unit::TimeOfItsOwn;
        self
    }

    pub fn beside(mut self, peers: impl IntoIterator<Item = Case>) -> Row {
        self.peers.extend(peers);
        self
    }

    pub fn mark(mut self, ratio: f64, moonshot: f64) -> Row {
        self.mark = Some(Mark::Ratio(ratio, moonshot));
        self
    }

    pub fn at_most(mut self, most: f64) -> Row {
        self.mark = Some(Mark::Most(most));
        self
    }
}

pub fn this() -> PathBuf {
    // The program is running, so it has a path.
    std::env::current_exe().unwrap_or_else(|_| "linkspan-bench".into())
}

pub fn own(label: &str, words: &str) -> Case {
    Case {
        label: label.to_owned(),
        program: this(),
        arguments: std::iter::once("work").chain(words.split(' ')).map(str::to_owned).collect(),
    }
}

/// The output directory of `benches/peers/build`.
fn peers() -> PathBuf {
    std::env::var_os("LINKSPAN_BENCH_PEERS")
        .map_or_else(|| this().with_file_name("bench-peers"), PathBuf::from)
}

pub fn peer(label: &str, words: &str) -> Case {
    let mut words = words.split(' ');
    let program = peers().join(words.next().unwrap_or_default());
    Case { label: label.to_owned(), program, arguments: words.map(str::to_owned).collect() }
}

/// A worker in Python: the interpreter of `benches/run`, or the first on the path.
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

/// PHP's fastest settings by its manual, script cache and JIT, which the command line must enable.
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

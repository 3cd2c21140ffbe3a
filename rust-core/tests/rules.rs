//! The rules of ARCHITECTURE.md that no lint checks.
//!
//! The root of each crate tells the compiler whether `unsafe` is allowed.

use std::fs;
use std::path::Path;

use crate::support::{crates, sources_under};

const BINDINGS: [&str; 3] = ["c-api/src/", "python/src/", "php/src/"];

/// Names that policy and mechanism would need.
const NOT_IN_BINDINGS: [&str; 4] = ["thread::sleep", "std::fs", "std::net", "unix::net"];

/// Names that input and output would need, in a codec.
const NOT_IN_CODECS: [&str; 4] = ["std::fs", "std::io", "std::net", "rustix"];

/// The programs: they may print foreign text, which a terminal must not interpret.
const PROGRAMS: [&str; 8] = [
    "programs/common/src/",
    "programs/cli/src/",
    "programs/controller/src/",
    "programs/recorder/src/",
    "programs/bridge/src/",
    "programs/gateway/src/",
    "programs/schema/src/",
    "programs/schema/convert/src/",
];

const PROGRAM_FOLDERS: [&str; 7] = [
    "programs/common/",
    "programs/cli/",
    "programs/controller/",
    "programs/recorder/",
    "programs/bridge/",
    "programs/gateway/",
    "programs/schema/convert/",
];

/// Ways to print that bypass the function for foreign text, besides the macros, which clippy refuses.
const NOT_IN_PROGRAMS: [&str; 6] = [
    "stdout().write",
    "stdout().lock",
    "stderr().write",
    // Errors of the command line's parser show its words.
    "::parse()",
    "::parse_from(",
    "error.exit()",
];

/// The files that print by that function, or only in tests.
const PRINTING: [&str; 5] = ["/stdout.rs", "/stderr.rs", "/output.rs", "/start.rs", "/simulation.rs"];

/// Calls that only one file makes, in the crates of the core: the calls, the files, and the alternative.
const ONE_PLACE: [(&[&str], &[&str], &str); 3] = [
    (
        &[
            "socket_with(",
            "net::accept",
            "fs::open(",
            "fs::openat",
            "memfd_create(",
            "net::socketpair",
            "timerfd_create(",
            "epoll::create(",
            "pipe_with(",
            "inotify::init(",
            "pidfd_open(",
            "EventfdFlags",
            "io::dup",
        ],
        &["rust-core/os/src/descriptor.rs"],
        "descriptor.rs, so that no descriptor has the number of a standard stream",
    ),
    (&["event::poll("], &["rust-core/os/src/poll.rs"], "poll.rs, which knows that a signal interrupts it"),
    (
        &["thread::sleep("],
        &["rust-core/os/src/sleeping.rs", "rust-core/engine/src/costs.rs"],
        "sleeping.rs, which finds a sleep that a call does not drive",
    ),
];

/// Reads of the environment, and their only file.
///
/// A program with more rights than its caller reads no variables, and starts no program of a folder that its
/// caller chooses.
const OF_THE_CALLER: [(&str, &str); 3] = [
    ("env::var", "rust-core/os/src/environment.rs"),
    ("env::temp_dir", "rust-core/os/src/environment.rs"),
    ("env::current_exe", "rust-core/os/src/programs.rs"),
];

const READ_VARIABLES: [&str; 4] =
    ["LINKSPAN_PYTHON names", "LINKSPAN_DIR is", "LINKSPAN_DIR says", "LINKSPAN_STATE_DIR says"];

/// Returns whether a text advises a variable without a test that this program reads variables.
///
/// `environment::advice` makes the test, at most three lines above.
fn advises_a_variable(lines: &[&str], at: usize) -> bool {
    let is_advice = |line: &str| {
        let texts = line.split('"').skip(1).step_by(2);
        let variables = [
            "LINKSPAN_DIR",
            "LINKSPAN_STATE_DIR",
            "LINKSPAN_CONTROLLER",
            "LINKSPAN_KEYS",
            "LINKSPAN_PYTHON",
            "set HOME",
        ];
        { texts }.any(|text| {
            let said = READ_VARIABLES.iter().fold(text.to_owned(), |text, said| text.replace(said, ""));
            said.contains(' ') && variables.iter().any(|variable| said.contains(variable))
        })
    };
    let asks = |line: &&str| line.contains("advice(");
    is_advice(without_comment(lines[at])) && !lines[at.saturating_sub(3)..=at].iter().any(asks)
}

/// Ways to wait, and their system calls: if a filter refuses one, the error names the call.
const WAITS: [(&str, &str); 7] = [
    ("poll(&mut", "ppoll"),
    ("look(&mut", "ppoll"),
    ("event::poll(", "ppoll"),
    ("epoll::wait(", "epoll_pwait"),
    ("epoll::add(", "epoll_ctl"),
    ("futex::wait(", "futex"),
    ("timerfd_settime(", "timerfd_settime"),
];

const ERRORS_OF_CALLS: [&str; 3] = ["doing(\"", "Error::os(\"", "os_error(\""];

const EMPTY_NAMES: [&str; 7] = ["utils", "util", "common", "manager", "helper", "data", "misc"];

/// The places that start programs, each with a reason.
///
/// No code of the current folder or the environment runs without the user's explicit choice.
const STARTS_PROGRAMS: [&str; 7] = [
    // The user's own command, by a shell with a full path, or by the path that the user gives.
    "programs/cli/src/reply.rs",
    "programs/cli/src/supervisor/hook.rs",
    "programs/cli/src/supervisor/program.rs",
    // A shell with a full path, without an environment.
    "programs/cli/src/supervisor/watchdog.rs",
    // A program next to this one, or in an absolute folder of PATH; in a set-user-ID program in the system's
    // folders.
    "programs/common/src/companion.rs",
    // Python of these folders, with only the variables of `programs::clean_environment`, outside of the
    // current folder.
    "programs/recorder/src/tools/export/python.rs",
    // The browser that BROWSER names by its whole path, or a program of these folders, with the variables of
    // `programs::desktop_environment`.
    "programs/gateway/src/browser.rs",
];

/// Calls that open or make a file, in the recorder and readers of recordings. Only
/// `programs/recording/src/files.rs` makes them.
///
/// A path may be a stranger's, so it reads only regular files and makes only new files.
const OPENS_FILES: [&str; 10] = [
    "File::open(",
    "File::create(",
    "File::create_new(",
    "File::options(",
    "OpenOptions",
    "fs::read(",
    "fs::read_to_string(",
    "fs::write(",
    "fs::copy(",
    "fs::rename(",
];

/// Calls of programs that open a file for reading. Only `linkspan::files` makes them.
///
/// A user may name a pipe or a device, which must not cause a wait. A line with a file of the kernel is
/// exempt.
const READS_FILES: [&str; 3] = ["File::open(", "fs::read(", "fs::read_to_string("];

fn without_comment(line: &str) -> &str {
    line.split_once("//").map_or(line, |(code, _)| code)
}

/// Returns the call of a wait, if the text of the next error within eight lines does not name it.
fn unnamed_call(lines: &[&str]) -> Option<&'static str> {
    let (_, call) = WAITS.iter().find(|(wait, _)| without_comment(lines[0]).contains(wait))?;
    let texts =
        lines.iter().take(8).flat_map(|line| ERRORS_OF_CALLS.iter().filter_map(|of| line.split_once(of)));
    let (_, text) = texts.into_iter().next()?;
    (!text.split('"').next().unwrap_or("").contains(&format!("({call})"))).then_some(call)
}

fn faults(path: &str, source: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let inside = |folders: &[&str]| folders.iter().any(|folder| path.starts_with(folder));
    if !source.starts_with("//! ") {
        faults.push("the first line does not say what lives here".to_owned());
    }
    // `programs/common` is a crate's folder.
    let steps = path.trim_start_matches("programs/common/").trim_end_matches(".rs").split('/');
    faults.extend(steps.filter(|s| EMPTY_NAMES.contains(s)).map(|s| format!("the name {s} says nothing")));
    let is_test = |line: &&str| !line.starts_with("#[cfg(test)]");
    let starts =
        source.lines().take_while(is_test).any(|line| without_comment(line).contains("Command::new("));
    if starts && !path.starts_with("benches/") && !STARTS_PROGRAMS.contains(&path) {
        faults.push("it starts a program: see to it that this runs no code of the current folder or the environment, and name it in STARTS_PROGRAMS".to_owned());
    }
    let tests = source.lines().position(|line| line.starts_with("#[cfg(test)]")).unwrap_or(usize::MAX);
    let is_test = path.contains("/tests")
        || path.contains("_tests")
        || path.contains("fuzz")
        || ["vectors.rs", "documents.rs", "histories.rs", "simulation.rs"]
            .iter()
            .any(|file| path.ends_with(file));
    let lines: Vec<&str> = source.lines().collect();
    for (i, line) in source.lines().enumerate() {
        let code = without_comment(line);
        if !is_test
            && i < tests
            && let Some(call) = unnamed_call(&lines[i..])
        {
            faults
                .push(format!("line {}: the text of the error names the call, as in (ppoll): {call}", i + 1));
        }
        if path.starts_with("rust-core/") && !path.starts_with("rust-core/value/") && !is_test && i < tests {
            let elsewhere = ONE_PLACE.iter().filter(|(_, places, _)| !places.contains(&path));
            faults.extend(elsewhere.flat_map(|(calls, _, why)| {
                let made = calls.iter().filter(|call| code.contains(**call));
                made.map(move |call| format!("line {}: {call} belongs into {why}", i + 1))
            }));
        }
        if !path.starts_with("benches/") && !is_test && i < tests {
            let of_caller =
                OF_THE_CALLER.iter().filter(|(call, place)| code.contains(call) && path != *place);
            faults.extend(of_caller.map(|(call, place)| {
                format!(
                    "line {}: {call} belongs into {place}, which trusts no caller of a set-user-ID program",
                    i + 1
                )
            }));
        }
        // Help and the table of kinds are for people, in every program.
        let shows_help = inside(&["programs/cli/", "c-api/", "php/", "benches/", "rust-core/value/"]);
        if !is_test && i < tests && !shows_help && advises_a_variable(&lines, i) {
            faults.push(format!(
                "line {}: environment::advice says what helps where no variable is read",
                i + 1
            ));
        }
        let reads_recordings = inside(&["programs/recorder/src/", "programs/recording/src/"])
            && path != "programs/recording/src/files.rs";
        if reads_recordings && !is_test && i < tests {
            let code = code.replace("NewFile::", "");
            let opens = OPENS_FILES.iter().filter(|call| code.contains(**call));
            faults.extend(opens.map(|call| {
                format!(
                    "line {}: {call} belongs into programs/recording/src/files.rs, which neither waits nor follows",
                    i + 1
                )
            }));
        }
        let is_of_kernel = code.contains("\"/proc/") || code.contains(".join(\"comm\")");
        let is_folder = code.contains("sync_all()");
        let reads = inside(&[
            "programs/bridge/src/",
            "programs/cli/src/",
            "programs/gateway/src/",
            "programs/common/src/",
            "programs/schema/",
        ]) && !is_test
            && i < tests
            && !is_of_kernel
            && !is_folder
            && !path.contains("/examples/");
        faults.extend(READS_FILES.iter().filter(|call| reads && code.contains(**call)).map(|call| {
            format!(
                "line {}: {call} belongs into rust-core/value/src/files.rs, which waits for no other program",
                i + 1
            )
        }));
        let forbidden: &[&str] = match () {
            () if inside(&BINDINGS) => &NOT_IN_BINDINGS,
            () if inside(&["rust-core/value/src/codec/"]) => &NOT_IN_CODECS,
            () if inside(&PROGRAMS) && !PRINTING.iter().any(|file| path.ends_with(file)) => &NOT_IN_PROGRAMS,
            () => &[],
        };
        // A thread that cannot be started is an error with a text, not a panic.
        let is_program = PROGRAM_FOLDERS.iter().any(|folder| path.starts_with(folder));
        let of_controllers_tests = [
            "programs/controller/src/problems.rs",
            "programs/controller/src/violations.rs",
            "programs/controller/src/peer.rs",
        ];
        if is_program && !is_test && i < tests && !of_controllers_tests.contains(&path) {
            if code.contains(".spawn()?") || code.contains("command.spawn()") {
                faults.push(format!("line {}: start_program starts programs, with plain signals", i + 1));
            }
            let bare = ["thread::spawn(", "scope.spawn(", "thread::Builder::"]
                .iter()
                .find(|call| code.contains(**call));
            faults.extend(bare.map(|call| {
                format!("line {}: {call}: start_thread says where no thread can be started", i + 1)
            }));
            // tokio panics if it cannot start its first thread. The engines of the bridge are opened after
            // the check.
            let starts =
                ["new_multi_thread()", "new_current_thread()"].iter().any(|call| code.contains(call));
            if starts && !path.starts_with("programs/bridge/src/engines/nats/") {
                faults.push(format!("line {}: linkspan_tokio::runtime checks that tokio can start", i + 1));
            }
        }
        faults.extend(
            forbidden
                .iter()
                .filter(|f| code.contains(**f))
                .map(|f| format!("line {}: {f} belongs below", i + 1)),
        );
    }
    faults
}

#[test]
fn every_source_keeps_the_rules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut sources = Vec::new();
    for folder in crates() {
        sources_under(&folder.join("src"), &mut sources);
    }
    assert!(sources.len() > 1000, "only {} sources were found under {}", sources.len(), root.display());
    let mut wrong = Vec::new();
    for path in sources {
        let inner = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        let source = fs::read_to_string(&path).unwrap();
        wrong.extend(faults(&inner, &source).into_iter().map(|fault| format!("{inner}: {fault}")));
    }
    assert!(wrong.is_empty(), "{} rules are broken:\n{}", wrong.len(), wrong.join("\n"));
}

/// The state of sessions cannot wait: its crate has no `std` (threads, locks, clocks, descriptors) and no
/// `unsafe`.
#[test]
fn crate_of_sessions_has_no_way_to_the_system() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("session");
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    let sections: Vec<&str> = manifest.lines().filter(|line| line.starts_with('[')).collect();
    assert_eq!(sections, ["[package]", "[dependencies]", "[dev-dependencies]", "[lints]"]);
    let dependencies = manifest.split("[dependencies]\n").nth(1).unwrap().split("\n[").next().unwrap();
    assert_eq!(
        dependencies.trim(),
        "linkspan-value.workspace = true",
        "errors are all that it takes from others"
    );
    let root = fs::read_to_string(folder.join("src/lib.rs")).unwrap();
    let attributes: Vec<&str> = root.lines().filter(|line| line.starts_with("#![")).collect();
    assert!(attributes.contains(&"#![cfg_attr(not(test), no_std)]"), "{attributes:?}");
    assert!(attributes.contains(&"#![forbid(unsafe_code)]"), "{attributes:?}");
    assert!(!root.contains("extern crate std"));
}

/// Each program of tests costs a link, so there are few. A file that belongs to none would never run.
#[test]
fn every_file_of_tests_is_a_module_of_one_of_five_programs() {
    let core = Path::new(env!("CARGO_MANIFEST_DIR"));
    every_file_is_a_module_of_one_program(&core.join("tests"), &["channels", "crashes", "limits", "stores"]);
    every_file_is_a_module_of_one_program(&core.join("value/tests"), &["values"]);
}

fn every_file_is_a_module_of_one_program(tests: &Path, programs: &[&str]) {
    let source = |program| fs::read_to_string(tests.join(program).with_extension("rs")).unwrap();
    let roots: Vec<String> = programs.iter().map(source).collect();
    let mut wrong = Vec::new();
    for entry in fs::read_dir(tests).unwrap() {
        let path = entry.unwrap().path();
        let module = path.file_stem().unwrap().to_str().unwrap();
        // A folder without `mod.rs` belongs to the file of its name; every program has `support`.
        let is_module = path.is_file() || path.join("mod.rs").exists();
        if !is_module || module == "support" || programs.contains(&module) {
            continue;
        }
        let declared = format!("mod {module};");
        let of = roots.iter().filter(|root| root.lines().any(|line| line == declared)).count();
        if of != 1 {
            wrong.push(format!("{} is a module of {of} programs", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let manifest = fs::read_to_string(tests.with_file_name("Cargo.toml")).unwrap();
    assert!(manifest.contains("autotests = false"), "a file beside the programs is none by itself");
    assert_eq!(manifest.matches("[[test]]").count(), programs.len());
}

/// The objects that programs hold, and their files.
const OBJECTS: [(&str, &str); 10] = [
    ("rust-core/engine/src/channel/ends.rs", "Inner"),
    ("rust-core/engine/src/channel/listener.rs", "Listener"),
    ("rust-core/engine/src/request/server.rs", "Server"),
    ("rust-core/engine/src/request/answer.rs", "Request"),
    ("rust-core/engine/src/publish/publisher.rs", "Publisher"),
    ("rust-core/engine/src/publish/subscriber.rs", "Subscriber"),
    ("rust-core/relay/src/replica.rs", "Replica"),
    ("rust-core/service/src/service/service_loop.rs", "ServiceLoop"),
    ("rust-core/service/src/service/service_loop.rs", "Task"),
    ("rust-core/service/src/service/controller.rs", "Controller"),
];

/// Allowed types of their fields besides an `OfProcess`: data, and types that a forked child leaks.
const PLAIN: [&str; 21] = [
    "Endpoint",
    "String",
    "Arc<str>",
    "Options",
    "Role",
    "bool",
    "u64",
    "AtomicBool",
    "AtomicU64",
    "Limits",
    "HolderMark",
    "Arc<OpenState>",
    "Option<Duration>",
    "Option<Work>",
    "Born",
    "Message",
    "EventFd",
    "Epoll",
    "Timer",
    "Channel",
    "Turns",
];

/// A forked child drops inherited objects: no field may close, write or lock there.
#[test]
fn objects_of_programs_leave_their_parts_to_the_process_that_made_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for (path, object) in OBJECTS {
        let source = fs::read_to_string(root.join(path)).unwrap();
        let (_, fields) = source.split_once(&format!("pub struct {object} {{\n")).expect(object);
        let (fields, _) = fields.split_once("\n}").unwrap();
        for field in fields.lines().map(str::trim).filter(|line| !line.starts_with("///")) {
            let (_, of) =
                field.trim_end_matches(',').split_once(": ").unwrap_or_else(|| panic!("{object}: {field}"));
            let is_left = of.starts_with("OfProcess<") || of.starts_with("Option<OfProcess<");
            assert!(
                is_left || PLAIN.contains(&of),
                "{object}: {field}: wrap it in OfProcess, or name it in PLAIN"
            );
        }
    }
}

/// The first statement of each program: libraries also read the environment.
#[test]
fn programs_give_up_the_environment_of_a_caller_with_fewer_rights() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for path in
        ["cli", "recorder", "bridge", "gateway", "schema/convert"].map(|folder| format!("programs/{folder}"))
    {
        let source = fs::read_to_string(root.join(&path).join("src/main.rs")).unwrap();
        let (_, body) = source.split_once("\nfn main() -> ExitCode {\n").expect(&path);
        assert!(body.trim_start().starts_with("if let Err(code) = start::begin("), "{path}");
    }
}

#[test]
fn release_builds_check_overflow() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let (_, release) = manifest.split_once("[profile.release]").expect("a release profile");
    let release = release.split("\n[").next().unwrap();
    assert!(release.lines().any(|line| line.starts_with("overflow-checks = true")), "{release}");
}

#[test]
fn broken_rules_are_found() {
    for (path, source, expected) in [
        ("programs/cli/src/main.rs", "fn main() {}", "first line"),
        ("programs/cli/src/utils.rs", "//! Things.", "the name utils"),
        ("python/src/common/mod.rs", "//! Things.", "the name common"),
        ("php/src/lib.rs", "//! PHP.\nstd::thread::sleep(x);", "line 2: thread::sleep"),
        ("programs/bridge/src/start.rs", "//! Starts.\nCommand::new(\"sh\");", "starts a program"),
        ("programs/cli/src/x.rs", "//! X.\nstd::thread::spawn(a);", "line 2: thread::spawn("),
        ("rust-core/os/src/x.rs", "//! X.\nlet a = \"set LINKSPAN_DIR\";", "line 2: environment::advice"),
        ("programs/gateway/src/x.rs", "//! X.\nstd::thread::Builder::new();", "line 2: thread::Builder::"),
        (
            "programs/gateway/src/x.rs",
            "//! X.\nBuilder::new_current_thread().max_blocking_threads(2);",
            "line 2: linkspan_tokio::runtime",
        ),
        ("rust-core/transport/src/x.rs", "//! X.\nstd::env::var_os(a);", "line 2: env::var"),
        ("programs/gateway/src/x.rs", "//! X.\nstd::env::var(a);", "line 2: env::var"),
        ("programs/cli/src/x.rs", "//! X.\nstd::env::current_exe();", "line 2: env::current_exe"),
        ("rust-core/os/src/x.rs", "//! X.\nlet fd = rustix::fs::openat(a);", "line 2: fs::openat"),
        ("rust-core/transport/src/x.rs", "//! X.\nrustix::event::poll(a);", "line 2: event::poll("),
        (
            "programs/cli/src/x.rs",
            "//! X.\npoll(&mut on).map_err(|e| os_error(\"sleeping\", &e))",
            "line 2: the text of",
        ),
        ("rust-core/value/src/codec/cbor/mod.rs", "//! CBOR.\nuse std::io::Read;", "line 2: std::io"),
        ("programs/recorder/src/tools/info.rs", "//! Info.\nio::stdout().lock();", "line 2: stdout().lock"),
        ("programs/recorder/src/main.rs", "//! Main.\nlet words = Arguments::parse();", "line 2: ::parse()"),
        (
            "programs/bridge/src/config.rs",
            "//! C.\nlet file = std::fs::File::open(path)?;",
            "line 2: File::open(",
        ),
        (
            "programs/recorder/src/tools/cut.rs",
            "//! Cut.\nlet file = File::open(path)?;",
            "line 2: File::open(",
        ),
        ("programs/recording/src/reader/part.rs", "//! Part.\nstd::fs::read(path)?;", "line 2: fs::read("),
        (
            "programs/bridge/src/keys.rs",
            "//! Keys.\nstd::io::stdout().write_all(x);",
            "line 2: stdout().write",
        ),
    ] {
        let found = faults(path, source);
        assert!(found.len() == 1 && found[0].contains(expected), "{path}: {found:?}");
    }
    let fine = "//! PHP.\n// std::thread::sleep is not called\nlet x = y;";
    assert_eq!(faults("php/src/lib.rs", fine), [""; 0]);
    let test = "//! X.\n#[cfg(test)]\nmod tests { rustix::event::poll(a); }";
    assert_eq!(faults("rust-core/os/src/x.rs", test), [""; 0]);
}

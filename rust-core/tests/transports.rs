//! A transport is one folder and one line: folders do not use each other, and shared modules name no folder.
//!
//! The folders are private in `linkspan-transport`, so the compiler keeps higher layers from naming them;
//! this test checks their comparisons. The engine names no half of a medium: it sends with a `Tx` and
//! receives from an `Rx`.

use std::fs;
use std::path::Path;

use crate::support::sources_under;

const FOLDERS: [&str; 9] = ["shm", "unix", "dgram", "tcp", "fifo", "spool", "file", "journal", "abstract"];

/// Files of `linkspan-transport` that may name folders, each with its reason.
const MAY_NAME: [(&str, &str); 4] = [
    ("lib.rs", "the root of the folders"),
    ("table.rs", "has the line for each"),
    ("link.rs", "calls the halves of shared memory and of streams without a trait object"),
    ("fuzzing.rs", "shows a fuzzer the readers of bytes"),
];

fn found(path: &str, source: &str, names: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in source.lines().enumerate() {
        let code = line.split_once("//").map_or(line, |(code, _)| code);
        let named = FOLDERS.into_iter().filter(|folder| names(folder, code));
        found.extend(named.map(|folder| format!("{path}:{}: names the transport {folder}", number + 1)));
    }
    found
}

/// Returns the folders that a source of the transport crate names, except its own.
fn named_below(path: &str, source: &str) -> Vec<String> {
    let own = FOLDERS.into_iter().find(|folder| path.starts_with(&format!("{folder}/")));
    found(path, source, |folder, code| {
        // In a shared file a folder is one `super` away.
        let roots: &[&str] = if own.is_some() { &["crate"] } else { &["crate", "super"] };
        let is_path = |root: &&str| {
            code.contains(&format!("{root}::{folder}::"))
                || code.trim_end().ends_with(&format!("{root}::{folder};"))
        };
        own != Some(folder) && roots.iter().any(is_path)
    })
}

/// Returns the transports whose words a higher layer compares with. Words in texts of errors are for people.
fn compared_above(path: &str, source: &str) -> Vec<String> {
    found(path, source, |folder, code| code.contains(&format!("== \"{folder}\"")))
}

/// Returns the names of media in a source of the engine. A program without Linkspan is not a medium.
fn media_named(path: &str, source: &str) -> Vec<String> {
    const VARIANTS: [&str; 4] = ["Stream", "Shm", "Place", "Published"];
    let is_medium = |word: &str| {
        ["Shm", "Broadcast"].iter().any(|medium| word.starts_with(medium))
            || ["StreamTx", "StreamRx", "PublishedTx"].contains(&word)
    };
    let mut found = Vec::new();
    for (number, line) in source.lines().enumerate() {
        let code = line.split_once("//").map_or(line, |(code, _)| code);
        let words = code.split(|at: char| !at.is_alphanumeric() && at != '_');
        let is_variant = |half: &str| VARIANTS.iter().any(|of| code.contains(&format!("{half}::{of}(")));
        if words.into_iter().any(is_medium) || is_variant("Tx") || is_variant("Rx") {
            found.push(format!("{path}:{}: names a medium: {}", number + 1, line.trim()));
        }
    }
    found
}

fn looked_through(
    folder: &str,
    skips: impl Fn(&str) -> bool,
    look: fn(&str, &str) -> Vec<String>,
) -> (usize, Vec<String>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut sources = Vec::new();
    sources_under(&root, &mut sources);
    let mut found = Vec::new();
    for path in &sources {
        let shown = path.strip_prefix(&root).unwrap().to_str().unwrap();
        if !skips(shown) {
            found.extend(look(shown, &fs::read_to_string(path).unwrap()));
        }
    }
    (sources.len(), found)
}

#[test]
fn no_layer_above_and_no_other_folder_names_a_transport() {
    let may_name = |path: &str| MAY_NAME.iter().any(|(file, _)| *file == path);
    let (files, mut found) = looked_through("transport/src", may_name, named_below);
    assert!(files > 150, "{files} sources were found");
    for folder in ["engine/src", "service/src"] {
        let (files, above) = looked_through(folder, |_| false, compared_above);
        assert!(files > 40, "{files} sources were found in {folder}");
        found.extend(above);
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn engine_names_no_medium() {
    let (files, found) = looked_through("engine/src", |_| false, media_named);
    assert!(files > 100, "{files} sources were found");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn names_of_media_are_found() {
    for named in [
        "use crate::transport::{Sent, ShmTx};",
        "ring: Box<dyn BroadcastWriter>,",
        "fn read(half: &mut StreamRx) {}",
        "if matches!(tx, Tx::Stream(_)) {}",
        "Rx::Published(half) => half.spin(),",
    ] {
        assert_eq!(media_named("publish/feed.rs", named).len(), 1, "{named}");
    }
    assert!(media_named("channel/plain.rs", "// ShmTx\nlet tx = Tx::Plain(tx);\nuse Stream;\n").is_empty());
}

#[test]
fn names_of_transports_are_found() {
    assert_eq!(compared_above("channel/dial.rs", "if name == \"fifo\" {}\n// name == \"shm\"\n").len(), 1);
    assert_eq!(
        named_below("place.rs", "use super::tcp::Gate;\nuse super::fifo;\n// crate::shm::x\n").len(),
        2
    );
    assert_eq!(
        named_below("fifo/call.rs", "use crate::tcp::call;\nuse super::pair;\nuse super::file;\n").len(),
        1
    );
    assert_eq!(named_below("tcp/call.rs", "use crate::tcp::tls::Tls;\n").len(), 0);
}

//! A transport is one folder and one line: no layer above names one, the folders do not use each other, and shared
//! modules name none.

use std::fs;
use std::path::Path;

use crate::support::sources_under;

/// The folders, each of which is a transport; the ninth is one of tests.
const FOLDERS: [&str; 9] = ["shm", "unix", "dgram", "tcp", "fifo", "spool", "file", "journal", "ninth"];

/// Files that may name folders, each with its reason.
const MAY_NAME: [(&str, &str); 5] = [
    ("transport/mod.rs", "the root of the folders"),
    ("transport/table.rs", "has the line for each"),
    ("transport/link.rs", "calls the halves of shared memory and of streams without a trait object"),
    ("fuzzing.rs", "shows a fuzzer the readers of bytes"),
    ("lib.rs", "declares the test of the ninth"),
];

/// The folders that a source names, other than its own, with the line of each.
fn named(path: &str, source: &str) -> Vec<String> {
    let own = FOLDERS.into_iter().find(|folder| path.starts_with(&format!("transport/{folder}")));
    let inside = path.starts_with("transport/");
    let mut found = Vec::new();
    for (number, line) in source.lines().enumerate() {
        let code = line.split_once("//").map_or(line, |(code, _)| code);
        for folder in FOLDERS.into_iter().filter(|folder| own != Some(*folder)) {
            let by_path = code.contains(&format!("transport::{folder}::"))
                || code.trim_end().ends_with(&format!("transport::{folder};"));
            // From a shared file a folder is one `super` away.
            let by_super = inside
                && own.is_none()
                && (code.contains(&format!("super::{folder}::"))
                    || code.trim_end().ends_with(&format!("use super::{folder};")));
            // Words in the texts of errors are for people.
            let by_word = !inside && code.contains(&format!("== \"{folder}\""));
            if by_path || by_super || by_word {
                found.push(format!("{path}:{}: names the transport {folder}", number + 1));
            }
        }
    }
    found
}

#[test]
fn no_layer_above_and_no_other_folder_names_a_transport() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut files = 0;
    let mut sources = Vec::new();
    sources_under(&root, &mut sources);
    for path in sources {
        let shown = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        files += 1;
        if !MAY_NAME.iter().any(|(file, _)| *file == shown) {
            found.extend(named(&shown, &fs::read_to_string(&path).unwrap()));
        }
    }
    assert!(files > 300, "{files} sources were found");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn names_of_transports_are_found() {
    let above = "use crate::transport::shm::Segment;\n// transport::tcp::call\nif name == \"fifo\" {}\n";
    assert_eq!(named("channel/dial.rs", above).len(), 2);
    assert_eq!(named("transport/place.rs", "use super::tcp::Gate;\nuse super::fifo;\n").len(), 2);
    assert_eq!(
        named("transport/fifo/call.rs", "use crate::transport::tcp::call;\nuse super::pair;\n").len(),
        1
    );
    assert_eq!(named("transport/tcp/call.rs", "use crate::transport::tcp::tls::Tls;\n").len(), 0);
}

#[test]
fn ninth_transport_takes_less_than_300_lines() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let lines = |file: &str| fs::read_to_string(root.join(file)).unwrap().lines().count();
    let all = lines("transport/ninth.rs") + lines("ninth.rs");
    assert!((100..300).contains(&all), "{all} lines");
}

//! The path of a short message over shared memory, file by file: the list in `channel/ends/in_place.rs` is
//! followed in the sources, from the call of the sending program to the bytes that the receiving one gets.

use std::collections::BTreeSet;
use std::path::Path;

/// A file, a function in it, and the functions that this one passes the message to.
type Step = (&'static str, &'static str, &'static [&'static str]);

const SEND: [Step; 18] = [
    ("channel/ends/in_place.rs", "send", &["encode", "send_payload"]),
    ("channel/ends/in_place.rs", "encode", &["encode_with_schema"]),
    ("channel/ends/in_place.rs", "encode_with_schema", &["with_schema"]),
    ("message/payload.rs", "with_schema", &[]),
    ("channel/ends/in_place.rs", "send_payload", &["send_in_place"]),
    ("channel/ends/in_place.rs", "send_in_place", &["try_send_plain", "become_data", "sent_to_place"]),
    ("transport/shm/link/in_place.rs", "try_send_plain", &["try_write_near", "try_write_next"]),
    ("transport/shm/writer/plain.rs", "try_write_near", &["store_record"]),
    ("transport/shm/writer/plain.rs", "try_write_next", &["copy_in_behind"]),
    ("transport/shm/memory.rs", "store_record", &["store_content"]),
    ("transport/shm/memory.rs", "store_content", &["store_words", "copy_in"]),
    ("transport/shm/memory.rs", "store_words", &[]),
    ("transport/shm/memory.rs", "copy_in", &[]),
    ("transport/shm/memory.rs", "copy_in_behind", &[]),
    ("message/payload.rs", "become_data", &["store"]),
    ("message/payload.rs", "store", &["of"]),
    ("message/payload.rs", "of", &[]),
    ("channel/session/outbox.rs", "sent_to_place", &[]),
];

const RECV: [Step; 21] = [
    ("channel/ends/in_place.rs", "recv", &["recv_in_place"]),
    ("channel/ends/in_place.rs", "recv_in_place", &["take_plain", "take_ready", "finish"]),
    ("channel/receiving/in_place.rs", "take_ready", &["take_in_place"]),
    (
        "channel/receiving/in_place.rs",
        "take_next",
        &["peek_plain", "take_plain", "finish", "consume_and_deliver"],
    ),
    ("channel/receiving/in_place.rs", "take_plain", &["take_next"]),
    ("transport/shm/link/in_place.rs", "peek_plain", &["peek_plain"]),
    ("transport/shm/reader/short.rs", "peek_plain", &[]),
    ("message/recycled.rs", "finish", &[]),
    ("transport/shm/link/in_place.rs", "take_plain", &["take_plain"]),
    ("transport/shm/reader/short.rs", "take_plain", &["copy_out_behind"]),
    ("transport/shm/memory.rs", "copy_out_behind", &["copy_out"]),
    (
        "channel/receiving/in_place.rs",
        "take_in_place",
        &["peek_small", "filled", "take_small", "record_received"],
    ),
    ("channel/receiving/in_place.rs", "record_received", &["consume_and_deliver"]),
    ("transport/shm/link/in_place.rs", "peek_small", &["peek_small"]),
    ("transport/shm/reader/short.rs", "peek_small", &[]),
    ("message/recycled.rs", "filled", &["refill"]),
    ("message/recycled.rs", "refill", &[]),
    ("transport/shm/link/in_place.rs", "take_small", &["take_small"]),
    ("transport/shm/reader/short.rs", "take_small", &["copy_out"]),
    ("transport/shm/memory.rs", "copy_out", &[]),
    ("channel/session/inbox.rs", "consume_and_deliver", &[]),
];

/// The end of the path: the message is returned to the program.
const END: &str = "finish";

/// What locks, or changes a word that other threads change: each call does so once, in `ClaimCell::enter`.
const EXCHANGES: [&str; 7] =
    [".lock(", ".halves()", ".fetch_", "compare_exchange", ".swap(", ".try_take(", "Arc::get_mut"];

/// The text of a function, up to the next one.
fn function(path: &str, name: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(path);
    let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let head = [format!("fn {name}("), format!("fn {name}<")];
    let at = head.iter().find_map(|head| text.find(head)).unwrap_or_else(|| panic!("{path} has no {name}"));
    let body = &text[at + 3..];
    let end = body.find(" fn ").unwrap_or(body.len());
    body[..end].to_owned()
}

#[test]
fn short_message_passes_at_most_ten_files() {
    let steps = || SEND.iter().chain(&RECV);
    for (path, name, calls) in steps() {
        let text = function(path, name);
        for exchange in EXCHANGES {
            assert!(!text.contains(exchange), "{path}: {name} has {exchange}, and the call has its lock");
        }
        for call in *calls {
            assert!(text.contains(&format!("{call}(")), "{path}: {name} does not call {call}");
            let is_followed = *call == END || steps().any(|(_, step, _)| step == call);
            assert!(is_followed, "{path}: {name} passes the message to {call}, which is not in the list");
        }
    }
    let files: BTreeSet<_> = steps().map(|(path, ..)| *path).collect();
    assert!(files.len() <= 10, "{files:?}");
    // The table in the first file names them all, and counts itself.
    let table =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/channel/ends/in_place.rs"))
            .expect("the file with the table");
    for path in files.iter().filter(|path| **path != "channel/ends/in_place.rs") {
        let name = path.trim_end_matches(".rs");
        let short = name.strip_prefix("transport/").or(name.strip_prefix("channel/")).unwrap_or(name);
        assert!(table.contains(&format!("`{short}`")), "the table does not name {short}");
    }
}

#[test]
fn short_call_enters_under_one_lock() {
    let text = function("sys/claim.rs", "enter");
    let count = |what: &str| text.matches(what).count();
    assert_eq!(EXCHANGES.iter().map(|exchange| count(exchange)).sum::<usize>(), 0, "{text}");
    assert_eq!(count("lock(&self.gate)"), 1, "{text}");
    let text = function("sys/claim/sync.rs", "lock");
    assert_eq!(text.matches("gate.lock(").count(), 1, "{text}");
}

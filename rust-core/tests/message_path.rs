//! The path of a short message over shared memory, file by file: the list in `channel/ends/in_place.rs` is
//! followed in the sources, from the call of the sending program to the bytes that the receiving one gets.

use std::collections::BTreeSet;
use std::path::Path;

/// A file, a function in it, and what this function calls next on the path.
type Step = (&'static str, &'static str, &'static [&'static str]);

const SEND: [Step; 5] = [
    ("channel/ends/in_place.rs", "send_in_place", &["sending.send_in_place("]),
    ("channel/sending/in_place.rs", "send_in_place", &["outbox.sent(", "part.tx.try_send_next("]),
    ("channel/session/outbox.rs", "sent", &[]),
    ("transport/shm/link/sending.rs", "try_send_next", &["self.writer.try_write_next("]),
    ("transport/shm/writer.rs", "try_write_next", &["self.mine.copy_in("]),
];

const RECV: [Step; 8] = [
    ("channel/ends/in_place.rs", "recv_in_place", &["receiving.take_ready("]),
    ("channel/receiving/in_place.rs", "take_ready", &["self.take_in_place("]),
    (
        "channel/receiving/in_place.rs",
        "take_in_place",
        &["half.peek_small(", "half.take_small(", "Message::filled(", "record_received("],
    ),
    ("channel/receiving/in_place.rs", "record_received", &["inbox.consume_and_deliver("]),
    ("transport/shm/link/receiving.rs", "take_small", &["self.reader.take_small("]),
    ("transport/shm/reader.rs", "take_small", &["self.peer.copy_out("]),
    ("channel/session/inbox.rs", "consume_and_deliver", &[]),
    ("message/mod.rs", "filled", &["spare::refill("]),
];

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
    for (path, name, calls) in SEND.iter().chain(&RECV) {
        let text = function(path, name);
        for exchange in EXCHANGES {
            assert!(!text.contains(exchange), "{path}: {name} has {exchange}, and the call has its lock");
        }
        for call in *calls {
            assert!(text.contains(call), "{path}: {name} does not call {call}");
        }
    }
    let files: BTreeSet<_> = SEND.iter().chain(&RECV).map(|(path, ..)| *path).collect();
    assert!(files.len() <= 10, "{files:?}");
}

#[test]
fn short_call_enters_under_one_lock() {
    let text = function("sys/claim.rs", "enter");
    let count = |what: &str| text.matches(what).count();
    assert_eq!(EXCHANGES.iter().map(|exchange| count(exchange)).sum::<usize>(), 1, "{text}");
    assert_eq!(count("self.gate.lock("), 1, "{text}");
}

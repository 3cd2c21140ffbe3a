//! All fuzzing targets in one program; `LINKSPAN_FUZZ` selects one. `fuzz/run` builds and starts it.

#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use linkspan::Encoding;
use linkspan_engine::fuzzing::{hello, jsonrpc};
use linkspan_region::fuzz as layout;
use linkspan_transport::fuzzing::{broadcast, endpoint, journal, keys, ring, segment, spool};

#[path = "../../programs/recording/tests/support/any_damage.rs"]
mod any_damage;
#[path = "../../programs/recording/tests/support/any_file.rs"]
mod any_file;
#[path = "../../programs/gateway/tests/support/any_asked.rs"]
mod any_asked;
#[path = "../../programs/gateway/tests/support/any_frame.rs"]
mod any_frame;
#[path = "../../programs/ros2/tests/support/any_messages.rs"]
mod any_messages;
#[path = "../../programs/gateway/src/asked.rs"]
mod asked;
#[path = "../../programs/gateway/src/frames.rs"]
#[allow(dead_code, reason = "the gateway uses the rest")]
mod frames;
#[path = "../../rust-core/tests/headers.rs"]
mod headers;
#[path = "../../programs/gateway/src/names.rs"]
#[allow(dead_code, reason = "the gateway uses the rest")]
mod names;
#[path = "../../programs/gateway/src/shown.rs"]
mod shown;
#[path = "../../rust-core/value/tests/vectors/strict.rs"]
mod strict;

/// A target: its name, which its seeds also have, and its function.
type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 21] = [
    ("json", |bytes| strict::check(bytes, Encoding::Json)),
    ("cbor", |bytes| strict::check(bytes, Encoding::Cbor)),
    ("bson", |bytes| strict::check(bytes, Encoding::Bson)),
    ("smile", |bytes| strict::check(bytes, Encoding::Smile)),
    ("transcode", strict::transcodes),
    ("header", headers::header),
    ("hello", hello),
    ("endpoint", endpoint),
    ("ring", ring),
    ("broadcast", broadcast),
    ("segment", segment),
    ("journal", journal),
    ("spool", spool),
    ("jsonrpc", jsonrpc),
    ("layout", layout),
    ("keys", keys),
    ("recording", any_file::read),
    ("damage", any_damage::read_damaged),
    ("frames", any_frame::take),
    ("viewers", any_asked::take),
    ("cdr", any_messages::write),
];

static TARGET: OnceLock<fn(&[u8])> = OnceLock::new();

fn chosen() -> fn(&[u8]) {
    let wanted = std::env::var("LINKSPAN_FUZZ").unwrap_or_default();
    match TARGETS.iter().find(|(name, _)| *name == wanted) {
        Some((_, run)) => *run,
        None => panic!("LINKSPAN_FUZZ is {wanted:?}; the targets are {:?}", TARGETS.map(|(name, _)| name)),
    }
}

fuzz_target!(|bytes: &[u8]| TARGET.get_or_init(chosen)(bytes));

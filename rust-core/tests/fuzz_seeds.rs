//! Replays the committed seeds of the fuzzing targets, and holds what they cost in memory.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

#[path = "vectors/headers.rs"]
mod headers;
#[path = "vectors/strict.rs"]
mod strict;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::PathBuf;

use linkspan::codec::decode_into;
use linkspan::value::ValueBuilder;
use linkspan::{Encoding, Limits};

/// The system's allocator, counting what each thread holds.
struct Counting;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
    static MOST: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is passed on unchanged to the system's allocator; the counters are plain cells of this thread, and
// having no destructor they can be reached at any time.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.get().wrapping_add(layout.size());
        HELD.set(held);
        MOST.set(MOST.get().max(held));
        // SAFETY: the caller's promises are the system allocator's own.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        HELD.set(HELD.get().wrapping_sub(layout.size()));
        // SAFETY: the caller's promises are the system allocator's own.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The seeds of one target: name and bytes.
fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target);
    let mut seeds: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path()).unwrap())
        })
        .collect();
    seeds.sort();
    assert!(seeds.len() > 10, "{target} has {} seeds", seeds.len());
    seeds
}

const TARGETS: [Encoding; 4] = [Encoding::Json, Encoding::Cbor, Encoding::Bson, Encoding::Smile];

#[test]
fn seeds_are_values_or_errors() {
    for encoding in TARGETS {
        for (name, bytes) in seeds(encoding.name()) {
            println!("{} {name}", encoding.name());
            strict::check(&bytes, encoding);
        }
    }
}

#[test]
fn header_seeds_are_headers_or_errors() {
    for (name, bytes) in seeds("header") {
        println!("header {name}");
        headers::header(&bytes);
    }
}

/// Bytes from a peer cost what the limits say and not what they claim.
#[test]
fn seeds_cost_no_more_memory_than_the_limits() {
    let limits = Limits::for_message(1 << 20);
    // The limit counts values at a flat price; tables and growing buffers may double it.
    let allowed = 2 * limits.memory as usize;
    for encoding in TARGETS {
        for (name, bytes) in seeds(encoding.name()) {
            let before = HELD.get();
            MOST.set(before);
            let done = decode_into(&bytes, encoding, &limits, ValueBuilder::new());
            let cost = MOST.get() - before;
            assert!(cost <= allowed, "{} {name}: {cost} bytes for {} bytes", encoding.name(), bytes.len());
            // What is refused is refused cheaply: no claim is believed before its bytes are there.
            if done.is_err() && bytes.len() < 200 {
                assert!(
                    cost < 64 << 10,
                    "{} {name}: {cost} bytes for {} bytes",
                    encoding.name(),
                    bytes.len()
                );
            }
        }
    }
}

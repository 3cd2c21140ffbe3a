//! Replays the committed seeds of the fuzzing targets for encodings, and bounds their memory.

use crate::counting::peak;
use crate::vectors::strict;
use linkspan::codec::decode_into;
use linkspan::value::ValueBuilder;
use linkspan::{Encoding, Limits};

#[path = "../../tests/support/seeds.rs"]
#[allow(dead_code, reason = "these tests look at more than the bytes of a seed")]
mod committed;

fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let seeds = committed::seeds(target);
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
fn transcode_fuzz_seeds_give_the_same_value_or_errors() {
    for (name, bytes) in seeds("transcode") {
        println!("transcode {name}");
        strict::transcodes(&bytes);
    }
}

/// Bytes from a peer take at most the memory of the limits, not the memory that they claim.
#[test]
fn seeds_cost_no_more_memory_than_the_limits() {
    let limits = Limits::for_message(1 << 20);
    let allowed = limits.memory as usize + (16 << 10);
    for encoding in TARGETS {
        for (name, bytes) in seeds(encoding.name()) {
            let (done, cost) = peak(|| decode_into(&bytes, encoding, &limits, ValueBuilder::new()));
            assert!(cost <= allowed, "{} {name}: {cost} bytes for {} bytes", encoding.name(), bytes.len());
            // Refusing is cheap: no claim is trusted before its bytes have arrived.
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

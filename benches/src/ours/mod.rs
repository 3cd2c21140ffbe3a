//! Ours: what a program that uses the library pays, through its public interface.

pub mod channel;
pub mod codec;
pub mod stored;
pub mod stream;

use crate::Result;
use crate::cpu::Placement;

/// `work ours …`.
pub fn work(words: &[&str]) -> Result<()> {
    match *words {
        ["round", transport, bytes, placement, spin] => {
            channel::round_trip(transport, bytes.parse()?, Placement::from_name(placement)?, spin.parse()?)
        }
        ["call", transport, bytes, placement, spin] => {
            channel::call(transport, bytes.parse()?, Placement::from_name(placement)?, spin.parse()?)
        }
        ["values", transport, bytes, placement] => {
            stored::values(transport, bytes.parse()?, Placement::from_name(placement)?)
        }
        ["published", transport, bytes, placement, spin] => {
            stored::published(transport, bytes.parse()?, Placement::from_name(placement)?, spin.parse()?)
        }
        ["mailslots", bytes, placement] => {
            stored::mailslots(bytes.parse()?, Placement::from_name(placement)?)
        }
        ["journal", bytes] => stored::journal(bytes.parse()?),
        ["self", transport, bytes] => channel::to_itself(transport, bytes.parse()?),
        ["stream", transport, bytes, placement] => {
            stream::one_way(transport, bytes.parse()?, Placement::from_name(placement)?)
        }
        ["encode", encoding] => codec::encode(encoding),
        ["decode", encoding] => codec::decode(encoding),
        ["peer-encode", encoding] => codec::peer_encode(encoding),
        ["peer-decode", encoding] => codec::peer_decode(encoding),
        _ => Err(format!("nothing of ours is called {words:?}").into()),
    }
}

//! Ours: the cost for a program that uses the library's public interface.

pub mod arrays;
pub mod awaited;
pub mod begin;
pub mod channel;
pub mod codec;
pub mod entries;
#[rustfmt::skip]
mod reading;
pub mod fanout;
#[rustfmt::skip]
mod imu_sample;
#[rustfmt::skip]
mod motor_state;
pub mod own_bytes;
pub mod packed;
pub mod rate;
pub mod resources;
pub mod stored;
pub mod stream;
pub mod writers;

use crate::cpu::Placement;
use crate::rate::Waits;
use crate::{Result, oversubscribed};

pub fn work(words: &[&str]) -> Result<()> {
    match *words {
        ["round", transport, bytes, placement, spin] => {
            channel::round_trip(transport, bytes.parse()?, Placement::from_name(placement)?, spin.parse()?)
        }
        ["own", way, calls, bytes, placement, spin] => {
            let work = match way {
                "channel" => own_bytes::on_a_channel,
                "published" => own_bytes::published,
                "called" => own_bytes::called,
                _ => return Err(format!("no way is called {way}").into()),
            };
            let calls = own_bytes::Calls::from_name(calls)?;
            work(calls, bytes.parse()?, Placement::from_name(placement)?, spin.parse()?)
        }
        ["arrays", memory, bytes, placement, spin] => arrays::round_trip(
            arrays::Memory::from_name(memory)?,
            bytes.parse()?,
            Placement::from_name(placement)?,
            spin.parse()?,
        ),
        ["publish", what, bytes, readers] => arrays::published(what, bytes.parse()?, readers.parse()?),
        ["map", transport, placement, spin] => {
            channel::map(transport, Placement::from_name(placement)?, spin.parse()?)
        }
        ["entries", count, placement, spin] => {
            entries::there(count.parse()?, Placement::from_name(placement)?, spin.parse()?)
        }
        ["entries-alone", count] => entries::alone(count.parse()?),
        ["call", transport, bytes, placement, spin] => {
            channel::call(transport, bytes.parse()?, Placement::from_name(placement)?, spin.parse()?)
        }
        ["call-text", transport, bytes, placement, spin] => {
            channel::text_call(transport, bytes.parse()?, Placement::from_name(placement)?, spin.parse()?)
        }
        ["values", transport, bytes, placement] => {
            stored::values(transport, bytes.parse()?, Placement::from_name(placement)?)
        }
        ["published", transport, bytes, placement, spin] => {
            stored::published(transport, bytes.parse()?, Placement::from_name(placement)?, spin.parse()?)
        }
        ["published-viewed", bytes, placement, spin] => {
            stored::published_viewed(bytes.parse()?, Placement::from_name(placement)?, spin.parse()?)
        }
        ["mailslots", bytes, placement] => {
            stored::mailslots(bytes.parse()?, Placement::from_name(placement)?)
        }
        ["fanout", transport, readers] => fanout::published(transport, readers.parse()?),
        ["writers", transport, count] => writers::requests(transport, count.parse()?),
        ["rate", "channel", waits, rate] => rate::channel(Waits::from_name(waits)?, rate.parse()?),
        ["rate", "publish", waits, rate] => rate::published(Waits::from_name(waits)?, rate.parse()?),
        ["connect", transport] => begin::connect(transport),
        ["first", transport] => begin::first(transport),
        ["latest", transport] => begin::latest(transport),
        ["restart", transport] => begin::restart(transport),
        ["memory", what, transport] => resources::memory(what, transport),
        ["oversubscribed", transport, spin, pace] => {
            oversubscribed::beside_channel(transport, spin.parse()?, pace)
        }
        ["idle"] => resources::idle(),
        ["size", file] => resources::size(file),
        ["journal", bytes] => stored::journal(bytes.parse()?),
        ["self", transport, bytes] => channel::to_itself(transport, bytes.parse()?),
        ["awaited", transport, bytes, placement, spin] => {
            awaited::round_trip(transport, bytes.parse()?, Placement::from_name(placement)?, spin.parse()?)
        }
        ["awaited-self", transport, bytes] => awaited::to_itself(transport, bytes.parse()?),
        ["stream", transport, bytes, placement] => {
            stream::one_way(transport, bytes.parse()?, Placement::from_name(placement)?)
        }
        ["batches", transport, bytes, placement] => {
            stream::batches(transport, bytes.parse()?, Placement::from_name(placement)?)
        }
        ["encode", encoding] => codec::encode(encoding, "flat"),
        ["encode", encoding, sample] => codec::encode(encoding, sample),
        ["decode", encoding] => codec::decode(encoding, "flat"),
        ["decode", encoding, sample] => codec::decode(encoding, sample),
        ["checked", encoding] => codec::checked(encoding),
        ["record-encode"] => codec::record_encode(),
        ["record-decode"] => codec::record_decode(),
        ["record-copy"] => codec::record_copy(),
        ["tree-encode"] => codec::tree_encode(),
        ["tree-decode"] => codec::tree_decode(),
        ["pack"] => packed::pack(),
        ["unpack"] => packed::unpack(),
        ["copy"] => packed::copy(),
        ["unpack-numbers"] => packed::unpack_numbers(),
        ["copy-numbers"] => packed::copy_numbers(),
        ["peer-encode", encoding, sample] => codec::peer_encode(encoding, sample),
        ["peer-decode", encoding, sample] => codec::peer_decode(encoding, sample),
        _ => Err(format!("nothing of ours is called {words:?}").into()),
    }
}

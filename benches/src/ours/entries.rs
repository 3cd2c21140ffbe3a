//! A map of many small values: sent to another program, or encoded, copied and decoded in one process.

use std::time::Duration;

use linkspan::{Channel, Encoding, Value, codec};

use super::channel::{endpoint, options};
use crate::Result;
use crate::cpu::{End, Placement, pin};
use crate::ends::fork_far;
use crate::worker::{Work, serve};

const START: Duration = Duration::from_secs(20);

fn map(count: u64) -> Value {
    Value::map((0..count).map(|number| (format!("key {number}"), Value::from(number))))
}

/// Sends the map and receives its number of entries.
struct There {
    channel: Channel,
    map: Value,
    count: u64,
}

impl Work for There {
    fn once(&mut self) -> Result<()> {
        self.channel.send(&self.map, linkspan::Timeout::Default)?;
        let back = self.channel.recv(linkspan::Timeout::Default)?;
        let arrived = back.value()?.as_u64()?;
        if arrived == self.count { Ok(()) } else { Err(format!("{arrived} entries arrived").into()) }
    }
}

/// Receives maps and sends their number of entries.
fn count_each(endpoint: &str, placement: Placement, spin: u64) -> Result<()> {
    let channel = Channel::open(endpoint, &options(spin)?, START)?;
    let mut pinned = false;
    loop {
        let message = channel.recv(None)?;
        if !std::mem::replace(&mut pinned, true) {
            pin(placement, End::Far)?;
        }
        channel.send(&Value::from(message.value()?.as_map()?.len() as u64), None)?;
    }
}

/// A map to another program, and its number of entries back.
pub fn there(count: u64, placement: Placement, spin: u64) -> Result<()> {
    let endpoint = endpoint("shm");
    fork_far(|| count_each(&endpoint, placement, spin))?;
    let mut work =
        There { channel: Channel::connect(&endpoint, &options(spin)?, START)?, map: map(count), count };
    work.once()?;
    pin(placement, End::Near)?;
    serve(work)
}

/// The measurement in one process, without a message.
struct Alone {
    map: Value,
    encoded: Vec<u8>,
    copy: Vec<u8>,
}

impl Work for Alone {
    fn once(&mut self) -> Result<()> {
        self.encoded.clear();
        codec::encode_into(&self.map, Encoding::Cbor, &codec::EncodeOptions::default(), &mut self.encoded)?;
        self.copy.clear();
        self.copy.extend_from_slice(&self.encoded);
        let count = codec::decode(&self.copy, Encoding::Cbor)?.as_map()?.len();
        if count == self.map.as_map()?.len() { Ok(()) } else { Err(format!("{count} entries").into()) }
    }
}

pub fn alone(count: u64) -> Result<()> {
    pin(Placement::Apart, End::Near)?;
    serve(Alone { map: map(count), encoded: Vec::new(), copy: Vec::new() })
}

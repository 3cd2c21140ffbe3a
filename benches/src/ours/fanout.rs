//! A publisher and many subscribers: the cost of a message to all subscribers.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use linkspan::{Options, Payload, Publisher, Subscriber};

use super::channel::{content, endpoint, options};
use super::stream::BLOCK;
use crate::Result;
use crate::cpu::{End, Placement, pin};
use crate::ends::fork_far;
use crate::worker::{Work, serve};

const START: Duration = Duration::from_secs(20);

/// Messages between two acknowledgements if a socket's buffer is the only room.
const FEW: u64 = 64;

/// Messages between two acknowledgements with many readers.
const MANY: u64 = 512;

/// A ring that holds a block, because a publisher does not wait for subscribers.
const RING: usize = 4 << 20;

struct Fanout<const PER: u64> {
    publisher: Publisher,
    far: UnixStream,
    payload: Payload,
}

impl<const PER: u64> Work for Fanout<PER> {
    const PER: u64 = PER;

    fn once(&mut self) -> Result<()> {
        for _ in 0..PER {
            self.publisher.send_payload(&self.payload)?;
        }
        Ok(self.far.read_exact(&mut [0])?)
    }
}

/// Reads every message with every subscriber, and acknowledges each block.
fn read(endpoint: &str, readers: usize, options: &Options, per: u64, mut near: UnixStream) -> Result<()> {
    let readers =
        (0..readers).map(|_| Ok(Subscriber::new(endpoint, options)?)).collect::<Result<Vec<_>>>()?;
    // A subscriber connects with its first receive call; the near end knows when all have connected.
    near.set_nonblocking(true)?;
    while near.read(&mut [0]).is_err() {
        for reader in &readers {
            reader.poll()?;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    near.set_nonblocking(false)?;
    pin(Placement::Apart, End::Far)?;
    loop {
        for _ in 0..per {
            for reader in &readers {
                let message = reader.recv(None)?;
                if message.missed() > 0 {
                    return Err(format!("{} messages were missed", message.missed()).into());
                }
            }
        }
        near.write_all(&[1])?;
    }
}

fn start<const PER: u64>(transport: &str, readers: usize, options: &Options) -> Result<()> {
    let endpoint = endpoint(transport);
    let (mut far, theirs) = UnixStream::pair()?;
    fork_far(|| read(&endpoint, readers, options, PER, theirs))?;
    let publisher = Publisher::new(&endpoint, options)?;
    publisher.wait_for_subscribers(readers, START)?;
    far.write_all(&[1])?;
    let mut work = Fanout::<PER> { publisher, far, payload: content(64) };
    work.once()?;
    pin(Placement::Apart, End::Near)?;
    serve(work)
}

/// 64 bytes to subscribers that another process on another processor reads in turn.
pub fn published(transport: &str, readers: usize) -> Result<()> {
    let options = options(20)?;
    match transport {
        "shm" if readers <= 4 => start::<BLOCK>(transport, readers, &options.with_buffer(RING)),
        // Many readers take so long for a block that its acknowledgement hardly counts.
        "shm" => start::<MANY>(transport, readers, &options.with_buffer(RING)),
        _ => start::<FEW>(transport, readers, &options),
    }
}

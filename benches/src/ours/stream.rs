//! One-way traffic: many messages, then one message back that acknowledges them.

use linkspan::{Channel, Payload};

use super::channel::{content, endpoint, options};
use crate::Result;
use crate::cpu::{End, Placement, pin};
use crate::ends::fork_far;
use crate::worker::{Work, serve};

/// Messages between two acknowledgements.
pub const BLOCK: u64 = 4096;
/// Messages between two acknowledgements, for long messages.
const FEW: u64 = 32;

struct Stream<const PER: u64> {
    channel: Channel,
    payload: Payload,
}

impl<const PER: u64> Work for Stream<PER> {
    const PER: u64 = PER;

    fn once(&mut self) -> Result<()> {
        for _ in 0..PER {
            self.channel.send_payload(&self.payload, linkspan::Timeout::Default)?;
        }
        self.channel.recv(linkspan::Timeout::Default)?;
        Ok(())
    }
}

fn far(endpoint: &str, placement: Placement, per: u64) -> Result<()> {
    let channel = Channel::open(endpoint, &options(20)?, std::time::Duration::from_secs(20))?;
    let word = content(1);
    let mut taken = 0;
    loop {
        channel.recv(None)?;
        taken += 1;
        if taken == 1 {
            pin(placement, End::Far)?;
        }
        if taken % per == 0 {
            channel.send_payload(&word, None)?;
        }
    }
}

/// Messages per send and receive call.
const BATCH: usize = 64;

struct Batches {
    channel: Channel,
    payloads: Vec<Payload>,
}

impl Work for Batches {
    const PER: u64 = BLOCK;

    fn once(&mut self) -> Result<()> {
        for _ in 0..BLOCK / BATCH as u64 {
            self.channel.send_payloads(&self.payloads, linkspan::Timeout::Default)?;
        }
        self.channel.recv(linkspan::Timeout::Default)?;
        Ok(())
    }
}

fn far_of_batches(endpoint: &str, placement: Placement) -> Result<()> {
    let channel = Channel::open(endpoint, &options(20)?, std::time::Duration::from_secs(20))?;
    let word = content(1);
    let (mut taken, mut pinned) = (0, false);
    loop {
        taken += channel.recv_many(BATCH, None)?.len() as u64;
        if !std::mem::replace(&mut pinned, true) {
            pin(placement, End::Far)?;
        }
        if taken >= BLOCK {
            taken -= BLOCK;
            channel.send_payload(&word, None)?;
        }
    }
}

/// Short messages in one direction, several per call.
pub fn batches(transport: &str, bytes: usize, placement: Placement) -> Result<()> {
    let endpoint = endpoint(transport);
    fork_far(|| far_of_batches(&endpoint, placement))?;
    let channel = Channel::connect(&endpoint, &options(20)?, std::time::Duration::from_secs(20))?;
    let mut work = Batches { channel, payloads: vec![content(bytes); BATCH] };
    work.once()?;
    pin(placement, End::Near)?;
    serve(work)
}

pub fn one_way(transport: &str, bytes: usize, placement: Placement) -> Result<()> {
    let endpoint = endpoint(transport);
    let per = if bytes <= 4096 { BLOCK } else { FEW };
    fork_far(|| far(&endpoint, placement, per))?;
    let channel = Channel::connect(&endpoint, &options(20)?, std::time::Duration::from_secs(20))?;
    let payload = content(bytes);
    if per == BLOCK {
        let mut work = Stream::<BLOCK> { channel, payload };
        work.once()?;
        pin(placement, End::Near)?;
        serve(work)
    } else {
        let mut work = Stream::<FEW> { channel, payload };
        work.once()?;
        pin(placement, End::Near)?;
        serve(work)
    }
}

//! Stored values: one in each direction through files, and a journal that is written to.

use std::time::Duration;

use linkspan::{Channel, Options, Payload, Publisher, Subscriber, Value};

use super::channel::{content, endpoint, options};
use crate::Result;
use crate::cpu::{End, Placement, pin};
use crate::ends::fork_far;
use crate::worker::{Work, serve};

const START: Duration = Duration::from_secs(20);

/// Two names for the two directions.
fn ways(transport: &str) -> (String, String) {
    let name = endpoint(transport);
    (format!("{name}-there"), format!("{name}-back"))
}

struct Values {
    to: Publisher,
    from: Subscriber,
    payload: Payload,
}

impl Work for Values {
    fn once(&mut self) -> Result<()> {
        self.to.send_payload(&self.payload)?;
        self.from.recv(START)?;
        Ok(())
    }
}

/// A value in each direction, each the latest of its name.
pub fn values(transport: &str, bytes: usize, placement: Placement) -> Result<()> {
    let (there, back) = ways(transport);
    let options = Options::default();
    fork_far(|| {
        let (to, from) = (Publisher::new(&back, &options)?, Subscriber::new(&there, &options)?);
        let payload = content(bytes);
        let mut pinned = false;
        loop {
            from.recv(None)?;
            if !std::mem::replace(&mut pinned, true) {
                pin(placement, End::Far)?;
            }
            to.send_payload(&payload)?;
        }
    })?;
    let (to, from) = (Publisher::new(&there, &options)?, Subscriber::new(&back, &options)?);
    let mut work = Values { to, from, payload: content(bytes) };
    work.once()?;
    pin(placement, End::Near)?;
    serve(work)
}

/// A message published in each direction, both through shared memory or a socket: no value is stored in a file.
pub fn published(transport: &str, bytes: usize, placement: Placement, spin: u64) -> Result<()> {
    let (there, back) = ways(transport);
    let options = options(spin)?;
    fork_far(|| {
        let (to, from) = (Publisher::new(&back, &options)?, Subscriber::new(&there, &options)?);
        to.wait_for_subscribers(1, START)?;
        let payload = content(bytes);
        let mut pinned = false;
        loop {
            from.recv(None)?;
            if !std::mem::replace(&mut pinned, true) {
                pin(placement, End::Far)?;
            }
            to.send_payload(&payload)?;
        }
    })?;
    let (to, from) = (Publisher::new(&there, &options)?, Subscriber::new(&back, &options)?);
    to.wait_for_subscribers(1, START)?;
    let mut work = Values { to, from, payload: content(bytes) };
    work.once()?;
    pin(placement, End::Near)?;
    serve(work)
}

struct Slots {
    to: Channel,
    from: Channel,
    payload: Payload,
}

impl Work for Slots {
    fn once(&mut self) -> Result<()> {
        self.to.send_payload(&self.payload, linkspan::Timeout::Default)?;
        self.from.recv(START)?;
        Ok(())
    }
}

/// A message in each direction through two mailslots.
pub fn mailslots(bytes: usize, placement: Placement) -> Result<()> {
    let (there, back) = ways("dgram");
    let options = Options::default();
    fork_far(|| {
        let from = Channel::open(&there, &options, START)?;
        let to = Channel::connect(&back, &options, START)?;
        let payload = content(bytes);
        let mut pinned = false;
        loop {
            from.recv(None)?;
            if !std::mem::replace(&mut pinned, true) {
                pin(placement, End::Far)?;
            }
            to.send_payload(&payload, None)?;
        }
    })?;
    let from = Channel::open(&back, &options, START)?;
    let to = Channel::connect(&there, &options, START)?;
    let mut work = Slots { to, from, payload: content(bytes) };
    work.once()?;
    pin(placement, End::Near)?;
    serve(work)
}

struct Journal {
    publisher: Publisher,
    payload: Payload,
}

impl Work for Journal {
    fn once(&mut self) -> Result<()> {
        self.publisher.send_payload(&self.payload)?;
        Ok(())
    }
}

/// Messages into a journal, each acknowledged once it is on the disk.
pub fn journal(bytes: usize) -> Result<()> {
    let mut options = Options::default();
    // The measured messages are removed, so that they do not fill the disk.
    options.set("retain_bytes", &Value::from(64u64 << 20))?;
    let publisher = Publisher::new(&endpoint("journal"), &options)?;
    pin(Placement::Together, End::Near)?;
    serve(Journal { publisher, payload: content(bytes) })
}

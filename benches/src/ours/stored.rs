//! Stored values: a value in each direction through files, and a journal being written.

use std::time::Duration;

use linkspan::{Channel, Encoding, Options, Payload, Publisher, Subscriber, Value};

use super::channel::{content, endpoint, options, viewed};
use crate::Result;
use crate::cpu::{End, Placement, pin};
use crate::ends::fork_far;
use crate::worker::{Work, serve};

const START: Duration = Duration::from_secs(20);

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

/// A value in each direction, each the newest of its name.
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

/// A message published in each direction through shared memory or a socket, without files.
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

/// Long bytes published in each direction and read in place.
struct Views {
    to: Publisher,
    from: Subscriber,
    payload: Payload,
}

impl Views {
    fn exchange(&self, wait: Option<Duration>) -> Result<()> {
        if viewed(&self.from.recv(wait)?)? != self.payload.body().len() {
            return Err("another message came".into());
        }
        Ok(())
    }
}

impl Work for Views {
    fn once(&mut self) -> Result<()> {
        self.to.send_payload(&self.payload)?;
        self.exchange(Some(START))
    }
}

/// As [`published`], with viewed bytes.
pub fn published_viewed(bytes: usize, placement: Placement, spin: u64) -> Result<()> {
    let (there, back) = ways("shm");
    let options = options(spin)?.with_view_bytes(true);
    let ends = |to: &str, from: &str| -> Result<Views> {
        let (to, from) = (Publisher::new(to, &options)?, Subscriber::new(from, &options)?);
        to.wait_for_subscribers(1, START)?;
        Ok(Views { to, from, payload: Payload::from_bytes(Encoding::Raw, vec![7; bytes].into()) })
    };
    fork_far(|| {
        let end = ends(&back, &there)?;
        let mut pinned = false;
        loop {
            end.exchange(None)?;
            if !std::mem::replace(&mut pinned, true) {
                pin(placement, End::Far)?;
            }
            end.to.send_payload(&end.payload)?;
        }
    })?;
    let mut work = ends(&there, &back)?;
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

/// Messages into a journal, each acknowledged after it is on disk.
pub fn journal(bytes: usize) -> Result<()> {
    let mut options = Options::default();
    // The measured messages are removed, to keep the disk from filling.
    options.set("retain_bytes", &Value::from(64u64 << 20))?;
    let publisher = Publisher::new(&endpoint("journal"), &options)?;
    pin(Placement::Together, End::Near)?;
    serve(Journal { publisher, payload: content(bytes) })
}

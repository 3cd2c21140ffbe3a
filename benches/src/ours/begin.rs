//! Connections and starts: first message, newest value without a subscription, restarted server.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use linkspan::{Channel, Options, Payload, Publisher};

use super::channel::{answer, content, endpoint, options};
use crate::Result;
use crate::cpu::{End, Placement, pin};
use crate::ends::fork_far;
use crate::worker::{Work, serve};

const START: Duration = Duration::from_secs(20);

struct Beginning {
    endpoint: String,
    options: Options,
    /// The client's request after connecting.
    request: Option<Payload>,
}

impl Work for Beginning {
    fn once(&mut self) -> Result<()> {
        let channel = Channel::connect(&self.endpoint, &self.options, START)?;
        if let Some(request) = &self.request {
            channel.call_payload(request, START)?;
        }
        Ok(())
    }
}

fn beginning(transport: &str, request: Option<Payload>) -> Result<()> {
    let endpoint = endpoint(transport);
    fork_far(|| answer(&endpoint, Placement::Together, 0))?;
    let options = options(0)?;
    // The server pins itself at its first request.
    Channel::connect(&endpoint, &options, START)?.call_payload(&content(64), START)?;
    pin(Placement::Together, End::Near)?;
    serve(Beginning { endpoint, options, request })
}

pub fn connect(transport: &str) -> Result<()> {
    beginning(transport, None)
}

pub fn first(transport: &str) -> Result<()> {
    beginning(transport, Some(content(64)))
}

struct Newest {
    endpoint: String,
    options: Options,
}

impl Work for Newest {
    fn once(&mut self) -> Result<()> {
        linkspan::latest(&self.endpoint, &self.options, START)?;
        Ok(())
    }
}

/// A publisher's newest value, read without a subscription.
pub fn latest(transport: &str) -> Result<()> {
    let endpoint = endpoint(transport);
    fork_far(|| {
        let publisher = Publisher::new(&endpoint, &options(0)?)?;
        publisher.send_payload(&content(64))?;
        loop {
            std::thread::park();
        }
    })?;
    let mut work = Newest { endpoint, options: options(0)? };
    let deadline = std::time::Instant::now() + START;
    // The publisher or its first message may not exist yet.
    while let Err(error) = work.once() {
        if std::time::Instant::now() > deadline {
            return Err(error);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    pin(Placement::Together, End::Near)?;
    serve(work)
}

struct Restart {
    channel: Channel,
    endpoint: String,
    request: Payload,
    server: Child,
}

impl Restart {
    fn server(endpoint: &str) -> Result<Child> {
        let program = std::env::current_exe()?;
        let arguments = ["far", "serve", endpoint, "together", "0"];
        Ok(Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).spawn()?)
    }
}

impl Work for Restart {
    fn once(&mut self) -> Result<()> {
        self.server.kill()?;
        self.server.wait()?;
        self.server = Restart::server(&self.endpoint)?;
        self.channel.call_payload(&self.request, START)?;
        Ok(())
    }
}

impl Drop for Restart {
    fn drop(&mut self) {
        // Fails if it has already ended.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// A server that is killed and restarted, until it answers the channel that stayed open.
pub fn restart(transport: &str) -> Result<()> {
    let endpoint = endpoint(transport);
    let server = Restart::server(&endpoint)?;
    // A call in progress at the server's death is sent to the next one.
    let channel = Channel::connect(&endpoint, &options(0)?.with_idempotent(true), START)?;
    channel.call_payload(&content(64), START)?;
    pin(Placement::Together, End::Near)?;
    serve(Restart { channel, endpoint, request: content(64), server })
}

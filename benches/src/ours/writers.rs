//! Many clients that constantly call one server: the server's cost of a request.

use std::time::Duration;

use linkspan::{Channel, Payload, Server, Timeout};

use super::channel::{content, endpoint, options};
use crate::Result;
use crate::cpu::{End, Placement, pin};
use crate::ends::fork_far;
use crate::worker::{Work, serve};

const START: Duration = Duration::from_secs(20);

struct Requests {
    server: Server,
    answer: Payload,
}

impl Work for Requests {
    fn once(&mut self) -> Result<()> {
        let request = self.server.next(START)?.ok_or("the server was stopped")?;
        request.reply_payload(&self.answer)?;
        Ok(())
    }
}

fn ask(endpoint: &str) -> Result<()> {
    pin(Placement::Apart, End::Far)?;
    let channel = Channel::connect(endpoint, &options(0)?.with_timeout(Timeout::Forever), START)?;
    let payload = content(64);
    loop {
        channel.call_payload(&payload, None)?;
    }
}

/// A server, and clients that are threads of another process on another processor.
pub fn requests(transport: &str, clients: usize) -> Result<()> {
    let endpoint = endpoint(transport);
    fork_far(|| {
        std::thread::scope(|scope| {
            for _ in 0..clients {
                scope.spawn(|| ask(&endpoint).map_err(|error| eprintln!("a client: {error}")));
            }
        });
        Ok(())
    })?;
    let mut work = Requests { server: Server::serve(&endpoint, &options(0)?)?, answer: content(64) };
    work.once()?;
    pin(Placement::Apart, End::Near)?;
    serve(work)
}

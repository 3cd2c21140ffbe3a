//! Requests of local programs to servers of other machines: forwarded, withdrawn, answered.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, Weak};
use std::time::{Duration, Instant};

use linkspan::{ErrorKind, Payload, Request, Result, Wait};

use super::Imports;
use super::local::{Local, Name};
use crate::clocks::after;
use crate::config::Config;
use crate::engine::{Arrival, Body, Call, Engine, MessageId, Reply, RequestId, failure};
use crate::exported_server;
use crate::inbox::Inbox;
use crate::links::Links;
use crate::status::Status;
use crate::translation::{arrived, departing};

const IN_TURN: usize = 64;

impl Imports {
    /// Forwards a name's arrived requests, or opens links for programs that connected to a channel.
    ///
    /// # Errors
    /// Errors of the local server, of the engine, and of opening links.
    pub fn pump(
        &mut self,
        name: &str,
        engine: &dyn Engine,
        links: &mut Links,
        config: &Config,
        status: &mut Status,
    ) -> Result<()> {
        let local = self.names.get(name).and_then(|it| it.local.as_ref());
        if let Some(Local::Channel { presence, listener, .. }) = local {
            while let Some(caller) = listener.next_caller()? {
                links.call(caller, name, &presence.machine)?;
            }
            return Ok(());
        }
        self.forward(name, engine, config, status)?;
        self.withdraw(name, engine, links)
    }

    fn forward(
        &mut self,
        name: &str,
        engine: &dyn Engine,
        config: &Config,
        status: &mut Status,
    ) -> Result<()> {
        for _ in 0..IN_TURN {
            let Some(Name { presences, local: Some(Local::Server { presence, server, under_way, .. }) }) =
                self.names.get_mut(name)
            else {
                return Ok(());
            };
            let request = match server.next(Wait::none()) {
                Ok(Some(request)) => request,
                Ok(None) => return Ok(()),
                Err(e) if e.kind() == ErrorKind::Timeout => return Ok(()),
                Err(e) => return Err(e),
            };
            status.request_out(name);
            let is_json = config.is_json(name);
            let body = Body { encoding: request.encoding(), bytes: request.body().clone() };
            let body = departing(body, is_json).map_err(|e| exported_server::failure(&e));
            // A message gets an acknowledgement instead of an answer.
            if !request.wants_reply() {
                let (incarnation, number) = (request.incarnation(), request.sequence());
                if self.acknowledgements.begin(name, request) {
                    let id = MessageId { incarnation, number };
                    match body {
                        Ok(body) => self.acknowledgements.send(name, body, id, presence, engine)?,
                        Err(failure) => self.acknowledgements.refuse(name, id, &failure.text),
                    }
                }
                continue;
            }
            let body = match body {
                Ok(body) => body,
                // An error means that the caller has gone.
                Err(failure) => {
                    let _ = request.fail(&failure);
                    continue;
                }
            };
            let left = request.remaining().unwrap_or(Duration::MAX).min(config.request_timeout());
            // Any machine with the name may get the request, so its deadline is computed for each clock.
            let machines = presences.iter().map(|presence| &presence.machine);
            let until = machines.filter_map(|it| Some((it.clone(), self.clocks.after(it, left)?)));
            self.last_request = self.last_request.saturating_add(1);
            let id = RequestId { bridge: engine.id(), number: self.last_request };
            let call = Call { body, until: until.collect(), message: None, request: Some(id) };
            let request = Arc::new(request);
            under_way.push((id.number, Arc::downgrade(&request)));
            // If the caller's time-out ends first, the caller must get its own `Timeout` instead of another
            // machine's.
            let is_callers = left < config.request_timeout();
            let (given_up, inbox) = (self.given_up.clone(), self.inbox.clone());
            let foreign = (presence.machine == config.engine.name()).then(|| name.to_owned());
            let respond = move |reply: Reply| {
                let reply = match foreign {
                    Some(name) => checked(reply, name, is_json, &inbox),
                    None => reply,
                };
                if let (true, Err(failure)) = (is_callers, &reply)
                    && failure.kind == ErrorKind::Timeout.name()
                {
                    given_up
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push((gives_up(&request), request));
                    return inbox.wake();
                }
                // An error means that the caller has gone.
                let _ = match reply {
                    Ok(body) => request.reply_payload(&Payload::from_bytes(body.encoding, body.bytes)),
                    Err(failure) => request.fail(&failure),
                };
            };
            engine.request(presence, call, left, Box::new(respond))?;
        }
        Ok(())
    }

    /// Withdraws requests whose callers have stopped waiting from all machines; removes answered ones.
    fn withdraw(&mut self, name: &str, engine: &dyn Engine, links: &Links) -> Result<()> {
        let Some(Name { presences, local: Some(Local::Server { under_way, .. }) }) = self.names.get_mut(name)
        else {
            return Ok(());
        };
        under_way.retain(|(_, request)| request.strong_count() > 0);
        let is_over = |(_, request): &mut (u64, Weak<Request>)| {
            request.upgrade().is_some_and(|request| request.is_withdrawn())
        };
        let machines: BTreeSet<&str> = presences.iter().map(|presence| &*presence.machine).collect();
        for (number, _) in under_way.extract_if(.., is_over) {
            links.withdraw(number, &machines, engine)?;
        }
        Ok(())
    }

    pub fn drop_given_up(&self) {
        let mut given_up = self.given_up.lock().unwrap_or_else(PoisonError::into_inner);
        let text = "the server's machine gave no answer in time";
        let now = Instant::now();
        for (_, request) in given_up.extract_if(.., |(at, _)| *at <= now) {
            // An error means that the caller has gone.
            let _ = request.fail(&failure(ErrorKind::Timeout.name(), text));
        }
    }

    /// Sends messages without an outcome again. The far bridge recognizes repetitions.
    ///
    /// # Errors
    /// Errors of the engine's `request`.
    pub fn repeat(&mut self, config: &Config, engine: &dyn Engine) -> Result<()> {
        for (name, id, body) in self.acknowledgements.repeats() {
            match self.names.get(&name).and_then(|it| it.local.as_ref()) {
                Some(Local::Server { presence, .. }) => {
                    // The first translation succeeded too.
                    if let Ok(body) = departing(body, config.is_json(&name)) {
                        self.acknowledgements.send(&name, body, id, presence, engine)?;
                    }
                }
                // Its sender repeats it when the name is bound again.
                _ => {
                    let gone = failure("NotFound", "no server has the name here now");
                    self.acknowledgements.end(&name, id, Err(gone));
                }
            }
        }
        Ok(())
    }
}

/// Checks an answer of a program without Linkspan; a non-value becomes a failure and is counted.
fn checked(reply: Reply, name: String, is_json: bool, inbox: &Inbox) -> Reply {
    arrived(reply?, is_json).map_err(|error| {
        let failure = exported_server::failure(&error);
        inbox.push(Arrival::Malformed(name, error));
        failure
    })
}

/// Returns when a request's caller has certainly noticed its time-out.
fn gives_up(request: &Request) -> Instant {
    // A caller on a loaded machine may notice it late.
    const LEEWAY: Duration = Duration::from_secs(1);
    after(Instant::now(), request.remaining().unwrap_or_default().saturating_add(LEEWAY))
}

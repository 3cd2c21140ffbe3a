//! A name of another machine: its presences, and the local end of the chosen one.

use std::os::fd::OwnedFd;
use std::sync::Weak;

use linkspan::{Acknowledge, Options, Publisher, Request, Result, Server};
use linkspan_relay::RelayListener;

use crate::config::Config;
use crate::engine::{Engine, Pattern, Presence};
use crate::joining::dup;

/// The presences of one name, in the order in which they appeared, and the local end of the chosen one.
#[derive(Default)]
pub struct Name {
    pub presences: Vec<Presence>,
    pub local: Option<Local>,
}

/// The local end of a name of another machine.
pub enum Local {
    /// A publisher that relays messages under the numbers that they have there; `last` is the last of them.
    Publisher {
        /// The publisher's presence.
        presence: Presence,
        publisher: Publisher,
        last: u64,
        /// Whether its bridge keeps messages, and sends them again.
        is_kept: bool,
    },
    /// A server that forwards requests.
    Server {
        /// The server's presence.
        presence: Presence,
        server: Box<Server>,
        descriptor: OwnedFd,
        /// Requests under way, each with its number.
        under_way: Vec<(u64, Weak<Request>)>,
    },
    /// A listener for a channel or a controller; each program that connects gets a link.
    Channel {
        /// The listener's presence.
        presence: Presence,
        listener: RelayListener,
        descriptor: OwnedFd,
    },
    /// A publisher for a program that uses the engine without Linkspan; listings show the engine's name as
    /// its machine.
    Foreign(Publisher, &'static str),
}

impl Local {
    /// Returns the presence that it stands for; a foreign program has none.
    pub fn presence(&self) -> Option<&Presence> {
        match self {
            Local::Publisher { presence, .. }
            | Local::Server { presence, .. }
            | Local::Channel { presence, .. } => Some(presence),
            Local::Foreign(..) => None,
        }
    }

    /// Returns what listings show as its machine.
    pub fn machine(&self) -> &str {
        match self {
            Local::Publisher { presence, .. }
            | Local::Server { presence, .. }
            | Local::Channel { presence, .. } => &presence.machine,
            Local::Foreign(_, engine) => engine,
        }
    }

    /// Binds the name for a server, a channel or a controller of another machine.
    ///
    /// # Errors
    /// `AddressInUse` if a program of this machine has the name; those of the system.
    pub fn listen(name: &str, presence: Presence, config: &Config, engine: &dyn Engine) -> Result<Local> {
        let options = options(config, &presence.machine);
        if matches!(presence.pattern, Pattern::Channel | Pattern::Controller) {
            let listener = match presence.pattern {
                // Services look for their controller over unix:.
                Pattern::Controller => RelayListener::listen_for_services(&format!("unix:{name}"), &options)?,
                _ => RelayListener::listen(name, &options)?,
            };
            return Ok(Local::Channel { descriptor: dup(&listener)?, presence, listener });
        }
        let mut options = options;
        // Messages are acknowledged once the far server has handled them.
        options.ack = Acknowledge::Manual;
        // A program that sends a longer request gets `TooLarge` itself, before it has sent anything.
        options.max_message_size = engine.longest_request().unwrap_or(u64::MAX).min(options.max_message_size);
        let server = Server::serve(name, &options)?;
        let descriptor = dup(&server)?;
        Ok(Local::Server { descriptor, presence, server: server.into(), under_way: Vec::new() })
    }
}

impl Name {
    /// Returns the presence that the name stands for here: of the machine that has a local end already, else
    /// of the machine that came first; of one machine its newest incarnation. Staying with a machine keeps
    /// programs here connected.
    pub fn chosen(&self) -> Option<&Presence> {
        let first = self.presences.first()?;
        let machine = self.local.as_ref().and_then(Local::presence).map(|presence| &presence.machine);
        let of = |machine: &String| self.presences.iter().rev().find(|it| it.machine == *machine);
        machine.and_then(of).or_else(|| of(&first.machine))
    }
}

/// Returns the options of a local end; listings show this machine.
pub fn options(config: &Config, machine: &str) -> Options {
    Options::default().with_machine(machine).with_timeout(config.request_timeout())
}

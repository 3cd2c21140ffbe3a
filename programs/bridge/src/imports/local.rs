//! A name of another machine: its presences, and the local end of the chosen presence.

use std::os::fd::OwnedFd;
use std::sync::Weak;

use linkspan::{Acknowledge, Options, Publisher, Request, Result, Server};
use linkspan_relay::RelayListener;

use crate::config::Config;
use crate::engine::{Engine, Pattern, Presence};
use crate::joining::dup;

/// A name's presences in order of appearance, and its local end.
#[derive(Default)]
pub struct Name {
    pub presences: Vec<Presence>,
    pub local: Option<Local>,
}

pub enum Local {
    /// A publisher that relays messages under their original numbers, up to `last`.
    Publisher {
        presence: Presence,
        publisher: Publisher,
        last: u64,
        /// Whether its bridge keeps messages to send them again.
        is_kept: bool,
    },
    Server {
        presence: Presence,
        server: Box<Server>,
        descriptor: OwnedFd,
        /// Pending requests with their numbers.
        under_way: Vec<(u64, Weak<Request>)>,
    },
    /// A listener for a channel or controller; each connecting program gets a link.
    Channel {
        /// The listener's presence.
        presence: Presence,
        listener: RelayListener,
        descriptor: OwnedFd,
    },
    /// A publisher for a program without Linkspan; listings show the engine's name as its machine.
    Foreign(Publisher, &'static str),
}

impl Local {
    pub fn presence(&self) -> Option<&Presence> {
        match self {
            Local::Publisher { presence, .. }
            | Local::Server { presence, .. }
            | Local::Channel { presence, .. } => Some(presence),
            Local::Foreign(..) => None,
        }
    }

    pub fn machine(&self) -> &str {
        match self {
            Local::Publisher { presence, .. }
            | Local::Server { presence, .. }
            | Local::Channel { presence, .. } => &presence.machine,
            Local::Foreign(_, engine) => engine,
        }
    }

    /// Binds the name for another machine's server, channel or controller.
    ///
    /// # Errors
    /// `AddressInUse` if a local program has the name; system errors.
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
        // Messages are acknowledged after the far server has handled them.
        options.ack = Acknowledge::Manual;
        // The sender of a longer request gets `TooLarge` before it sends anything.
        options.max_message_size = engine.longest_request().unwrap_or(u64::MAX).min(options.max_message_size);
        let server = Server::serve(name, &options)?;
        let descriptor = dup(&server)?;
        Ok(Local::Server { descriptor, presence, server: server.into(), under_way: Vec::new() })
    }
}

impl Name {
    /// Returns the chosen presence: the newest incarnation on the local end's machine or the first machine.
    ///
    /// Keeping the machine keeps local programs connected.
    pub fn chosen(&self) -> Option<&Presence> {
        let first = self.presences.first()?;
        let machine = self.local.as_ref().and_then(Local::presence).map(|presence| &presence.machine);
        let of = |machine: &String| self.presences.iter().rev().find(|it| it.machine == *machine);
        machine.and_then(of).or_else(|| of(&first.machine))
    }
}

/// Returns the options of a local end; listings show `machine`.
pub fn options(config: &Config, machine: &str) -> Options {
    Options::default().with_machine(machine).with_timeout(config.request_timeout())
}

//! The pattern of a name: its use, and the callers that it admits.
//!
//! Hellos, listings and owner records hold its [`Pattern::name`]. The listener refuses a caller of an unsuitable
//! pattern with `InvalidState` and the alternative.

use crate::error::{Error, ErrorKind, Result};

/// The use of a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// Two ends, messages both ways.
    #[default]
    Channel,
    /// Many clients and one server that replies to them.
    Request,
    /// One publisher, many subscribers.
    Publish,
    /// A controller: services and their clients connect to it.
    Controller,
    /// A service that connects to its controller. Only callers have this pattern, never names.
    Service,
}

impl Pattern {
    const ALL: [Pattern; 5] =
        [Pattern::Channel, Pattern::Request, Pattern::Publish, Pattern::Controller, Pattern::Service];

    /// Returns the word in hellos and listings.
    pub const fn name(self) -> &'static str {
        match self {
            Pattern::Channel => "channel",
            Pattern::Request => "request",
            Pattern::Publish => "publish",
            Pattern::Controller => "controller",
            Pattern::Service => "service",
        }
    }

    /// Returns the pattern of this name, if it exists.
    pub fn from_name(name: &str) -> Option<Pattern> {
        Pattern::ALL.into_iter().find(|pattern| pattern.name() == name)
    }

    /// Returns a refusal's text with the alternative for the caller.
    pub(super) const fn advice(self) -> &'static str {
        match self {
            Pattern::Channel => "is a channel, connect to it",
            Pattern::Request => "is a server, connect and call it",
            Pattern::Publish => "is a publisher, subscribe to it",
            Pattern::Controller => {
                "is a controller of services, ask it with Controller or `linkspan service`"
            }
            Pattern::Service => "is a service, which calls its controller; ask that",
        }
    }

    /// Checks a caller's pattern for a listener of this pattern.
    ///
    /// Channels and servers admit each other's callers, because a call is also a message of a channel.
    ///
    /// # Errors
    /// `InvalidState` if the pattern does not fit.
    pub fn admits(self, caller: Pattern) -> Result<()> {
        let fits = match self {
            Pattern::Channel | Pattern::Request => matches!(caller, Pattern::Channel | Pattern::Request),
            Pattern::Publish => caller == Pattern::Publish,
            Pattern::Controller => matches!(caller, Pattern::Controller | Pattern::Service),
            Pattern::Service => false,
        };
        if fits { Ok(()) } else { Err(Error::new(ErrorKind::InvalidState, self.advice())) }
    }

    /// The same check for a caller that has learned the name's pattern.
    pub(crate) fn fits(self, name: Pattern) -> Result<()> {
        name.admits(self)
    }
}

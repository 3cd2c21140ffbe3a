//! The pattern of a name: what it is used for, and which callers it admits.
//!
//! A name has one pattern while it exists. It is in every hello, in listings and in owner records, by its
//! [`Pattern::name`]. A caller states its own pattern, and the listener refuses one that does not fit with
//! `InvalidState` and a text with the alternative.

use crate::error::{Error, ErrorKind, Result};

/// What a name is used for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// Two ends, messages both ways.
    #[default]
    Channel,
    /// Many clients and one server that replies to them.
    Request,
    /// One publisher, many subscribers.
    Publish,
    /// A controller: services connect to it, and so do the clients that query and command them.
    Controller,
    /// A service that connects to its controller. Only a caller has this pattern, never a name.
    Service,
}

impl Pattern {
    const ALL: [Pattern; 5] =
        [Pattern::Channel, Pattern::Request, Pattern::Publish, Pattern::Controller, Pattern::Service];

    /// Returns the word in the hello and in listings.
    pub const fn name(self) -> &'static str {
        match self {
            Pattern::Channel => "channel",
            Pattern::Request => "request",
            Pattern::Publish => "publish",
            Pattern::Controller => "controller",
            Pattern::Service => "service",
        }
    }

    /// Returns the pattern of this name, if there is one.
    pub fn from_name(name: &str) -> Option<Pattern> {
        Pattern::ALL.into_iter().find(|pattern| pattern.name() == name)
    }

    /// Returns the text of a refusal: the pattern of the name, and the alternative for the caller.
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

    /// Called by a listener of this pattern. Fails with `InvalidState` for a caller of a pattern that does
    /// not fit. A channel and a server admit each other's callers, because a call is a message of a channel
    /// too.
    pub fn admits(self, caller: Pattern) -> Result<()> {
        let fits = match self {
            Pattern::Channel | Pattern::Request => matches!(caller, Pattern::Channel | Pattern::Request),
            Pattern::Publish => caller == Pattern::Publish,
            Pattern::Controller => matches!(caller, Pattern::Controller | Pattern::Service),
            Pattern::Service => false,
        };
        if fits { Ok(()) } else { Err(Error::new(ErrorKind::InvalidState, self.advice())) }
    }

    /// The same check on the side of a caller of this pattern, for a name whose pattern it has learned.
    pub(crate) fn fits(self, name: Pattern) -> Result<()> {
        name.admits(self)
    }
}

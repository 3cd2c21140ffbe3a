//! What each transport can do: the channel above asks this record, and never which transport it is.

use super::endpoint::{Endpoint, Transport};
use crate::error::{Error, ErrorKind, Result};

/// What a transport can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Two ends with messages both ways, or one way where `replies` is false.
    pub channel: bool,
    /// Many clients and a server.
    pub request: bool,
    /// One publisher and any number of subscribers.
    pub publish: bool,
    /// There is a way back: calls have answers.
    pub replies: bool,
    /// The two sides say hello, so that a session can survive the death of either.
    pub sessions: bool,
    /// The place itself keeps what was not consumed, whoever dies.
    pub keeps: bool,
    /// With the option `durable`, or always, what was accepted survives the machine's power.
    pub durable: bool,
    /// Users and groups can be listed by number: the kernel says who connects.
    pub allow_lists: bool,
    /// `framing="lines"` and `"raw"`, for programs that know nothing of Linkspan.
    pub framing: bool,
    /// A link can break while both sides live, and resume.
    pub cuts: bool,
    /// Links to many peers at a time; otherwise to one.
    pub many_peers: bool,
    /// Why it cannot do the rest, and what can: for the text of an error.
    pub because: &'static str,
}

const LINKS: Capabilities = Capabilities {
    channel: true,
    request: true,
    publish: true,
    replies: true,
    sessions: true,
    keeps: false,
    durable: false,
    allow_lists: true,
    framing: false,
    cuts: false,
    many_peers: true,
    because: "",
};

const SHM: Capabilities = Capabilities {
    because: "shared memory holds frames, not text, and dies with its owners; use unix: for framing, spool: or journal: for durability",
    ..LINKS
};
const UNIX: Capabilities = Capabilities {
    framing: true,
    because: "a socket keeps nothing when both sides die; use spool: or journal:",
    ..LINKS
};
const TCP: Capabilities = Capabilities {
    cuts: true,
    allow_lists: false,
    framing: true,
    because: "TCP does not say which user connects, and keeps nothing when both sides die; use unix: for lists of users, spool: or journal: for durability",
    ..LINKS
};
const FIFO: Capabilities = Capabilities {
    publish: false,
    allow_lists: false,
    framing: true,
    many_peers: false,
    because: "a named pipe has one reader and does not say who writes; use unix: or shm: for several readers or lists of users",
    ..LINKS
};
const DGRAM: Capabilities = Capabilities {
    publish: false,
    replies: false,
    sessions: false,
    allow_lists: false,
    because: "a mailslot goes one way, from many writers to one reader, and promises no more than its best effort; use unix: for answers and for delivery that is acknowledged",
    ..LINKS
};
const SPOOL: Capabilities = Capabilities {
    publish: false,
    sessions: false,
    keeps: true,
    durable: true,
    allow_lists: false,
    because: "each file of a spool is one message to one reader, and modes and owners decide who may write; use file: or journal: to publish",
    ..LINKS
};
const FILE: Capabilities = Capabilities {
    channel: false,
    request: false,
    replies: false,
    sessions: false,
    keeps: true,
    allow_lists: false,
    framing: true,
    because: "a file holds one value, the latest: publish to it, subscribe to it, or ask for the latest; use spool: for messages",
    ..LINKS
};
const JOURNAL: Capabilities = Capabilities {
    channel: false,
    request: false,
    replies: false,
    sessions: false,
    keeps: true,
    durable: true,
    allow_lists: false,
    because: "a journal is written by one publisher and read by subscribers; use spool: with durable=true for requests that survive",
    ..LINKS
};

/// A file has no peers: its framing is how the one value in it is written.
const fn has_peers(can: &Capabilities) -> bool {
    can.channel
}

impl Capabilities {
    /// What is left of them with `framing="lines"`.
    pub const fn with_lines(self) -> Capabilities {
        if !has_peers(&self) {
            return self;
        }
        Capabilities {
            sessions: false,
            because: "lines of JSON have no header and no hello, so nothing is acknowledged or sent again, and nobody can be told what was missed; use Linkspan's own framing",
            ..self
        }
    }

    /// What is left of them with `framing="raw"`.
    pub const fn with_raw_bytes(self) -> Capabilities {
        if !has_peers(&self) {
            return self;
        }
        Capabilities {
            publish: false,
            replies: false,
            because: "raw bytes have no beginning, no end and no number, so nothing can be answered or sent again; use framing=\"lines\", or Linkspan's own framing",
            ..self.with_lines()
        }
    }
}

impl Transport {
    /// What it can do.
    pub const fn capabilities(self) -> &'static Capabilities {
        match self {
            Transport::Shm => &SHM,
            Transport::Unix => &UNIX,
            Transport::Tcp => &TCP,
            Transport::Fifo => &FIFO,
            Transport::Dgram => &DGRAM,
            Transport::Spool => &SPOOL,
            Transport::File => &FILE,
            Transport::Journal => &JOURNAL,
        }
    }

    /// Refuses what this transport cannot do, with the reason: `what` is such as "call" or "the option allow_uids".
    pub fn require(self, can: bool, what: &str) -> Result<()> {
        if can { Ok(()) } else { Err(self.unsupported(what)) }
    }

    /// `Unsupported`, with the reason.
    pub fn unsupported(self, what: &str) -> Error {
        self.unsupported_because(what, self.capabilities().because)
    }

    /// `Unsupported`, with another reason than the transport itself.
    pub fn unsupported_because(self, what: &str, because: &str) -> Error {
        Error::new(ErrorKind::Unsupported, format!("{}: cannot do that: {what}; {because}", self.name()))
    }

    /// For a transport that this build does not have.
    pub fn unavailable(self) -> Error {
        let text = format!("the transport {}: is not in this build", self.name());
        Error::new(ErrorKind::TransportUnavailable, text)
    }
}

impl Endpoint {
    /// Refuses what goes the other way, where there is only one.
    pub(crate) fn check_way(&self, is_its_side: bool, what: &str) -> Result<()> {
        if is_its_side || !self.transport().is_one_way() {
            return Ok(());
        }
        // Every send and every receive passes here: the text is made for a refusal alone.
        self.transport().require(false, &format!("{what} at this end")).map_err(|e| e.on(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_transport_suits_some_pattern_and_says_why_not_the_others() {
        for transport in Transport::ALL {
            let can = transport.capabilities();
            assert!(can.channel || can.request || can.publish, "{transport:?}");
            assert!(can.because.contains("use ") || can.because.contains("publish to it"), "{transport:?}");
            let error = transport.require(false, "the option x").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.text().contains("the option x") && error.text().contains(can.because), "{error}");
        }
    }

    #[test]
    fn the_documents_have_the_table() {
        let rows = Transport::ALL.map(|transport| {
            let can = transport.capabilities();
            let all = [
                can.channel,
                can.request,
                can.publish,
                can.replies,
                can.sessions,
                can.keeps,
                can.durable,
                can.allow_lists,
                can.framing,
                can.cuts,
                can.many_peers,
            ];
            let mut row = [const { String::new() }; 12];
            row[0] = format!("`{}:`", transport.name());
            for (cell, can) in row[1..].iter_mut().zip(all) {
                if can {
                    *cell = "yes".into()
                }
            }
            row
        });
        let head = [
            "transport",
            "channel",
            "request",
            "publish",
            "replies",
            "sessions",
            "keeps",
            "durable",
            "allow lists",
            "framing",
            "cuts",
            "many peers",
        ];
        crate::documents::check("capabilities", &crate::documents::table(head, rows));
    }
}

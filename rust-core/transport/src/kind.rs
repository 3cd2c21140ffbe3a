//! The name of a transport and its capabilities, which an endpoint carries.

use std::fmt;
use std::hash::{Hash, Hasher};

use super::capability::Capabilities;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::socket::Carries;

/// A transport: one element of [`Transport::all`].
#[derive(Clone, Copy)]
pub struct Transport(&'static Kind);

/// The static description of a transport. Each transport's folder has one.
pub struct Kind {
    /// The word before the colon of an endpoint, and a file's extension: lower-case ASCII letters.
    pub name: &'static str,
    /// The allowed form of the text after the colon.
    pub naming: Naming,
    /// The directory of its names.
    pub names: NameDirectory,
    /// The objects that the peers of its sockets may send besides bytes.
    pub carries: Carries,
    /// Its capabilities.
    pub capabilities: Capabilities,
}

/// The allowed form of an endpoint after its colon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// A name in a directory of Linkspan.
    Name,
    /// A name in a directory of Linkspan, or an absolute path.
    NameOrPath,
    /// `//host:port`.
    Address,
}

/// The directory of a transport's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameDirectory {
    /// The runtime directory, whose contents end with the machine's uptime.
    Runtime,
    /// The runtime directory; the state directory with the option `durable`.
    RuntimeOrState,
    /// The state directory, which is on a disk.
    State,
}

impl Transport {
    pub(crate) fn of(kind: &'static Kind) -> Transport {
        Transport(kind)
    }

    /// Returns the word before the colon.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// Returns the capabilities.
    pub fn capabilities(self) -> &'static Capabilities {
        &self.0.capabilities
    }

    /// Returns the allowed form of its endpoints after the colon.
    pub fn naming(self) -> Naming {
        self.0.naming
    }

    /// Returns the objects that the peers of its sockets may send besides bytes.
    pub fn carries(self) -> Carries {
        self.0.carries
    }

    /// Returns the directory of its names.
    pub fn names(self) -> NameDirectory {
        self.0.names
    }
}

impl Transport {
    /// Returns an error if `can` is false.
    ///
    /// `what` names the call or the option: "call", or "the option allow_uids".
    ///
    /// # Errors
    /// `Unsupported`, with the transport's reason.
    pub fn require(self, can: bool, what: &str) -> Result<()> {
        if can { Ok(()) } else { Err(self.unsupported(what)) }
    }

    pub(crate) fn unsupported(self, what: &str) -> Error {
        self.unsupported_because(what, self.capabilities().because)
    }

    /// Makes an `Unsupported` error with a different reason, such as the framing's.
    pub fn unsupported_because(self, what: &str, because: &str) -> Error {
        Error::new(ErrorKind::Unsupported, format!("{}: cannot do that: {what}; {because}", self.name()))
    }

    /// Makes the `TransportUnavailable` error of a transport that this build lacks.
    pub fn unavailable(self) -> Error {
        let text = format!("the transport {}: is not in this build", self.name());
        Error::new(ErrorKind::TransportUnavailable, text)
    }
}

impl PartialEq for Transport {
    fn eq(&self, other: &Transport) -> bool {
        self.0.name == other.0.name
    }
}

impl Eq for Transport {}

impl Hash for Transport {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.name.hash(state);
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name)
    }
}

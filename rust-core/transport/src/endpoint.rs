//! Endpoints: the text with which a program names a peer, and its file.
//!
//! | text | transport | file in the runtime directory |
//! |---|---|---|
//! | `lab/fft` | the first of `table`, shared memory | `lab@fft.shm` |
//! | `unix:lab/fft` | `unix` | `lab@fft.unix` |
//! | `unix:/srv/app.sock` | `unix` | none: the path itself |
//! | `tcp://127.0.0.1:7000` | `tcp` | `127.0.0.1:7000.tcp`, a record for listings |
//!
//! No later layer sees a name with `..`, a NUL or a character that a shell would interpret. A name contains
//! no `@`, so the translation to a file name is reversible.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::kind::{Naming, Transport};
use crate::error::{Error, ErrorKind, Result, quoted};

/// A parsed endpoint: `[transport:]name`, or `tcp://host:port`.
///
/// A name without a transport means `shm:`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    transport: Transport,
    /// The text after the colon; for TCP without the two slashes.
    name: String,
}

/// The most bytes of a name: with the ending it stays below the 255 of a file name.
const MAX_NAME: usize = 200;
/// The most bytes of a segment, the part of a name between two `/`.
const MAX_SEGMENT: usize = 64;

impl Endpoint {
    /// Returns the transport.
    pub fn transport(&self) -> Transport {
        self.transport
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the directory and the file of an absolute path; `None` for a name or an address.
    pub fn absolute(&self) -> Option<(&Path, &str)> {
        let path = Path::new(&self.name);
        if !path.is_absolute() || self.transport.naming() == Naming::Address {
            return None;
        }
        Some((path.parent()?, path.file_name()?.to_str()?))
    }

    /// Returns the host and the port of a TCP endpoint, an IPv6 address without its brackets.
    pub fn host_and_port(&self) -> Option<(&str, u16)> {
        if self.transport.naming() != Naming::Address {
            return None;
        }
        let (host, port) = self.name.rsplit_once(':')?;
        let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        Some((host, port.parse().ok()?))
    }

    pub(crate) fn of_address(transport: Transport, address: std::net::SocketAddr) -> Endpoint {
        Endpoint { transport, name: address.to_string() }
    }

    /// Returns the endpoint of this host with another port: for a listener that asked for port 0.
    pub(crate) fn with_port(&self, port: u16) -> Endpoint {
        let host = self.name.rsplit_once(':').map_or(&*self.name, |(host, _)| host);
        Endpoint { transport: self.transport, name: format!("{host}:{port}") }
    }

    /// Returns its file name in the runtime directory: `lab@fft.shm`.
    pub fn file_name(&self) -> String {
        format!("{}.{}", self.name.replace('/', "@"), self.transport.name())
    }

    /// Returns the endpoint of a file in the runtime directory, if the file is Linkspan's.
    pub fn from_file_name(file: &str) -> Option<Endpoint> {
        let (name, transport) = file.rsplit_once('.')?;
        let transport = Transport::named(transport)?;
        let name = name.replace('@', "/");
        match transport.naming() {
            Naming::Address => check_address(&name).ok()?,
            Naming::Name | Naming::NameOrPath => check_name(&name).ok()?,
        }
        Some(Endpoint { transport, name })
    }
}

impl Endpoint {
    /// Refuses an operation in the wrong direction on a one-way transport.
    ///
    /// `is_its_side` tells whether this side may do it.
    ///
    /// # Errors
    /// `Unsupported`, with the endpoint.
    pub fn check_direction(&self, is_its_side: bool, what: &str) -> Result<()> {
        if is_its_side || !self.transport().capabilities().one_way {
            return Ok(());
        }
        // Every send and receive calls this, so the text is made only for a refusal.
        self.transport().require(false, &format!("{what} at this end")).map_err(|e| e.on(self))
    }
}

fn invalid(text: String) -> Error {
    Error::new(ErrorKind::InvalidEndpoint, text)
}

/// Refuses a name that could not be a file name in a directory.
///
/// # Errors
/// `InvalidEndpoint`, with the fault and the allowed form.
fn check_name(name: &str) -> Result<()> {
    if name.is_empty() {
        return Err(invalid("the name is empty; write one such as lab/temperature".into()));
    }
    if name.len() > MAX_NAME {
        return Err(invalid(format!("the name has {} bytes, {MAX_NAME} are allowed", name.len())));
    }
    for segment in name.split('/') {
        if segment.is_empty() || segment == "." || segment == ".." {
            return Err(invalid(format!(
                "{name} has the segment {segment}; give each 1 to {MAX_SEGMENT} characters, not . or ..",
                name = quoted(name),
                segment = quoted(segment)
            )));
        }
        if segment.len() > MAX_SEGMENT {
            return Err(invalid(format!(
                "a segment of {name} has {} bytes, {MAX_SEGMENT} are allowed",
                segment.len(),
                name = quoted(name)
            )));
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if let Some(bad) = segment.chars().find(|c| !allowed(*c)) {
            return Err(invalid(format!(
                "{name} has the character {bad:?}; letters, digits, . _ - are allowed, and / between segments",
                name = quoted(name)
            )));
        }
    }
    Ok(())
}

/// Refuses anything but a host name, an IPv4 address or an IPv6 address in brackets, with `:NUMBER`.
///
/// # Errors
/// `InvalidEndpoint`.
fn check_address(address: &str) -> Result<()> {
    let wrong = |what: &str| {
        Err(invalid(format!(
            "{address} {what}; write tcp://host:port, with an IPv6 address in brackets",
            address = quoted(address)
        )))
    };
    let Some((host, port)) = address.rsplit_once(':') else { return wrong("has no port") };
    if port.parse::<u16>().is_err() || port.starts_with('+') {
        return wrong("has a port that is not a number from 0 to 65535");
    }
    match host.strip_prefix('[') {
        Some(rest) => match rest.strip_suffix(']').map(str::parse::<std::net::Ipv6Addr>) {
            Some(Ok(_)) => Ok(()),
            _ => wrong("has no IPv6 address in its brackets"),
        },
        None => {
            let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            if (1..=253).contains(&host.len()) && host.chars().all(allowed) {
                Ok(())
            } else {
                wrong("has no host name")
            }
        }
    }
}

impl FromStr for Endpoint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Endpoint> {
        let (transport, name) = match text.split_once(':') {
            None => (Transport::default_transport(), text),
            Some((word, name)) => match Transport::named(word) {
                Some(transport) => (transport, name),
                None => {
                    let known: Vec<_> = Transport::all().map(|t| format!("{}:", t.name())).collect();
                    let known = known.join(" ");
                    return Err(invalid(format!(
                        "no transport is called {word}; there are {known}",
                        word = quoted(word)
                    ))
                    .on(text));
                }
            },
        };
        if transport.naming() == Naming::Address {
            let Some(address) = name.strip_prefix("//") else {
                return Err(invalid(format!(
                    "{text} is not an address; write tcp://host:port",
                    text = quoted(text)
                ))
                .on(text));
            };
            check_address(address).map_err(|e| e.on(text))?;
            return Ok(Endpoint { transport, name: address.to_owned() });
        }
        if transport.naming() == Naming::NameOrPath && name.starts_with('/') {
            let path = PathBuf::from(name);
            if path.file_name().is_none()
                || path.components().any(|c| c.as_os_str() == "..")
                || name.contains('\0')
                || name.len() > 4095
                || name.ends_with('/')
            {
                return Err(
                    invalid(format!("{name} is not the path of a file", name = quoted(name))).on(text)
                );
            }
        } else {
            check_name(name).map_err(|e| e.on(text))?;
        }
        Ok(Endpoint { transport, name: name.to_owned() })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slashes = if self.transport.naming() == Naming::Address { "//" } else { "" };
        write!(f, "{}:{slashes}{}", self.transport.name(), self.name)
    }
}

#[cfg(all(any(test, fuzzing), not(loom)))]
/// Parses any text as an endpoint. A valid endpoint has a single spelling, which parses to an equal one.
pub fn fuzz(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(endpoint) = text.parse::<Endpoint>() {
        let written = endpoint.to_string();
        let again = written.parse::<Endpoint>();
        assert!(again.is_ok_and(|again| again == endpoint), "{text:?} is written as {written:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_their_files() {
        for (text, shown, file) in [
            ("lab/fft", "shm:lab/fft", "lab@fft.shm"),
            ("shm:a", "shm:a", "a.shm"),
            ("unix:a.b/c-d_e", "unix:a.b/c-d_e", "a.b@c-d_e.unix"),
            ("journal:a", "journal:a", "a.journal"),
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!((endpoint.to_string().as_str(), endpoint.file_name().as_str()), (shown, file));
            assert_eq!(Endpoint::from_file_name(file).unwrap(), endpoint);
        }
        let absolute: Endpoint = "unix:/srv/app/x.sock".parse().unwrap();
        assert_eq!(absolute.absolute(), Some((Path::new("/srv/app"), "x.sock")));
    }

    #[test]
    fn refused_endpoints_give_the_reason() {
        for text in [
            "",
            "shm:",
            "a//b",
            "/a",
            "a/",
            "a/../b",
            ".",
            "a b",
            "ä",
            "a@b",
            "bus:x",
            "tcp:x",
            "tcp://x",
            "tcp://:1",
            "tcp://x:65536",
            "tcp://::1:5",
            "tcp://[x]:5",
            "tcp://a/b:5",
            "shm:/abs",
            "unix:/",
            "unix:/a/",
            "unix:/a/..",
            &"x".repeat(65),
            &"x/".repeat(101),
        ] {
            let error = text.parse::<Endpoint>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidEndpoint, "{text:?}");
            assert_eq!(error.endpoint(), Some(text));
        }
        for (text, host, port) in [
            ("tcp://127.0.0.1:1", "127.0.0.1", 1),
            ("tcp://[::1]:80", "::1", 80),
            ("tcp://localhost:0", "localhost", 0),
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!((endpoint.to_string().as_str(), endpoint.host_and_port()), (text, Some((host, port))));
            assert_eq!(Endpoint::from_file_name(&endpoint.file_name()).unwrap(), endpoint);
        }
    }
}

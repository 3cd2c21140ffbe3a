//! Endpoints: what a program writes to name a meeting point, and where that is in the file system.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::error::{Error, ErrorKind, Result, quoted};
use crate::sys::socket::Carries;

/// How frames travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Shared memory; a Unix socket introduces the two sides.
    Shm,
    /// A Unix stream socket.
    Unix,
    /// A Unix datagram socket: many writers, one reader.
    Dgram,
    /// A TCP connection.
    Tcp,
    /// A pair of named pipes.
    Fifo,
    /// A directory of files, one message a file.
    Spool,
    /// One file with the latest value.
    File,
    /// An append-only log on disk.
    Journal,
}

impl Transport {
    /// Every transport of this build.
    pub const ALL: [Transport; 8] = [
        Transport::Shm,
        Transport::Unix,
        Transport::Dgram,
        Transport::Tcp,
        Transport::Fifo,
        Transport::Spool,
        Transport::File,
        Transport::Journal,
    ];

    /// What the peers of its sockets send beside bytes.
    pub(crate) const fn carries(self) -> Carries {
        match self {
            Transport::Shm => Carries::Descriptors,
            _ => Carries::Bytes,
        }
    }

    /// The word in front of the colon.
    pub const fn name(self) -> &'static str {
        match self {
            Transport::Shm => "shm",
            Transport::Unix => "unix",
            Transport::Dgram => "dgram",
            Transport::Tcp => "tcp",
            Transport::Fifo => "fifo",
            Transport::Spool => "spool",
            Transport::File => "file",
            Transport::Journal => "journal",
        }
    }
}

/// A meeting point: `[transport:]name`, or `tcp://host:port`. A bare name means `shm:`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    transport: Transport,
    name: String,
}

/// The longest name.
const MAX_NAME: usize = 200;
/// The longest part of a name between two `/`.
const MAX_SEGMENT: usize = 64;

impl Endpoint {
    /// How frames travel.
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// The directory that an absolute name lies in, and the file there.
    pub(crate) fn absolute(&self) -> Option<(&Path, &str)> {
        let path = Path::new(&self.name);
        if !path.is_absolute() || self.transport == Transport::Tcp {
            return None;
        }
        Some((path.parent()?, path.file_name()?.to_str()?))
    }

    /// Host and port of a TCP endpoint; an IPv6 address without its brackets.
    pub(crate) fn host_and_port(&self) -> Option<(&str, u16)> {
        if self.transport != Transport::Tcp {
            return None;
        }
        let (host, port) = self.name.rsplit_once(':')?;
        let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        Some((host, port.parse().ok()?))
    }

    /// The TCP endpoint of an address, written as its numbers.
    pub(crate) fn of_address(address: std::net::SocketAddr) -> Endpoint {
        Endpoint { transport: Transport::Tcp, name: address.to_string() }
    }

    /// The same host with this port.
    pub(crate) fn with_port(&self, port: u16) -> Endpoint {
        let host = self.name.rsplit_once(':').map_or(&*self.name, |(host, _)| host);
        Endpoint { transport: self.transport, name: format!("{host}:{port}") }
    }

    /// The single file name that stands for it in the runtime directory: `lab@fft.shm`.
    pub(crate) fn file_name(&self) -> String {
        format!("{}.{}", self.name.replace('/', "@"), self.transport.name())
    }

    /// The endpoint that a file in the runtime directory stands for.
    pub(crate) fn from_file_name(file: &str) -> Option<Endpoint> {
        let (name, transport) = file.rsplit_once('.')?;
        let transport = Transport::ALL.into_iter().find(|t| t.name() == transport)?;
        let name = name.replace('@', "/");
        match transport {
            Transport::Tcp => check_address(&name).ok()?,
            _ => check_name(&name).ok()?,
        }
        Some(Endpoint { transport, name })
    }
}

fn invalid(text: String) -> Error {
    Error::new(ErrorKind::InvalidEndpoint, text)
}

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

/// Host and port: a name, an IPv4 address or an IPv6 address in brackets, then a colon and a number.
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
            None => (Transport::Shm, text),
            Some((word, name)) => match Transport::ALL.into_iter().find(|t| t.name() == word) {
                Some(transport) => (transport, name),
                None => {
                    let known = Transport::ALL.map(|t| format!("{}:", t.name())).join(" ");
                    return Err(invalid(format!(
                        "no transport is called {word}; there are {known}",
                        word = quoted(word)
                    ))
                    .on(text));
                }
            },
        };
        if transport == Transport::Tcp {
            let Some(address) = name.strip_prefix("//") else {
                return Err(invalid(format!(
                    "{text} is no address; write tcp://host:port",
                    text = quoted(text)
                ))
                .on(text));
            };
            check_address(address).map_err(|e| e.on(text))?;
            return Ok(Endpoint { transport, name: address.to_owned() });
        }
        if transport != Transport::Shm && name.starts_with('/') {
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
        let slashes = if self.transport == Transport::Tcp { "//" } else { "" };
        write!(f, "{}:{slashes}{}", self.transport.name(), self.name)
    }
}

#[cfg(all(any(test, fuzzing), not(loom)))]
/// Reads any text as an endpoint: one that is written in one way, and read from it again.
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
    fn what_is_refused_says_why() {
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

//! Endpoints: what a program writes to name a meeting point, and where that is in the file system.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::error::{Error, ErrorKind, Result};

/// How frames travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Shared memory; a Unix socket introduces the two sides.
    Shm,
    /// A Unix stream socket.
    Unix,
}

impl Transport {
    /// Every transport of this build.
    pub const ALL: [Transport; 2] = [Transport::Shm, Transport::Unix];

    /// The word in front of the colon.
    pub const fn name(self) -> &'static str {
        match self {
            Transport::Shm => "shm",
            Transport::Unix => "unix",
        }
    }
}

/// A meeting point: `[transport:]name`. A bare name means `shm:`.
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
        if !path.is_absolute() {
            return None;
        }
        Some((path.parent()?, path.file_name()?.to_str()?))
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
        check_name(&name).ok()?;
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
                "{name:?} has the segment {segment:?}; give each 1 to {MAX_SEGMENT} characters, not . or .."
            )));
        }
        if segment.len() > MAX_SEGMENT {
            return Err(invalid(format!(
                "a segment of {name:?} has {} bytes, {MAX_SEGMENT} are allowed",
                segment.len()
            )));
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if let Some(bad) = segment.chars().find(|c| !allowed(*c)) {
            return Err(invalid(format!(
                "{name:?} has the character {bad:?}; letters, digits, . _ - are allowed, and / between segments"
            )));
        }
    }
    Ok(())
}

impl FromStr for Endpoint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Endpoint> {
        let (transport, name) = match text.split_once(':') {
            None => (Transport::Shm, text),
            Some(("shm", name)) => (Transport::Shm, name),
            Some(("unix", name)) => (Transport::Unix, name),
            Some((word @ ("dgram" | "tcp" | "fifo" | "spool" | "file" | "journal"), _)) => {
                let why = format!("the transport {word} is not in this version; there are shm: and unix:");
                return Err(Error::new(ErrorKind::TransportUnavailable, why).on(text));
            }
            Some((word, _)) => {
                return Err(
                    invalid(format!("no transport is called {word:?}; there are shm: and unix:")).on(text)
                );
            }
        };
        if transport == Transport::Unix && name.starts_with('/') {
            let path = PathBuf::from(name);
            if path.file_name().is_none()
                || path.components().any(|c| c.as_os_str() == "..")
                || name.contains('\0')
                || name.len() > 4095
                || name.ends_with('/')
            {
                return Err(invalid(format!("{name:?} is not the path of a socket")).on(text));
            }
        } else {
            check_name(name).map_err(|e| e.on(text))?;
        }
        Ok(Endpoint { transport, name: name.to_owned() })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.transport.name(), self.name)
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
        assert_eq!(
            "tcp://127.0.0.1:1".parse::<Endpoint>().unwrap_err().kind(),
            ErrorKind::TransportUnavailable
        );
    }
}

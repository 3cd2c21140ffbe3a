//! TCP: the token that keeps other users out, and the keys for other machines.

use super::Finding;
#[cfg(feature = "tls")]
use crate::error::ErrorKind;
use crate::sys::directory::Directory;
use crate::transport::tcp::token::{self, Token};

pub fn examine() -> Vec<Finding> {
    let mut findings = Vec::new();
    // What keeps us from the directory as a whole has been told.
    if let Ok(directory) = Directory::runtime() {
        findings.push(token(&directory));
    }
    findings.extend(keys());
    findings
}

fn token(directory: &Directory) -> Finding {
    let path = directory.path().join(token::NAME);
    match Token::read(directory) {
        Ok(Some(_)) => Finding::fine(format!("{} is the token of TCP on this machine", path.display())),
        Ok(None) => {
            Finding::fine(format!("{} is missing; the first who uses TCP makes the token", path.display()))
        }
        Err(e) => Finding::problem(
            format!("TCP on this machine has no token that can be used: {}", e.text()),
            "remove the file as its owner, and the next who uses TCP makes another",
        ),
    }
}

#[cfg(feature = "tls")]
fn keys() -> Vec<Finding> {
    let examined = || -> crate::Result<Finding> {
        let keyring = crate::keys::Keyring::new()?;
        let (own, trusted) = (keyring.own()?, keyring.trusted()?);
        let place = keyring.directory().display();
        Ok(match own {
            None => {
                Finding::fine(format!("there are no keys in {place}: TCP does not go beyond this machine"))
            }
            Some(_) if trusted.is_empty() => Finding::note(
                format!("there is a key in {place}, and no other is trusted"),
                "trust the other machine's: `linkspan keys trust NAME KEY`, with what `linkspan keys show` prints there",
            ),
            Some(own) => {
                let names: Vec<_> = trusted.into_iter().map(|(name, _)| name).collect();
                Finding::fine(format!("our key is {own}; trusted are {}", names.join(", ")))
            }
        })
    };
    vec![examined().unwrap_or_else(|e| {
        let what = format!("TCP does not go beyond this machine: {}", e.text());
        let remedy = "see the directory of the keys: LINKSPAN_KEYS, or ~/.config/linkspan/keys";
        // Keys that this user may not use are as good as none, which is nothing wrong by itself.
        if e.kind() == ErrorKind::PermissionDenied {
            Finding::note(what, remedy)
        } else {
            Finding::problem(what, remedy)
        }
    })]
}

#[cfg(not(feature = "tls"))]
fn keys() -> Vec<Finding> {
    let what = "this build has no TLS: TCP does not go beyond this machine";
    vec![Finding::note(what, "where it should, build with the feature tls")]
}

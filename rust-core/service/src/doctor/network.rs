//! TCP: the token that keeps other users of this machine out, and the keys of other machines.
//!
//! The programs of one user authenticate with a token, a file in the runtime directory; other
//! machines with TLS and exchanged keys. Only TCP needs them, so a missing one is not a problem.

use super::finding::Finding;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::directory::Directory;
use crate::sys::environment;
use crate::transport::driver::MachineKeys;
use crate::transport::table;

pub fn examine() -> Vec<Finding> {
    let mut findings = Vec::new();
    // `directories` has reported why the directory cannot be used.
    if let Ok(Some(directory)) = Directory::find_runtime() {
        findings.extend(
            table::drivers().filter_map(|driver| driver.token(&directory)).map(|t| token(&directory, t)),
        );
    }
    findings.push(keys());
    findings
}

fn token(directory: &Directory, (name, is_there): (&str, Result<bool>)) -> Finding {
    let path = directory.path().join(name);
    match is_there {
        Ok(true) => Finding::fine(format!("{} is the token of TCP on this machine", path.display())),
        Ok(false) => {
            Finding::fine(format!("{} is missing; the first who uses TCP makes the token", path.display()))
        }
        Err(e) => Finding::problem(
            format!("TCP on this machine has no token that can be used: {}", e.text()),
            "remove the file as its owner, and the next who uses TCP makes another",
        ),
    }
}

fn keys() -> Finding {
    let Some(read) = table::drivers().find_map(|driver| driver.keys()) else {
        let what = "this build has no TLS: TCP does not go beyond this machine";
        return Finding::note(what, "where it should, build with the feature tls");
    };
    read.map_or_else(unread, |keys| known(&keys))
}

fn known(keys: &MachineKeys) -> Finding {
    let place = keys.directory.display();
    match &keys.own {
        None => Finding::fine(format!("there are no keys in {place}: TCP does not go beyond this machine")),
        Some(_) if keys.trusted.is_empty() => Finding::note(
            format!("there is a key in {place}, and no other is trusted"),
            "trust the other machine's: `linkspan keys trust NAME KEY`, with what `linkspan keys show` prints there",
        ),
        Some(own) => Finding::fine(format!("our key is {own}; trusted are {}", keys.trusted.join(", "))),
    }
}

fn unread(error: Error) -> Finding {
    let what = format!("TCP does not go beyond this machine: {}", error.text());
    let remedy = environment::advice(
        "see the directory of the keys: LINKSPAN_KEYS, or ~/.config/linkspan/keys",
        "let a program without more rights than its caller do it",
    );
    // Keys that this user may not read are like missing keys, which is not a problem.
    if error.kind() == ErrorKind::PermissionDenied {
        Finding::note(what, remedy)
    } else {
        Finding::problem(what, remedy)
    }
}

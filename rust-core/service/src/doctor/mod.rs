//! Finds out why two programs cannot connect: examines this machine, this user and the runtime directory.
//!
//! | what | lives in |
//! |---|---|
//! | what an examination returns | `finding` |
//! | the runtime directory, and those that others use | `directories` |
//! | one name: who has it, what lies there | `name` |
//! | the names in it: stale files, listings, schema mismatches | `names` |
//! | TCP: the token, the keys | `network` |
//! | owners and modes that keep programs apart, and their repair | `repair` |
//! | the bridge to other machines; the gateway for browsers | `bridge`; `gateway` |
//! | the kernel's features and limits | `kernel` |
//! | a directory for several users | `setup` |
//!
//! `linkspan doctor` prints what [`examine`] returns. Each part tries the system calls that the transports
//! use rather than comparing versions, so that a sandbox which forbids one of them is found. An examination
//! never fails as a whole: what cannot be examined is a finding of its own.

mod bridge;
mod directories;
mod finding;
mod gateway;
mod kernel;
mod name;
mod names;
mod network;
mod repair;
mod setup;

pub use finding::{Finding, Severity};
pub use repair::repair;
pub use setup::setup;

use crate::frame;

/// Examines one name: who has it, and why a program of this user cannot listen or connect there.
pub fn examine_name(endpoint: &str) -> Vec<Finding> {
    name::examine(endpoint)
}

/// Examines everything that decides whether two programs on this machine can connect. Removes stale files of
/// dead processes, and changes nothing else. May take seconds: it queries every open name, and connects to
/// the addresses that a bridge here does not reach.
pub fn examine() -> Vec<Finding> {
    let versions = format!("linkspan {}, protocol version {}", env!("CARGO_PKG_VERSION"), frame::VERSION);
    let mut findings = vec![Finding::fine(versions)];
    findings.extend(directories::examine());
    findings.extend(repair::examine());
    findings.extend(names::examine());
    findings.extend(network::examine());
    findings.extend(bridge::examine());
    findings.extend(gateway::examine());
    findings.extend(kernel::examine());
    findings
}

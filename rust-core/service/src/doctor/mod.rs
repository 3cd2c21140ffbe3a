//! Finds out why two programs cannot connect: examines this machine, this user and the runtime directory.
//!
//! | what | lives in |
//! |---|---|
//! | what an examination returns | `finding` |
//! | the runtime directory, the state directory, and those that others use | `directories` |
//! | one name: who has it, what lies there | `name` |
//! | the names in it: stale files, listings, schema mismatches | `names` |
//! | TCP: the token, the keys | `network` |
//! | owners and modes that keep programs apart, and their repair | `repair` |
//! | the bridge to other machines; the gateway for browsers | `bridge`; `gateway` |
//! | the kernel's features and limits | `kernel` |
//! | what to do about an error of the kernel | `remedy` |
//! | a directory for several users | `setup` |
//!
//! `linkspan doctor` prints what [`examine`] returns. Each part tries the system calls that the transports
//! use rather than comparing versions, so that a sandbox which forbids one of them is found. An examination
//! never fails as a whole: what cannot be examined is a finding of its own. An examination makes, changes and removes
//! no file; [`repair`] does.

mod bridge;
mod directories;
mod finding;
mod gateway;
mod kernel;
mod name;
mod names;
mod network;
mod remedy;
mod repair;
mod setup;

pub use finding::{Finding, Severity};
pub use repair::repair;
pub use setup::{setup, undo as undo_setup};

use std::cmp::Reverse;

use crate::frame;

/// Examines one name: who serves it, or why no program of this user can listen or connect there.
pub fn examine_name(endpoint: &str) -> Vec<Finding> {
    name::examine(endpoint)
}

/// Examines everything that decides whether two programs on this machine can connect, and changes nothing.
///
/// Returns the problems first, then the notes. May take seconds: it queries every open name, and connects to the
/// addresses that a bridge here does not reach.
pub fn examine() -> Vec<Finding> {
    let versions = format!("linkspan {}, protocol version {}", env!("CARGO_PKG_VERSION"), frame::VERSION);
    let mut findings = vec![Finding::fine(versions)];
    findings.extend(directories::examine());
    findings.extend(repair::examine());
    let (of_names, listed) = names::examine();
    findings.extend(of_names);
    findings.extend(network::examine());
    findings.extend(bridge::examine(&listed));
    findings.extend(gateway::examine(&listed));
    findings.extend(kernel::examine());
    // The first line answers whether something is wrong.
    findings.sort_by_key(|finding| Reverse(finding.severity));
    if findings.first().is_none_or(|worst| worst.severity < Severity::Problem) {
        findings.insert(
            0,
            Finding::fine("nothing is found here that keeps programs of this user from connecting"),
        );
    }
    findings
}

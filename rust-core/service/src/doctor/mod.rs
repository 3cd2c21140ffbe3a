//! Finds out why two programs cannot connect: examines machine, user and runtime directory.
//!
//! | what | lives in |
//! |---|---|
//! | the result of an examination | `finding` |
//! | the runtime and state directories of this user and of others | `directories` |
//! | one name: its holder and its files | `name` |
//! | the names in it: stale files, listings, schema mismatches | `names` |
//! | TCP: the token, the keys | `network` |
//! | owners and modes that keep programs apart, and their repair | `repair` |
//! | the bridge to other machines; the gateway for browsers | `bridge`; `gateway` |
//! | the kernel's features and limits | `kernel` |
//! | remedies for errors of the kernel | `remedy` |
//! | a directory for several users | `setup` |
//!
//! `linkspan doctor` prints the findings of [`examine`]. An examination never fails as a whole: a part that cannot be
//! examined is a finding. Only [`repair`] creates, changes and removes files.

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

/// Examines one name: its holder, or why no program of this user can listen or connect there.
pub fn examine_name(endpoint: &str) -> Vec<Finding> {
    name::examine(endpoint)
}

/// Examines the conditions for connections between programs on this machine, and changes nothing.
///
/// Returns the problems first, then the notes. May take seconds, because it queries every open name.
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
    findings.sort_by_key(|finding| Reverse(finding.severity));
    if findings.first().is_none_or(|worst| worst.severity < Severity::Problem) {
        findings.insert(
            0,
            Finding::fine("nothing is found here that keeps programs of this user from connecting"),
        );
    }
    findings
}

//! One name: who has it, what lies there, and which open names are like it.

use super::finding::Finding;
use super::names;
use crate::engine::service_side::open_names;
use crate::registry::{self, Listed};
use crate::sys::{environment, user};
use crate::transport::endpoint::Endpoint;
use crate::transport::kind::Naming;
use crate::transport::place::Place;

/// Examines the name of an endpoint.
pub fn examine(endpoint: &str) -> Vec<Finding> {
    let parsed: Endpoint = match endpoint.parse() {
        Ok(parsed) => parsed,
        Err(e) => {
            return vec![Finding::problem(
                format!("no program can have that name: {}", e.text()),
                "choose another one",
            )];
        }
    };
    if parsed.transport().naming() == Naming::Address {
        let what = format!("{parsed} is an address, and no name of this machine's directory");
        return vec![Finding::note(what, "`ss -ltnp` shows the process that listens at its port")];
    }
    let listed = match registry::list() {
        Ok(listed) => listed,
        Err(e) => {
            let what = format!("names cannot be listed: {e}");
            return vec![Finding::problem(what, "see the directory's owner and mode: `linkspan doctor`")];
        }
    };
    let shown = parsed.to_string();
    match listed.iter().find(|listed| listed.endpoint == shown) {
        Some(listed) => held(listed),
        None => free(&parsed),
    }
}

/// The findings about a name that is in use.
fn held(listed: &Listed) -> Vec<Finding> {
    let Listed { endpoint, pid, program, user, pattern, .. } = listed;
    let mut findings = Vec::new();
    if listed.live {
        let program = program.as_deref().unwrap_or("a program");
        let of_user = user.as_ref().map(|user| format!(" of user {user}")).unwrap_or_default();
        let serves = pattern.map(|pattern| format!(", as {pattern}")).unwrap_or_default();
        let (holder, end) = match pid {
            Some(pid) => (format!("process {pid}"), format!("end it (kill {pid})")),
            // Its number there is that of another process here.
            None => (
                "a process whose number is not known here, as of one in another container".to_owned(),
                "end it where it runs".to_owned(),
            ),
        };
        let what = format!(
            "{endpoint} is held by {holder} ({program}){of_user}{serves}: no other program can listen or publish there"
        );
        let mut remedy = format!("{end}, or choose another name");
        if can_be_replaced(listed) {
            remedy += "; inside that program a publisher with the option replace takes the name over";
        }
        findings.push(Finding::problem(what, remedy));
    } else if listed.problem.is_none() {
        findings.push(Finding::fine(format!("{endpoint} exists, and no process has it: messages are kept there, and the next program goes on with it")));
    }
    findings.extend(names::problem(listed));
    findings.extend(names::mismatch(listed));
    findings
}

/// Whether a publisher has the name that another one of its process can take over: one that subscribers connect to,
/// which those of a store do not.
fn can_be_replaced(listed: &Listed) -> bool {
    let transport = || Some(listed.endpoint.parse::<Endpoint>().ok()?.transport());
    listed.pattern == Some("publish") && transport().is_some_and(|transport| !transport.capabilities().store)
}

/// The findings about a name that no process has.
fn free(endpoint: &Endpoint) -> Vec<Finding> {
    let mut findings = Vec::new();
    match Place::of(endpoint).and_then(|place| {
        let facts = place.directory.beneath().facts(&place.file)?;
        Ok(facts.map(|facts| (place, facts)))
    }) {
        Err(e) => {
            let what = format!("{endpoint} cannot be had: {}", e.text());
            return vec![Finding::problem(what, "see the directory's owner and mode: `linkspan doctor`")];
        }
        Ok(Some((place, facts))) if facts.st_uid != rustix::process::geteuid().as_raw() => {
            let owner = user::name_of_user(facts.st_uid).unwrap_or_else(|| facts.st_uid.to_string());
            let what = format!(
                "{endpoint} cannot be had: a file of user {owner} lies at {}, and another user's files are not taken over",
                place.path().display()
            );
            findings.push(Finding::problem(what, "have that user, or root, remove it"));
        }
        Ok(_) => findings.push(Finding::fine(format!(
            "{endpoint} is free: no process has it, and this user's programs may listen there"
        ))),
    }
    let (near, _) = open_names::nearest_open(endpoint);
    if !near.is_empty() {
        let what = format!(
            "a program that connects to {endpoint} finds nobody; open names like it are {}",
            near.join(", ")
        );
        findings.push(Finding::note(
            what,
            environment::advice(
                "see that both programs use the same name and the same directory (LINKSPAN_DIR)",
                "see that both programs use the same name and this directory",
            ),
        ));
    }
    findings
}

//! The bridge to other machines: reached machines, certificate, clocks, and names that it omits.
//!
//! A bridge publishes its state at `bridge/status` or a configured name; without it nothing is
//! reported.

use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use super::finding::Finding;
use super::names;
use crate::registry::{BRIDGE_STATUS, Listed};
use crate::value::{Timestamp, Value};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const MAX_CLOCK_DIFFERENCE: f64 = 1.0;
const EXPIRY_NOTICE_DAYS: i64 = 30;
const MAX_NAMES: usize = 5;

pub fn examine(listed: &[Listed]) -> Vec<Finding> {
    let Some(state) = names::published(listed, BRIDGE_STATUS) else { return Vec::new() };
    let mut findings = reached(&state);
    findings.extend(examine_certificate(&state, Timestamp::now()));
    findings.extend(clocks(&state));
    findings.extend(refused(&state));
    findings.extend(unexported(&state, listed));
    findings
}

fn texts(state: &Value, key: &str) -> Vec<String> {
    let list = state.at(key).ok().and_then(|list| list.as_array().ok()).unwrap_or_default();
    list.iter().filter_map(|text| text.as_text().ok()).map(str::to_owned).collect()
}

fn entries<'a>(state: &'a Value, key: &str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    let map = state.at(key).ok().and_then(|map| map.as_map().ok());
    map.into_iter().flat_map(|map| map.iter().map(|(name, value)| (&**name, value)))
}

fn reached(state: &Value) -> Vec<Finding> {
    let (bridges, connect, listen) =
        (texts(state, "bridges"), texts(state, "connect"), texts(state, "listen"));
    if !bridges.is_empty() {
        return vec![Finding::fine(format!("the bridge here reaches {}", bridges.join(", ")))];
    }
    let unreached = |address: &String| match connected(address) {
        Err(why) if address.contains("://") => Finding::problem(
            format!("the NATS server at {address} is not reached: {why}"),
            "start it there, and have the firewalls between let the port through",
        ),
        Ok(()) if address.contains("://") => Finding::note(
            format!("{address} accepts connections, and no other bridge of our realm is known there"),
            "start one on another machine with the same --server and --realm; where the server refuses this one, the bridge's log says so",
        ),
        Err(why) => Finding::problem(
            format!("the bridge at {address} is not reached: {why}"),
            "start the bridge there with --listen at this address, and have the firewalls between let the port through",
        ),
        Ok(()) => Finding::problem(
            format!(
                "{address} accepts connections, and no bridge of our realm that trusts us is known there"
            ),
            if address.starts_with("tls/") {
                "see `linkspan bridge keys list` for certificates that are revoked or expired, that both are of one authority, and that each side names the other in [machines]"
            } else {
                "see that a bridge listens there without --tls, and that both have the same --realm"
            },
        ),
    };
    let mut findings: Vec<_> = connect.iter().take(MAX_NAMES).map(unreached).collect();
    if connect.is_empty() && !listen.is_empty() {
        let what = format!("no other bridge has connected to {}", listen.join(", "));
        findings.push(Finding::note(what, "start one there with --peer and an address of this machine; with --tls, each side names the other in [machines]"));
    }
    findings
}

fn connected(address: &str) -> Result<(), String> {
    let place = address.split_once('/').map_or(address, |(_, place)| place.trim_start_matches('/'));
    let mut why = "the name has no address".to_owned();
    for place in place.to_socket_addrs().map_err(|e| e.to_string())? {
        match TcpStream::connect_timeout(&place, CONNECT_TIMEOUT) {
            Ok(_) => return Ok(()),
            Err(e) => why = e.to_string(),
        }
    }
    Err(why)
}

fn examine_certificate(state: &Value, now: Timestamp) -> Option<Finding> {
    let certificate = state.at("certificate").ok()?;
    let name = certificate.at("name").ok()?.as_text().ok()?;
    let expires = certificate.at("expires").ok()?.as_timestamp().ok()?;
    let days = expires.0.saturating_sub(now.0) / 86_400_000_000_000;
    let remedy = "make the next one with `linkspan bridge keys issue` where the authority is, and start the bridge with its folder";
    Some(match () {
        () if expires.0 <= now.0 => Finding::problem(
            format!("the bridge's certificate {name} expired at {expires}: no machine accepts it"),
            remedy,
        ),
        () if days < EXPIRY_NOTICE_DAYS => Finding::note(
            format!("the bridge's certificate {name} expires at {expires}, in {days} days"),
            remedy,
        ),
        () => Finding::fine(format!("the bridge's certificate {name} counts until {expires}")),
    })
}

fn clocks(state: &Value) -> Vec<Finding> {
    let ahead = entries(state, "ahead").filter_map(|(machine, by)| Some((machine, by.as_f64().ok()?)));
    let finding = |(machine, by): (&str, f64)| {
        let what = format!("the clock of {machine} is {by:.1} s ahead of the clock here");
        Finding::problem(what, "set the clocks of both by NTP, such as with chrony or systemd-timesyncd")
    };
    ahead.filter(|(_, by)| *by > MAX_CLOCK_DIFFERENCE).map(finding).collect()
}

fn refused(state: &Value) -> Vec<Finding> {
    let finding = |(name, why): (&str, &Value)| {
        let what =
            format!("the bridge does not carry {name}: {}", why.as_text().unwrap_or("no reason is given"));
        Finding::problem(what, "have one machine give the name up, or leave it out of --import and --export")
    };
    entries(state, "refused").take(MAX_NAMES).map(finding).collect()
}

/// Returns a finding about publishers and servers of this machine that other machines do not see.
fn unexported(state: &Value, listed: &[Listed]) -> Option<Finding> {
    let exported = texts(state, "exported");
    let bare = |one: &Listed| one.endpoint.split_once(':').map(|(_, name)| name.to_owned());
    let is_carried = |one: &&Listed| {
        matches!(one.pattern, Some("publish" | "request"))
            && matches!(one.endpoint.split(':').next(), Some("shm" | "unix"))
    };
    let mut names: Vec<_> =
        listed.iter().filter(is_carried).filter(|one| one.machine.is_none()).filter_map(bare).collect();
    names.retain(|name| !exported.contains(name) && name != BRIDGE_STATUS && !name.starts_with('/'));
    names.sort();
    names.dedup();
    let first = names.first()?;
    let remedy =
        format!("where other machines are to have them, say so: --export '{first}', or a pattern for more");
    let more = names.len().saturating_sub(MAX_NAMES);
    names.truncate(MAX_NAMES);
    let and = if more > 0 { format!(" and {more} more") } else { String::new() };
    Some(Finding::note(format!("the bridge does not export {}{and}", names.join(", ")), remedy))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Severity;

    #[test]
    fn certificate_expiry_is_a_note_then_a_problem() {
        let day = 86_400_000_000_000;
        let at = |days: i64| {
            let certificate = Value::map([
                ("name", Value::from("north.1")),
                ("expires", Value::Timestamp(Timestamp(days * day))),
            ]);
            certificate_of(&Value::map([("certificate", certificate)]))
        };
        assert_eq!([at(-1), at(29), at(31)], [Severity::Problem, Severity::Note, Severity::Fine]);
    }

    fn certificate_of(state: &Value) -> Severity {
        examine_certificate(state, Timestamp(0)).unwrap().severity
    }

    #[test]
    fn clock_difference_is_a_problem() {
        let state = Value::map([("ahead", Value::map([("north", 0.2), ("west", 3.0)]))]);
        let findings = clocks(&state);
        assert!(findings.len() == 1 && findings[0].what.contains("west is 3.0 s ahead"), "{findings:?}");
    }

    #[test]
    fn address_without_listener_is_a_problem() {
        let state = Value::map([("connect", Value::from(vec!["tls/127.0.0.1:1".to_owned()]))]);
        let findings = reached(&state);
        assert!(
            findings.len() == 1 && findings[0].what.contains("is not reached: Connection refused"),
            "{findings:?}"
        );
    }
}

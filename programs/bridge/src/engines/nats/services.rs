//! Discovers NATS services of programs without Linkspan.
//!
//! A service with an endpoint at the subject of a server's requests is imported under that server's name. Services
//! are queried periodically; a service that misses several queries is gone.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use async_nats::Client;
use bytes::Bytes;
use futures_util::StreamExt;
use linkspan::{Encoding, Value, codec};
use tokio::time::{sleep, timeout_at};

use super::presence_event::PresenceEvent;
use super::shared::Shared;
use super::subjects::Subjects;
use crate::config;
use crate::engine::{Pattern, Presence};

/// NATS services answer on this subject with their names and subjects.
const INFO: &str = "$SRV.INFO";
const EVERY: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_millis(500);
/// Consecutive queries that a service may leave unanswered.
const MISSED: u32 = 2;
const SERVICES: usize = 10_000;

pub async fn watch(shared: Arc<Shared>) {
    let mut known: HashMap<Presence, u32> = HashMap::new();
    loop {
        let there = ask(&shared.client, &shared.subjects).await.unwrap_or_default();
        known.values_mut().for_each(|missed| *missed = missed.saturating_add(1));
        known.extend(there.into_iter().map(|presence| (presence, 0)));
        let before = known.len();
        known.retain(|_, missed| *missed <= MISSED);
        let is_new = |missed: &u32| *missed == 0;
        if before != known.len() || known.values().any(is_new) {
            // Fails only if the engine has ended.
            let _ = shared.presence_events.send(PresenceEvent::Services(known.keys().cloned().collect()));
        }
        sleep(EVERY).await;
    }
}

/// Returns the services whose server endpoints answer in time; empty without a connection.
async fn ask(client: &Client, subjects: &Subjects) -> Option<HashSet<Presence>> {
    let mut there = HashSet::new();
    if client.connection_state() != async_nats::connection::State::Connected {
        return Some(there);
    }
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(inbox.clone()).await.ok()?;
    client.publish_with_reply(INFO, inbox, Bytes::new()).await.ok()?;
    let until = tokio::time::Instant::now().checked_add(PATIENCE)?;
    while let Ok(Some(answer)) = timeout_at(until, answers.next()).await {
        // The server reports that no service exists.
        if answer.status.is_some() || there.len() >= SERVICES {
            break;
        }
        there.extend(presences(&answer.payload, subjects).into_iter().flatten());
    }
    Some(there)
}

fn presences(answer: &[u8], subjects: &Subjects) -> Option<Vec<Presence>> {
    let map = codec::decode(answer, Encoding::Json).ok()?;
    // The service's id replaces an incarnation.
    let mut hasher = DefaultHasher::new();
    map.at("id").ok()?.as_text().ok()?.hash(&mut hasher);
    let incarnation = hasher.finish() | 1;
    let name = |endpoint: &Value| subjects.requested(endpoint.at("subject").ok()?.as_text().ok()?);
    let names = map.at("endpoints").ok()?.as_array().ok()?.iter().filter_map(name);
    let machine = config::Engine::Nats.name();
    let presence =
        |name| Presence { name, pattern: Pattern::Request, machine: machine.to_owned(), incarnation };
    Some(names.map(presence).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_those_at_subjects_of_servers() {
        let subjects = Subjects::new("default");
        let answer = br#"{"name":"echo","id":"X1","version":"1.0.0","type":"io.nats.micro.v1.info_response","endpoints":[
            {"name":"a","subject":"linkspan.default.request.lab.echo"},{"name":"b","subject":"other.echo"},
            {"name":"c","subject":"linkspan.default.request.>"}]}"#;
        let found = presences(answer, &subjects).unwrap();
        let names: Vec<_> = found.iter().map(|it| (&*it.name, &*it.machine, it.pattern)).collect();
        assert_eq!(names, [("lab/echo", "nats", Pattern::Request)]);
        assert_ne!(found[0].incarnation, 0);
        assert!(presences(b"{}", &subjects).is_none() && presences(b"\xff", &subjects).is_none());
    }
}

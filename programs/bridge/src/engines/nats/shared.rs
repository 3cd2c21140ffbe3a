//! The state that all tasks of the engine share.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_nats::{Client, HeaderMap};
use bytes::Bytes;
use linkspan::{Encoding, ErrorKind, Value, codec};
use tokio::sync::{Notify, mpsc};

use super::bucket::Bucket;
use super::names::{List, Version};
use super::outgoing::{Outbound, Outgoing};
use super::presence_event::PresenceEvent;
use super::requests::Requests;
use super::subjects::Subjects;
use crate::engine::{Arrival, Body, Presence, Reply, failure};
use crate::inbox::Inbox;

/// The most bytes of headers that a server counts as part of a message.
const HEADERS: usize = 1024;

/// The state that all tasks of the engine share.
pub struct Shared {
    /// The connection to the server.
    pub client: Client,
    /// The subjects of the realm.
    pub subjects: Subjects,
    /// Where everything that arrives is put.
    pub inbox: Inbox,
    /// The name of this machine.
    pub machine: String,
    /// The number of this bridge's incarnation.
    pub id: u64,
    /// The queue of operations on the server.
    pub outgoing: Outgoing,
    /// The names of this bridge, as other bridges read them.
    pub list: Mutex<List>,
    /// Notified when the list has changed.
    pub changed: Notify,
    /// Events for the presence task.
    pub presence_events: mpsc::UnboundedSender<PresenceEvent>,
    /// The pending requests.
    pub requests: Requests,
    /// The messages for the key-value bucket, if one is configured.
    pub bucket: Option<Bucket>,
}

impl Shared {
    /// Queues an answer, if the request has a subject for one.
    pub fn answer(&self, to: Option<&str>, headers: HeaderMap, payload: Bytes) {
        if let Some(to) = to {
            self.outgoing.urgent(Outbound { subject: to.to_owned(), headers, payload });
        }
    }

    /// Returns how many bytes a value may have to pass the server.
    pub fn longest(&self) -> usize {
        self.client.max_payload().saturating_sub(HEADERS)
    }

    /// Returns why a value of this size does not pass the server, or `None` if it does.
    pub fn surplus(&self, size: usize) -> Option<String> {
        let most = self.client.max_payload();
        (size.saturating_add(HEADERS) > most).then(|| {
            format!(
                "it has {size} bytes, and the NATS server lets {most} through, headers included: raise its max_payload"
            )
        })
    }

    /// Returns the body, or a failure if it does not pass the server.
    pub fn fitting(&self, body: Body) -> Reply {
        match self.surplus(body.bytes.len()) {
            Some(why) => Err(failure(ErrorKind::TooLarge.name(), &why)),
            None => Ok(body),
        }
    }

    /// Returns the list that other bridges read.
    pub fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes a heartbeat, with one more field.
    pub async fn send_heartbeat(&self, version: Version, more: Option<(&'static str, bool)>) {
        if self.client.connection_state() != async_nats::connection::State::Connected {
            return;
        }
        let fields = [("machine", Value::from(self.machine.as_str())), ("bridge", self.id.into())];
        let more = more.into_iter().map(|(key, is)| (key, Value::from(is)));
        let map = Value::map(fields.into_iter().chain(version.fields()).chain(more));
        let bytes = codec::encode(&map, Encoding::Cbor).unwrap_or_default();
        // A lost heartbeat is followed by the next one.
        let _ = self.client.publish(self.subjects.presence(), Bytes::from(bytes)).await;
    }

    /// Reports names that have appeared.
    pub fn appeared(&self, names: Vec<Presence>) {
        names.into_iter().for_each(|name| self.inbox.push(Arrival::Appeared(name)));
    }
}

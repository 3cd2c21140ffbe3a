//! Newest messages of exported publishers in a key-value bucket of JetStream, for programs that know NATS alone.
//!
//! Bridges ask each other instead: a bucket is written after the message has gone, so it says nothing of which one a subscriber missed.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use async_nats::HeaderMap;
use async_nats::jetstream::Context;
use bytes::Bytes;
use tokio::sync::Notify;

use super::subjects::escaped;

/// What a key-value bucket takes for a deletion.
const OPERATION: &str = "KV-Operation";
const DELETE: &str = "DEL";

/// What is to be written: of each name the newest alone.
pub struct Bucket {
    pub name: String,
    waiting: Mutex<HashMap<String, (HeaderMap, Bytes)>>,
    /// Notified when there is something to write.
    pub filled: Notify,
}

impl Bucket {
    /// The one of this name.
    pub fn new(name: String) -> Bucket {
        Bucket { name, waiting: Mutex::default(), filled: Notify::new() }
    }

    /// Has a message written, in place of one that was not yet.
    pub fn put(&self, name: &str, headers: HeaderMap, payload: Bytes) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.insert(name.to_owned(), (headers, payload));
        drop(waiting);
        self.filled.notify_one();
    }

    /// Has the message of a name deleted.
    pub fn delete(&self, name: &str) {
        let mut headers = HeaderMap::new();
        headers.insert(OPERATION, DELETE);
        self.put(name, headers, Bytes::new());
    }

    /// Takes out a message that is to be written.
    pub fn next(&self) -> Option<(String, (HeaderMap, Bytes))> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let name = waiting.keys().next()?.clone();
        waiting.remove_entry(&name)
    }

    /// Gives back what was not written, unless there is a newer one.
    pub fn again(&self, name: String, message: (HeaderMap, Bytes)) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_insert(message);
    }

    /// Writes a message; the error is why it was not written.
    pub async fn write(
        &self,
        context: &Context,
        name: &str,
        (headers, payload): (HeaderMap, Bytes),
    ) -> Result<(), String> {
        let subject = format!("$KV.{}.{}", self.name, escaped(name));
        let sent = context.publish_with_headers(subject, headers, payload).await;
        sent.map_err(|e| e.to_string())?.await.map(|_| ()).map_err(|e| e.to_string())
    }
}

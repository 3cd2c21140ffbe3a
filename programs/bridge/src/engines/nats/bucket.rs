//! Newest messages in a key-value bucket of JetStream, for programs without Linkspan.
//!
//! Bridges query each other instead. The bucket is written after publication, so it does not show which message a
//! subscriber missed.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use async_nats::HeaderMap;
use async_nats::jetstream::Context;
use bytes::Bytes;
use tokio::sync::Notify;

use super::subjects::escaped;

/// The header and value that mark a deletion in a key-value bucket.
const OPERATION: &str = "KV-Operation";
const DELETE: &str = "DEL";

/// The newest unwritten message of each name.
pub struct Bucket {
    pub name: String,
    /// One message per name bounds the memory of a slow server.
    waiting: Mutex<HashMap<String, (HeaderMap, Bytes)>>,
    pub filled: Notify,
}

impl Bucket {
    pub fn new(name: String) -> Bucket {
        Bucket { name, waiting: Mutex::default(), filled: Notify::new() }
    }

    /// Queues a message. It replaces an unwritten message of this name.
    pub fn put(&self, name: &str, headers: HeaderMap, payload: Bytes) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.insert(name.to_owned(), (headers, payload));
        drop(waiting);
        self.filled.notify_one();
    }

    pub fn delete(&self, name: &str) {
        let mut headers = HeaderMap::new();
        headers.insert(OPERATION, DELETE);
        self.put(name, headers, Bytes::new());
    }

    pub fn next(&self) -> Option<(String, (HeaderMap, Bytes))> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let name = waiting.keys().next()?.clone();
        waiting.remove_entry(&name)
    }

    /// Queues an unwritten message again, if no newer message of the name waits.
    pub fn again(&self, name: String, message: (HeaderMap, Bytes)) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_insert(message);
    }

    /// Writes a message and waits for the server's acknowledgement. The error is the client's text.
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

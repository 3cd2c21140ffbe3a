//! Objects that outlive the call that made them, for programs that start anew with every request, such as
//! PHP-FPM's workers.
//!
//! A worker process handles many requests, and each would have to connect. So the process keeps its
//! connections here, by thread, endpoint and options; nothing closes them but the end of the process, or an
//! object that is found unusable.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::ThreadId;

use super::ends::Channel;
use super::options::Options;
use crate::deadline::Wait;
use crate::error::Result;
use crate::sys::fork;

/// The properties that a call must share with the call that made the object. A forked worker makes its own
/// objects.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    generation: u64,
    thread: ThreadId,
    endpoint: String,
    options: String,
}

/// The persistent objects of one type, for a `static`.
pub struct PersistentObjects<T>(Mutex<Option<HashMap<Key, Arc<T>>>>);

impl<T> PersistentObjects<T> {
    /// Returns an empty set.
    pub const fn new() -> PersistentObjects<T> {
        PersistentObjects(Mutex::new(None))
    }

    /// Returns the object for this endpoint and these options. `make` makes it if there is none, or none that
    /// `is_usable`. `make` runs without the lock, because it may wait.
    pub fn get(
        &self,
        endpoint: &str,
        options: &Options,
        is_usable: impl FnOnce(&T) -> bool,
        make: impl FnOnce() -> Result<T>,
    ) -> Result<Arc<T>> {
        let key = Key {
            generation: fork::generation(),
            thread: std::thread::current().id(),
            endpoint: endpoint.to_owned(),
            options: format!("{options:?}"),
        };
        if let Some(kept) =
            self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default().get(&key)
            && is_usable(kept)
        {
            return Ok(kept.clone());
        }
        let made = Arc::new(make()?);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all = all.get_or_insert_default();
        // Objects of the parent process cannot be used after a fork.
        all.retain(|k, _| k.generation == key.generation);
        all.insert(key, made.clone());
        Ok(made)
    }
}

static CHANNELS: PersistentObjects<Channel> = PersistentObjects::new();

impl Channel {
    /// Connects like [`Channel::connect`], or returns the channel that an earlier call with the same endpoint
    /// and options made in this thread.
    pub fn persistent<'a>(
        endpoint: &str,
        options: &Options,
        wait: impl Into<Wait<'a>>,
    ) -> Result<Arc<Channel>> {
        CHANNELS.get(endpoint, options, |c| !c.is_closed(), || Channel::connect(endpoint, options, wait))
    }
}

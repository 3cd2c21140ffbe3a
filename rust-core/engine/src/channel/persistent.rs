//! Objects that outlive the call that made them, for programs such as PHP-FPM's workers.
//!
//! Such a worker starts again with every request and would connect each time. Connections stay here by thread,
//! endpoint and options, until the process ends or they become unusable.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;

use super::ends::Channel;
use super::options::Options;
use crate::deadline::Wait;
use crate::error::Result;
use crate::sys::fork::Own;

#[derive(PartialEq, Eq, Hash)]
struct ObjectKey {
    thread: ThreadId,
    endpoint: String,
    options: String,
}

/// The persistent objects of one type, for a `static`. A forked worker makes its own objects.
pub struct PersistentObjects<T>(Own<Mutex<HashMap<ObjectKey, Arc<T>>>>);

impl<T> fmt::Debug for PersistentObjects<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PersistentObjects")
    }
}

impl<T: Send + Sync + 'static> PersistentObjects<T> {
    /// Returns an empty set.
    #[allow(clippy::new_without_default, reason = "it is for a `static`, which takes a constant")]
    pub const fn new() -> PersistentObjects<T> {
        PersistentObjects(Own::new())
    }

    /// Returns the usable object for this endpoint and these options, or makes one.
    ///
    /// `make` runs without the lock, because it may wait.
    pub fn get(
        &self,
        endpoint: &str,
        options: &Options,
        is_usable: impl FnOnce(&T) -> bool,
        make: impl FnOnce() -> Result<T>,
    ) -> Result<Arc<T>> {
        let key = ObjectKey {
            thread: std::thread::current().id(),
            endpoint: endpoint.to_owned(),
            options: format!("{options:?}"),
        };
        if let Some(kept) = self.0.lock().get(&key)
            && is_usable(kept)
        {
            return Ok(kept.clone());
        }
        let made = Arc::new(make()?);
        self.0.lock().insert(key, made.clone());
        Ok(made)
    }
}

static CHANNELS: PersistentObjects<Channel> = PersistentObjects::new();

impl Channel {
    /// Connects like [`Channel::connect`], or returns this thread's earlier channel with equal arguments.
    pub fn persistent<'a>(
        endpoint: &str,
        options: &Options,
        wait: impl Into<Wait<'a>>,
    ) -> Result<Arc<Channel>> {
        CHANNELS.get(endpoint, options, |c| !c.is_closed(), || Channel::connect(endpoint, options, wait))
    }
}

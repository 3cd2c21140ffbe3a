//! Objects that outlive the call that made them, for programs that begin anew with every request: PHP-FPM's workers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::ThreadId;

use super::ends::Channel;
use super::options::Options;
use crate::deadline::Wait;
use crate::error::Result;
use crate::sys::fork;

/// Who may use a kept object: this thread of this process, with the same options. A forked worker makes its own.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    generation: u64,
    thread: ThreadId,
    endpoint: String,
    options: String,
}

/// Kept objects of one type.
pub struct Kept<T>(Mutex<Option<HashMap<Key, Arc<T>>>>);

impl<T> Kept<T> {
    pub const fn new() -> Kept<T> {
        Kept(Mutex::new(None))
    }

    /// The object for this endpoint and these options; made by `make` where there is none, or where `is_usable` says
    /// that it can't be used any more.
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
        // What a parent made is of no use here.
        all.retain(|k, _| k.generation == key.generation);
        all.insert(key, made.clone());
        Ok(made)
    }
}

static CHANNELS: Kept<Channel> = Kept::new();

impl Channel {
    /// Connects like [`Channel::connect`], or gives the channel that an earlier call with the same endpoint and options
    /// made in this thread.
    pub fn persistent<'a>(
        endpoint: &str,
        options: &Options,
        wait: impl Into<Wait<'a>>,
    ) -> Result<Arc<Channel>> {
        CHANNELS.get(endpoint, options, |c| !c.is_closed(), || Channel::connect(endpoint, options, wait))
    }
}

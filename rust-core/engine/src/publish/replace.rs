//! The publishers of this process by name, for the option `replace`.
//!
//! A program that runs a piece of code again, such as a notebook cell, makes a publisher while the last one still
//! exists. With equal options, the new publisher takes over ring and subscribers unnoticed. Otherwise the last one
//! closes, and the new one waits for the subscribers to connect again.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::fanout::Fanout;
use crate::channel::Options;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::fork::Own;
use crate::transport::acceptor::ListenerRegistration;

/// Holds the name of a publisher, and moves to the publisher that takes it over.
#[derive(Default)]
pub struct NameGuard {
    /// Describes a name without a hello to listings. Removed while the name is still ours.
    pub owner_record: Option<Box<dyn Any + Send + Sync>>,
    pub registration: Option<ListenerRegistration>,
}

#[derive(Default)]
pub struct OpenState(AtomicU8);

const CLOSED: u8 = 1;
const REPLACED: u8 = 2;

impl OpenState {
    pub fn is_open(&self) -> bool {
        self.0.load(Ordering::Acquire) == 0
    }

    /// Closes; returns whether it was open.
    pub fn close(&self) -> bool {
        self.end(CLOSED)
    }

    fn end(&self, how: u8) -> bool {
        self.0.compare_exchange(0, how, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    #[cold]
    pub fn refusal(&self) -> Error {
        let text = match self.0.load(Ordering::Acquire) {
            REPLACED => {
                "another publisher of this program took over the name, with the option replace: use that one"
            }
            _ => "the publisher is closed",
        };
        Error::new(ErrorKind::InvalidState, text)
    }
}

/// A publisher of this process. A forked child has no entries.
struct PublisherEntry {
    held: Weak<Mutex<NameGuard>>,
    open: Arc<OpenState>,
    fanout: Weak<Fanout>,
    options: Options,
}

static ALL: Own<Mutex<BTreeMap<String, PublisherEntry>>> = Own::new();

pub fn remember(
    shown: &str,
    options: &Options,
    (held, open, fanout): (&Arc<Mutex<NameGuard>>, &Arc<OpenState>, &Arc<Fanout>),
) {
    let mut all = ALL.lock();
    all.retain(|_, entry| entry.held.strong_count() > 0);
    let entry = PublisherEntry {
        held: Arc::downgrade(held),
        open: open.clone(),
        fanout: Arc::downgrade(fanout),
        options: options.clone(),
    };
    all.insert(shown.to_owned(), entry);
}

pub struct Replaced {
    pub held: NameGuard,
    pub fanout: Arc<Fanout>,
    pub is_alike: bool,
}

/// Takes the name of this process's publisher at an endpoint, and ends that publisher. Returns `None` without one.
pub fn take(shown: &str, options: &Options) -> Result<Option<Replaced>> {
    let mut all = ALL.lock();
    let Some(entry) = all.remove(shown) else {
        return Ok(None);
    };
    let (Some(held), Some(fanout)) = (entry.held.upgrade(), entry.fanout.upgrade()) else { return Ok(None) };
    if !entry.open.end(REPLACED) {
        return Ok(None);
    }
    fanout.wake_waiting();
    let held = std::mem::take(&mut *held.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(Some(Replaced { held, fanout, is_alike: are_alike(&entry.options, options) }))
}

/// Adds a hint to use the option `replace` if an open publisher of this process has the name.
pub fn hinted(error: Error, shown: &str) -> Error {
    let all = ALL.lock();
    let is_replaceable = |entry: &PublisherEntry| entry.held.strong_count() > 0 && entry.open.is_open();
    if error.kind() == ErrorKind::AddressInUse && all.get(shown).is_some_and(is_replaceable) {
        return error.with_hint("a publisher with the option replace takes the name over");
    }
    error
}

/// Returns whether subscribers notice no difference between these options.
fn are_alike(one: &Options, other: &Options) -> bool {
    let schema = |options: &Options| options.schema.as_ref().map(|schema| *schema.fingerprint());
    let files = |options: &Options| (options.mode, options.group);
    let admitted = |options: &Options| (options.allow_uids.clone(), options.allow_gids.clone());
    let ring = |options: &Options| (options.buffer, options.max_message_size, options.delivery);
    let form = |options: &Options| {
        (options.encoding(), options.framing, options.client_id.clone(), options.machine.clone())
    };
    schema(one) == schema(other)
        && files(one) == files(other)
        && admitted(one) == admitted(other)
        && ring(one) == ring(other)
        && form(one) == form(other)
}

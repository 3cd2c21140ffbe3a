//! The slots of a session's link, for the long arrays of a value that is being encoded.

use std::sync::{Arc, MutexGuard, PoisonError};

use bytes::Bytes;

use super::SessionState;
use crate::channel::event_log::EventLog;
use crate::message::Lender;
use crate::transport::{Slots, WritableSlot};

/// Access to the slots of a session's link, where it has some. The first long array of a message
/// takes the lock; a message without one does not.
pub struct SlotLender<'a> {
    session_state: &'a SessionState,
    event_log: &'a EventLog,
}

impl SlotLender<'_> {
    /// Returns memory of a free slot to be written; none if no slot is free.
    pub fn lend_writable(&self, length: usize) -> Option<WritableSlot> {
        let slots = self.session_state.slots().clone()?;
        self.read_progress(&slots);
        slots.lend_writable(length)
    }

    /// Reads how far the peer has consumed: the slots of those messages are free then. Before each search, and not only
    /// after one that found none, because the slot that became free last is in the processor's caches.
    fn read_progress(&self, slots: &Slots) {
        // Both words come from the peer's processor, together.
        slots.prefetch_counts();
        self.session_state.halves().read_peer_page();
    }
}

impl Lender for SlotLender<'_> {
    fn lend(&self, elements: &[u8], shared: Option<&Bytes>) -> Option<Bytes> {
        let slots = self.session_state.slots();
        let lent = match slots.as_ref()?.in_place(elements, shared) {
            Some(lent) => Some(lent),
            None => {
                // Without the lock: `halves` comes before it.
                let there = slots.clone()?;
                drop(slots);
                self.read_progress(&there);
                there.copy(elements)
            }
        };
        let EventLog { arrays_in_slots, arrays_without_slot, .. } = self.event_log;
        self.event_log.count(if lent.is_some() { arrays_in_slots } else { arrays_without_slot });
        lent
    }
}

impl SessionState {
    /// Locks the slots.
    pub(super) fn slots(&self) -> MutexGuard<'_, Option<Arc<Slots>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns access to the slots for the long arrays of a value that is being encoded; they are
    /// counted in `event_log`.
    pub fn lender<'a>(&'a self, event_log: &'a EventLog) -> SlotLender<'a> {
        SlotLender { session_state: self, event_log }
    }
}

//! Lends the slots of a session's link for the long arrays of a value during encoding.

use std::sync::Arc;

use bytes::Bytes;

use super::SessionState;
use super::halves::SessionHalves;
use crate::channel::event_log::EventLog;
use crate::message::Lender;
use crate::sys::{fork, seat};
use crate::transport::{Slots, WritableSlot};

/// Each long array of a message takes the lock. A message without long arrays does not.
pub struct SlotLender<'a> {
    session_state: &'a SessionState,
    event_log: &'a EventLog,
}

impl SlotLender<'_> {
    pub fn lend_writable(&self, length: usize) -> Option<WritableSlot> {
        let mut halves = self.halves()?;
        let slots = read_progress(&mut halves)?;
        if let Some(writable) = slots.lend_free(length) {
            return Some(writable);
        }
        let slots = slots.clone();
        // Without the lock: making a file takes long.
        drop(halves);
        slots.lend_writable(length)
    }

    /// Returns memory of a free slot with margins for the rest of the message; none if no slot is free.
    pub fn lend_with_margins(&self, length: usize) -> Option<WritableSlot> {
        let slots = read_progress(&mut *self.halves()?)?.clone();
        slots.lend_with_margins(length)
    }

    fn slots(&self) -> Option<Arc<Slots>> {
        self.halves()?.slots.clone()
    }

    /// Locks the halves. A forked child has none, because it lacks slots.
    fn halves(&self) -> Option<seat::GateGuard<'_, SessionHalves>> {
        (fork::generation() == self.session_state.generation).then(|| self.session_state.halves())
    }

    fn in_place_or_copied(&self, elements: &[u8], shared: Option<&Bytes>) -> Option<Option<Bytes>> {
        let mut halves = self.halves()?;
        let slots = halves.slots.as_ref()?;
        if let Some(lent) = slots.in_place(elements, shared) {
            return Some(Some(lent));
        }
        let slots = read_progress(&mut halves)?.clone();
        // Without the lock: a copy takes long.
        drop(halves);
        Some(slots.copy(elements))
    }

    fn copied(&self, body: &[u8]) -> Option<Bytes> {
        let slots = read_progress(&mut *self.halves()?)?.clone();
        slots.copy(body)
    }
}

/// Reads which messages the peer has consumed, which frees their slots, and returns the slots.
///
/// Called before each search, because the slot that became free last is in the processor's caches.
fn read_progress(halves: &mut SessionHalves) -> Option<&Arc<Slots>> {
    if let (Some(_), Some(page)) = (&halves.slots, halves.peer_page()) {
        // The search reads these words, which come from the peer's processor together with that number.
        page.0.prefetch_released();
        halves.read_peer_page();
    }
    halves.slots.as_ref()
}

impl Lender for SlotLender<'_> {
    fn lend(&self, elements: &[u8], shared: Option<&Bytes>) -> Option<Bytes> {
        let lent = self.in_place_or_copied(elements, shared)?;
        let EventLog { arrays_in_slots, arrays_without_slot, .. } = self.event_log;
        self.event_log.count(if lent.is_some() { arrays_in_slots } else { arrays_without_slot });
        lent
    }

    fn in_place(&self, bytes: &[u8]) -> Option<Bytes> {
        self.slots()?.in_place(bytes, None)
    }

    fn surround(&self, bytes: &[u8], before: &[u8], after: &[u8]) -> Option<Bytes> {
        self.slots()?.surround(bytes, before, after)
    }

    fn lend_memory(&self, least: usize, wanted: usize) -> Option<WritableSlot> {
        let slots = read_progress(&mut *self.halves()?)?.clone();
        slots.lend_at_least(least, wanted)
    }

    fn lend_body(&self, body: &[u8]) -> Option<Bytes> {
        self.copied(body)
    }
}

impl SessionState {
    pub fn lender<'a>(&'a self, event_log: &'a EventLog) -> SlotLender<'a> {
        SlotLender { session_state: self, event_log }
    }
}

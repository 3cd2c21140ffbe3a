//! The publisher's slots for loans, long arrays, and long bodies of values that are published at once.

use bytes::Bytes;

use super::Fanout;
use crate::channel::event_log::EventLog;
use crate::message::Lender;
use crate::transport::WritableSlot;

impl Fanout {
    pub fn lend_writable(&self, length: usize) -> Option<WritableSlot> {
        self.slots.as_ref()?.lend_writable(length)
    }

    /// Lends memory for bytes, with room for the rest of their message around them. `None` if no slot is free.
    pub fn lend_with_margins(&self, length: usize) -> Option<WritableSlot> {
        self.slots.as_ref()?.lend_with_margins(length)
    }

    pub fn lender(&self) -> Option<&dyn Lender> {
        self.slots.as_ref().map(|_| self as &dyn Lender)
    }

    /// Returns the lender for a value that is published right after encoding: its long body is encoded in a slot.
    pub fn lender_at_once(&self) -> Option<AtOnce<'_>> {
        self.slots.as_ref().map(|_| AtOnce(self))
    }
}

impl Lender for Fanout {
    fn lend(&self, elements: &[u8], shared: Option<&Bytes>) -> Option<Bytes> {
        let slots = self.slots.as_ref()?;
        let lent = slots.in_place_or_copy(elements, shared);
        let EventLog { arrays_in_slots, arrays_without_slot, .. } = &self.event_log;
        self.event_log.count(if lent.is_some() { arrays_in_slots } else { arrays_without_slot });
        lent
    }

    fn in_place(&self, bytes: &[u8]) -> Option<Bytes> {
        self.slots.as_ref()?.in_place(bytes, None)
    }

    fn surround(&self, bytes: &[u8], before: &[u8], after: &[u8]) -> Option<Bytes> {
        self.slots.as_ref()?.surround(bytes, before, after)
    }

    fn lend_memory(&self, _: usize, _: usize) -> Option<WritableSlot> {
        None
    }

    fn lend_body(&self, _: &[u8]) -> Option<Bytes> {
        // The ring's writer copies the body into a slot at publication. An earlier copy would occupy a slot while it
        // waits.
        None
    }
}

pub struct AtOnce<'a>(&'a Fanout);

impl Lender for AtOnce<'_> {
    fn lend(&self, elements: &[u8], shared: Option<&Bytes>) -> Option<Bytes> {
        self.0.lend(elements, shared)
    }

    fn in_place(&self, bytes: &[u8]) -> Option<Bytes> {
        self.0.in_place(bytes)
    }

    fn surround(&self, bytes: &[u8], before: &[u8], after: &[u8]) -> Option<Bytes> {
        self.0.surround(bytes, before, after)
    }

    fn lend_memory(&self, least: usize, wanted: usize) -> Option<WritableSlot> {
        self.0.slots.as_ref()?.lend_at_least(least, wanted)
    }

    fn lend_body(&self, body: &[u8]) -> Option<Bytes> {
        self.0.lend_body(body)
    }
}

//! The unwritten rest of a frame, which the sending half writes first: the frame already counts as sent.

use std::io::IoSlice;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::error::Result;
use crate::frame::{Kind, Outgoing};
use crate::stream::Stream;
use crate::sys::eventfd::EventFd;

#[derive(Debug)]
pub(crate) struct Tail {
    kind: Kind,
    head: Vec<u8>,
    body: Bytes,
    written: usize,
    watcher: OnceLock<Watcher>,
}

/// A thread that sleeps until there is room for a tail.
///
/// The kernel announces room to the thread that writes the tail, so this thread is woken by its end.
#[derive(Debug)]
struct Watcher(Arc<EventFd>);

impl Drop for Watcher {
    fn drop(&mut self) {
        self.0.wake();
    }
}

impl Tail {
    /// Returns the part after the first `written` bytes of this head and the frame's body.
    ///
    /// A body with an owner is not copied.
    pub(crate) fn of(head: &[u8], frame: &Outgoing<'_>, written: usize) -> Tail {
        let of_body = written.saturating_sub(head.len());
        let body = match frame.owner {
            Some(owner) => owner.slice(of_body..),
            None => Bytes::copy_from_slice(&frame.body[of_body..]),
        };
        let head = head.get(written..).unwrap_or_default().to_vec();
        Tail { kind: frame.header.kind, head, body, written: 0, watcher: OnceLock::new() }
    }

    pub(crate) fn of_bytes(kind: Kind, bytes: Vec<u8>) -> Tail {
        Tail { kind, head: bytes, body: Bytes::new(), written: 0, watcher: OnceLock::new() }
    }

    pub(crate) fn watch(&self, by: &Arc<EventFd>) {
        // All watchers of one half have one eventfd.
        let _ = self.watcher.get_or_init(|| Watcher(by.clone()));
    }

    pub(crate) fn len(&self) -> usize {
        self.head.len() + self.body.len()
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn parts(&self) -> (&[u8], &[u8], usize) {
        (&self.head, &self.body, self.written)
    }

    pub(crate) fn written(&self) -> usize {
        self.written
    }

    pub(crate) fn written_to(&mut self, written: usize) -> bool {
        self.written = written;
        written == self.head.len() + self.body.len()
    }

    /// Writes as much of a tail as there is room for; returns true if nothing is left.
    ///
    /// # Errors
    /// `Disconnected`.
    pub(crate) fn flush(place: &mut Option<Tail>, stream: &Stream) -> Result<bool> {
        let Some(tail) = place else { return Ok(true) };
        let is_flushed = tail.write(stream)?;
        if is_flushed {
            *place = None;
        }
        Ok(is_flushed)
    }

    #[inline(never)]
    fn write(&mut self, stream: &Stream) -> Result<bool> {
        while self.written < self.head.len() + self.body.len() {
            let parts = [
                IoSlice::new(self.head.get(self.written..).unwrap_or_default()),
                IoSlice::new(&self.body[self.written.saturating_sub(self.head.len())..]),
            ];
            match stream.write(&parts)? {
                Some(n) => self.written += n,
                None => return Ok(false),
            }
        }
        stream.flush()
    }
}

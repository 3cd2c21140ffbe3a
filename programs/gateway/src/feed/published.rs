//! A message as it was published, its value in the formats that clients asked for, and what all of it holds.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use linkspan::{Encoding, Result, Timestamp, codec};
use linkspan_ros2::{Encoder, Messages};

use super::place::Place;
use crate::frames::Format;

/// Bytes that a message takes beside its body.
pub(super) const BESIDE: u64 = 256;

/// A message as it was published, and its value in the formats that clients have asked for.
pub struct Published {
    pub number: u64,
    pub incarnation: u64,
    pub sent: Timestamp,
    /// Its place in the order of its name.
    pub place: Place,
    /// The beginning of the fingerprint of its schema.
    pub schema: Option<String>,
    pub(super) encoding: Encoding,
    pub(super) body: Bytes,
    pub(super) values: [OnceLock<Bytes>; 2],
    /// As viewers read it, in the type that the name had then.
    pub(super) viewed: OnceLock<(Arc<Mutex<Messages>>, Arc<Encoder>, Bytes)>,
    pub(super) held: Arc<HeldBytes>,
}

impl Published {
    /// Returns the value in a format, which is written once for all clients.
    ///
    /// # Errors
    /// `Malformed` and others for bytes that are no value, and for a value without a form in it.
    pub fn value(&self, format: Format) -> Result<Bytes> {
        let kept = &self.values[usize::from(format == Format::Json)];
        if let Some(value) = kept.get() {
            return Ok(value.clone());
        }
        // CBOR is read, too: what is no value would break the frame.
        let value = format.transcode(&self.body, self.encoding)?;
        // Where there is no room, each client has it written for itself.
        self.held.keep(value.len(), || kept.set(value.clone()).is_ok());
        Ok(value)
    }

    /// Returns the message as viewers read it, with its type, written once for all of them.
    ///
    /// # Errors
    /// `Malformed` and others for bytes that are no value.
    pub fn viewed(&self, messages: &Arc<Mutex<Messages>>) -> Result<(Arc<Encoder>, Bytes)> {
        // One viewer writes it, and the others wait for that.
        let mut types = messages.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, encoder, body)) = self.viewed.get()
            && Arc::ptr_eq(of, messages)
        {
            return Ok((encoder.clone(), body.clone()));
        }
        let value = codec::decode(&self.body, self.encoding)?;
        let (encoder, body) = types.encode_next(&value, self.sent.0)?;
        let body = Bytes::from(body);
        let viewed = (messages.clone(), encoder.clone(), body.clone());
        self.held.keep(body.len(), || self.viewed.set(viewed).is_ok());
        Ok((encoder, body))
    }

    /// Whether these bytes are a value that it has written for all clients, and counts.
    pub fn keeps(&self, bytes: &Bytes) -> bool {
        self.values.iter().any(|value| value.get().is_some_and(|value| value.as_ptr() == bytes.as_ptr()))
    }

    fn bytes(&self) -> u64 {
        let written: usize = self.values.iter().filter_map(|value| value.get().map(Bytes::len)).sum();
        let viewed = self.viewed.get().map_or(0, |(_, _, body)| body.len());
        [self.body.len(), written, viewed]
            .into_iter()
            .fold(BESIDE, |sum, bytes| sum.saturating_add(bytes as u64))
    }
}

/// What all feeds hold, and may hold, in bytes.
#[derive(Default)]
pub(super) struct HeldBytes {
    pub(super) bytes: AtomicU64,
    pub(super) most: u64,
}

impl HeldBytes {
    /// Counts bytes that are held in any case.
    pub(super) fn add(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts bytes where there is room for them and `keep` keeps them.
    fn keep(&self, bytes: usize, keep: impl FnOnce() -> bool) {
        let bytes = bytes as u64;
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > self.most || !keep() {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    /// Whether less than an eighth is free: then logs drop what is old, so that new messages have room for what is
    /// written of them.
    pub(super) fn is_nearly_full(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) > self.most.saturating_sub(self.most / 8)
    }

    /// Whether half of it is free: then each log may grow again.
    pub(super) fn is_half_free(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) < self.most / 2
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        self.held.bytes.fetch_sub(self.bytes(), Ordering::Relaxed);
    }
}

/// Bytes that are held for one client alone: they count until it is dropped.
pub struct Own {
    pub(super) held: Arc<HeldBytes>,
    pub(super) bytes: u64,
}

impl Drop for Own {
    fn drop(&mut self) {
        self.held.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

//! A published message with its value in each requested format, and the memory of all messages.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use linkspan::{Encoding, Result, Timestamp, codec};
use linkspan_ros2::{Encoder, Messages};

use super::place::Place;
use crate::frames::Format;

/// Bytes of memory of a message in addition to its body.
pub(super) const BESIDE: u64 = 256;

pub struct Published {
    pub number: u64,
    pub incarnation: u64,
    pub sent: Timestamp,
    pub place: Place,
    /// The beginning of its schema's fingerprint.
    pub schema: Option<String>,
    pub(super) encoding: Encoding,
    pub(super) body: Bytes,
    pub(super) values: [OnceLock<Bytes>; 2],
    /// Its value for viewers, in the type that the name had at that time.
    pub(super) viewed: OnceLock<(Arc<Mutex<Messages>>, Arc<Encoder>, Bytes)>,
    pub(super) held: Arc<HeldBytes>,
}

impl Published {
    /// Returns the value in a format. The first caller encodes it for all clients.
    ///
    /// # Errors
    /// `Malformed` and others if the body is not a value or the format cannot represent it.
    pub fn value(&self, format: Format) -> Result<Bytes> {
        let kept = &self.values[usize::from(format == Format::Json)];
        if let Some(value) = kept.get() {
            return Ok(value.clone());
        }
        // CBOR is validated even without conversion: an invalid value would break the frame.
        let value = format.transcode(&self.body, self.encoding)?;
        // Without room, each client encodes its own copy.
        self.held.keep(value.len(), || kept.set(value.clone()).is_ok());
        Ok(value)
    }

    /// Returns the message's type and value for viewers. The first caller encodes it for all viewers.
    ///
    /// # Errors
    /// `Malformed` and others if the body is not a value.
    pub fn viewed(&self, messages: &Arc<Mutex<Messages>>) -> Result<(Arc<Encoder>, Bytes)> {
        // One viewer encodes it while the others wait here.
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

    /// Whether these bytes are a kept value, whose memory is already counted.
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

#[derive(Default)]
pub(super) struct HeldBytes {
    pub(super) bytes: AtomicU64,
    pub(super) most: u64,
}

impl HeldBytes {
    pub(super) fn add(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts bytes if there is room and `keep` succeeds.
    fn keep(&self, bytes: usize, keep: impl FnOnce() -> bool) {
        let bytes = bytes as u64;
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > self.most || !keep() {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    /// Whether less than an eighth is free. Logs then drop old messages, which leaves room for encoded new ones.
    pub(super) fn is_nearly_full(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) > self.most.saturating_sub(self.most / 8)
    }

    /// Whether half is free. Logs may then grow again.
    pub(super) fn is_half_free(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) < self.most / 2
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        self.held.bytes.fetch_sub(self.bytes(), Ordering::Relaxed);
    }
}

/// Bytes that are held for one client, counted until drop.
pub struct Own {
    pub(super) held: Arc<HeldBytes>,
    pub(super) bytes: u64,
}

impl Drop for Own {
    fn drop(&mut self) {
        self.held.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

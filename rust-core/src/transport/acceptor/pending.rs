//! A connection between its acceptance and its complete hello.

use std::sync::Arc;
use std::time::Instant;

use super::handler::HandshakeHandler;
use crate::error::Result;
use crate::sys::peer::Credentials;
use crate::transport::admission::PeerIdentity;
use crate::transport::authentication::Proof;
use crate::transport::hello::HelloReader;
use crate::transport::stream::Stream;

/// A connection whose hello is not complete.
pub(super) struct PendingHandshake {
    /// The listener that it connected to.
    pub registration: u64,
    pub stream: Stream,
    pub handler: Arc<dyn HandshakeHandler>,
    pub credentials: Option<Credentials>,
    /// The user, key or address that it counts against in [`Bounds`].
    pub peer_identity: PeerIdentity,
    /// The proof that the peer has to give; `None` once it is complete.
    pub proof: Option<Box<dyn Proof>>,
    /// The part that has arrived of the current frame.
    pub reading: HelloReader,
    /// When the connection is closed if the hello is not complete.
    pub deadline: Instant,
}

impl PendingHandshake {
    /// Reads what has arrived; returns true once the hello is complete. Frames of a proof come
    /// before it.
    pub fn read_more(&mut self) -> Result<bool> {
        let handler = &self.handler;
        while self.reading.read_more(&self.stream, &|hello| handler.check_hello(hello))? {
            let Some(proof) = &mut self.proof else { return Ok(true) };
            let (frame, _) = std::mem::take(&mut self.reading).finish()?;
            if proof.receive(&frame, &self.stream)? {
                self.proof = None;
            }
        }
        Ok(false)
    }
}

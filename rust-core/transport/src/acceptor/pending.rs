//! A connection between its acceptance and its complete hello.

use std::sync::Arc;
use std::time::Instant;

use super::handler::HandshakeHandler;
use crate::admission::PeerIdentity;
use crate::authentication::Proof;
use crate::error::Result;
use crate::frame::Incoming;
use crate::hello::HelloReader;
use crate::stream::Stream;
use crate::sys::memory::PeerFile;
use crate::sys::peer::Credentials;

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
    /// The hello and the memory files that came with it, once it is complete.
    pub hello: Option<(Incoming, Vec<PeerFile>)>,
    /// When the connection is closed if the hello is not complete and its files examined.
    pub deadline: Instant,
}

/// How far a handshake has come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum HandshakeStage {
    /// More of the hello has to arrive.
    Reading,
    /// The hello is complete, and a part of its memory files is not examined.
    Examining,
    /// It can be answered.
    Complete,
}

impl PendingHandshake {
    /// Reads what has arrived and, once the hello is complete, examines one slice of a memory file: a peer chooses the
    /// length of its files, and all other connections of the process wait meanwhile.
    pub(crate) fn advance(&mut self) -> Result<HandshakeStage> {
        if self.hello.is_none() {
            if !self.read_more()? {
                return Ok(HandshakeStage::Reading);
            }
            let (hello, descriptors) = std::mem::take(&mut self.reading).finish()?;
            self.hello = Some((hello, descriptors.into_iter().map(PeerFile::from).collect()));
        }
        let files = self.hello.iter_mut().flat_map(|(_, files)| files);
        for file in files {
            if !file.examine()? {
                return Ok(HandshakeStage::Examining);
            }
        }
        Ok(HandshakeStage::Complete)
    }

    /// Reads what has arrived; returns true once the hello is complete. Frames of a proof come
    /// before it.
    fn read_more(&mut self) -> Result<bool> {
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

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

pub(super) struct PendingHandshake {
    pub registration: u64,
    pub stream: Stream,
    pub handler: Arc<dyn HandshakeHandler>,
    pub credentials: Option<Credentials>,
    /// The user, key or address that it counts against in [`Bounds`].
    pub peer_identity: PeerIdentity,
    pub proof: Option<Box<dyn Proof>>,
    pub reading: HelloReader,
    pub hello: Option<(Incoming, Vec<PeerFile>)>,
    /// The connection is closed if the hello is not complete, and its files not examined, by this time.
    pub deadline: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum HandshakeStage {
    Reading,
    Examining,
    Complete,
}

impl PendingHandshake {
    /// Reads the hello. When it is complete, examines one slice of a memory file.
    ///
    /// A peer chooses the length of its files, and all other connections of the process wait during a slice.
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

    /// Reads arrived bytes; returns true when the hello is complete. Frames of a proof come before it.
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

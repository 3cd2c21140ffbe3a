//! The sending half of a Unix socket link.

use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use rustix::event::PollFlags;

use crate::deadline::Waiting;
use crate::error::Result;
use crate::frame::Outgoing;
use crate::sys::fork::Guarded;
use crate::sys::poll::wait_any;
use crate::sys::socket;
use crate::transport::Sent;

/// Frames up to so many bytes are put together before they are written.
const SMALL: usize = 1280;

/// The sending half.
pub struct UnixTx {
    socket: Arc<Guarded>,
    /// Bytes of the frame under way that the kernel has.
    progress: usize,
    /// The rest of a frame that was adopted.
    rest: Vec<u8>,
    /// Bytes of `rest` that the kernel has.
    rest_progress: usize,
}

impl UnixTx {
    /// Sends over this connected, non-blocking socket.
    pub fn new(socket: Arc<Guarded>) -> UnixTx {
        UnixTx { socket, progress: 0, rest: Vec::new(), rest_progress: 0 }
    }

    /// See the transport contract.
    pub fn try_send(&mut self, frame: &Outgoing<'_>) -> Result<Sent> {
        if !self.flush()? {
            return Ok(Sent::Blocked);
        }
        let head = frame.header.to_bytes();
        let longer;
        let head: &[u8] = if frame.extension.is_empty() {
            &head
        } else {
            longer = frame.head();
            &longer
        };
        let whole = head.len() + frame.body.len();
        if self.progress == 0 && whole <= SMALL {
            // To copy a few bytes costs less than to have the kernel read a list of pieces.
            let mut bytes = [0; SMALL];
            bytes[..head.len()].copy_from_slice(head);
            bytes[head.len()..whole].copy_from_slice(frame.body);
            match socket::send_bytes(&*self.socket, &bytes[..whole])? {
                Some(n) => self.progress = n,
                None => return Ok(Sent::Blocked),
            }
        }
        while self.progress < whole {
            let parts = [
                IoSlice::new(&head[self.progress.min(head.len())..]),
                IoSlice::new(&frame.body[self.progress.saturating_sub(head.len())..]),
            ];
            match socket::send(&*self.socket, &parts, &[])? {
                Some(n) => self.progress += n,
                None if self.progress == 0 => return Ok(Sent::Blocked),
                None => return Ok(Sent::Part),
            }
        }
        self.progress = 0;
        Ok(Sent::Whole)
    }

    /// See the transport contract.
    pub fn adopt(&mut self, frame: &Outgoing<'_>) {
        let head = frame.head();
        self.rest.clear();
        self.rest.extend_from_slice(&head[self.progress.min(head.len())..]);
        self.rest.extend_from_slice(&frame.body[self.progress.saturating_sub(head.len())..]);
        self.rest_progress = 0;
        self.progress = 0;
    }

    /// See the transport contract.
    pub fn flush(&mut self) -> Result<bool> {
        while self.rest_progress < self.rest.len() {
            match socket::send(&*self.socket, &[IoSlice::new(&self.rest[self.rest_progress..])], &[])? {
                Some(n) => self.rest_progress += n,
                None => return Ok(false),
            }
        }
        if !self.rest.is_empty() {
            self.rest = Vec::new();
            self.rest_progress = 0;
        }
        Ok(true)
    }

    /// See the transport contract.
    pub fn wait_room(&mut self, waiting: &mut Waiting<'_>) -> Result<()> {
        wait_any(waiting, [(self.socket.as_fd(), PollFlags::OUT)]).map(drop)
    }

    /// What is ready for writing once there is room.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

//! Writing to a mailslot: a message is one datagram.
//!
//! The sender's buffer limits a datagram. The first message that is too long enlarges the buffer, up to
//! `net.core.wmem_max`.

use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use rustix::event::PollFlags;
use rustix::io::Errno;

use super::receive::LONGEST;
use crate::Sent;
use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Kind, Outgoing};
use crate::half::SendHalf;
use crate::sys::crc;
use crate::sys::datagram;
use crate::sys::fork::Guarded;
use crate::sys::poll::{Interest, wait_any};

/// Frames up to this size are copied into one block: the kernel reads a list of two pieces more slowly.
const SMALL: usize = 4 << 10;

/// The sending half of a writer, or of a reader, which cannot send.
pub struct DgramTx {
    socket: Arc<Guarded>,
    /// The encoded extension that names the sender; `None` for a reader.
    sender: Option<Vec<u8>>,
    block: Vec<u8>,
}

impl DgramTx {
    /// Writes through this connected socket, with a send buffer of at least `buffer` bytes.
    pub fn new(socket: Guarded, sender: Vec<u8>, buffer: Option<usize>) -> Result<DgramTx> {
        if let Some(bytes) = buffer {
            datagram::enlarge(&socket, bytes)?;
        }
        Ok(DgramTx { socket: Arc::new(socket), sender: Some(sender), block: Vec::new() })
    }

    /// Returns the half of a reader, whose every send is `Unsupported`.
    pub fn of_reader(socket: Arc<Guarded>) -> DgramTx {
        DgramTx { socket, sender: None, block: Vec::new() }
    }
}

impl SendHalf for DgramTx {
    /// Sends a message. Drops acknowledgements and the end of a session, because there is no way back.
    ///
    /// # Errors
    /// `TooLarge`, `Unsupported`, `Disconnected` if the reader has ended.
    fn try_send(&mut self, frame: &Outgoing<'_>) -> Result<Sent> {
        if matches!(frame.header.kind, Kind::Ack | Kind::Bye) {
            return Ok(Sent::Whole);
        }
        let Some(sender) = &self.sender else {
            let text = "a mailslot goes one way, and this is its reader; use unix: for messages both ways";
            return Err(Error::new(ErrorKind::Unsupported, text));
        };
        if frame.header.kind != Kind::Data {
            let text = "a mailslot goes one way: there is no way back for an answer; use unix: or shm:";
            return Err(Error::new(ErrorKind::Unsupported, text));
        }
        let socket = &*self.socket;
        let mut header = frame.header;
        header.extension = sender.len();
        let whole = header.body_offset() + frame.body.len();
        let head = &mut self.block;
        head.clear();
        head.extend_from_slice(&header.bytes_with(crc::of_words));
        head.extend_from_slice(sender);
        head.resize(header.body_offset(), 0);
        let mut body = frame.body;
        if whole <= SMALL {
            head.extend_from_slice(body);
            body = &[];
        }
        let send = || match body {
            [] => datagram::send_bytes(socket, head),
            _ => datagram::send(socket, &[IoSlice::new(head), IoSlice::new(body)]),
        };
        let mut sent = send();
        if sent == Err(Errno::MSGSIZE) && whole <= LONGEST {
            datagram::enlarge(socket, whole)?;
            sent = send();
        }
        match sent {
            Ok(()) => Ok(Sent::Whole),
            Err(Errno::AGAIN | Errno::INTR) => Ok(Sent::Blocked),
            Err(Errno::MSGSIZE | Errno::NOBUFS) => Err(too_large(socket, whole, frame.body.len())?),
            Err(Errno::CONNREFUSED | Errno::NOTCONN | Errno::CONNRESET | Errno::PIPE) => {
                Err(Error::new(ErrorKind::Disconnected, "the reader of the mailslot has closed it"))
            }
            Err(e) => Err(Error::os("writing into a mailslot", e.raw_os_error())),
        }
    }

    fn wait_room(&mut self, waiting: &mut Waiting<'_>) -> Result<()> {
        wait_any(waiting, [(self.socket.as_fd(), PollFlags::OUT)]).map(drop)
    }

    fn room_descriptor(&self) -> (BorrowedFd<'_>, Interest) {
        (self.socket.as_fd(), Interest::OUT)
    }

    fn goes_on_after(&self, _error: &Error, concerns_frame: bool) -> bool {
        concerns_frame
    }
}

fn too_large(socket: &Guarded, whole: usize, body: usize) -> Result<Error> {
    let longest = datagram::longest(socket)?;
    let text = format!(
        "{body} bytes make a datagram of {whole}, and {} go into one here (SO_SNDBUF, within the sysctl net.core.wmem_max); send less at a time, or use unix:, shm: or spool:",
        longest.min(LONGEST)
    );
    Ok(Error::new(ErrorKind::TooLarge, text))
}

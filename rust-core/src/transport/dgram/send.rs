//! Writing into a mailslot: a message is one datagram.

use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use rustix::event::PollFlags;
use rustix::io::Errno;

use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Kind, Outgoing};
use crate::sys::datagram;
use crate::sys::fork::Guarded;
use crate::sys::poll::wait_any;
use crate::transport::Sent;

/// The longest datagram that a larger send buffer is asked for. The kernel keeps it in one piece of memory, and those
/// become rare.
const LONGEST: usize = 1 << 20;

/// The sending half: a writer's, or a reader's, which has nobody to send to.
pub struct DgramTx {
    socket: Arc<Guarded>,
    /// The extension that says who sends; none for a reader.
    sender: Option<Vec<u8>>,
}

impl DgramTx {
    /// Writes through this connected socket.
    pub fn new(socket: Guarded, sender: Vec<u8>, buffer: Option<usize>) -> Result<DgramTx> {
        if let Some(bytes) = buffer {
            datagram::enlarge(&socket, bytes)?;
        }
        Ok(DgramTx { socket: Arc::new(socket), sender: Some(sender) })
    }

    /// The half of a reader.
    pub fn of_reader(socket: Arc<Guarded>) -> DgramTx {
        DgramTx { socket, sender: None }
    }

    /// See the transport contract. The end of a session, and what was consumed, are told to nobody.
    pub fn try_send(&mut self, frame: &Outgoing<'_>) -> Result<Sent> {
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
        let mut signed = *frame;
        signed.header.extension = sender.len();
        signed.extension = sender;
        let head = signed.head();
        let whole = head.len() + frame.body.len();
        let parts = [IoSlice::new(&head), IoSlice::new(frame.body)];
        let mut sent = datagram::send(socket, &parts);
        if sent == Err(Errno::MSGSIZE) && whole <= LONGEST {
            datagram::enlarge(socket, whole)?;
            sent = datagram::send(socket, &parts);
        }
        match sent {
            Ok(()) => Ok(Sent::Whole),
            Err(Errno::AGAIN | Errno::INTR) => Ok(Sent::Blocked),
            Err(Errno::MSGSIZE | Errno::NOBUFS) => Err(too_large(socket, whole, frame.body.len())?),
            Err(Errno::CONNREFUSED | Errno::NOTCONN | Errno::CONNRESET | Errno::PIPE) => {
                Err(Error::new(ErrorKind::Disconnected, "the reader of the mailslot went away"))
            }
            Err(e) => Err(Error::os("writing into a mailslot", e.raw_os_error())),
        }
    }

    /// See the transport contract. Nothing is ever half sent.
    pub fn adopt(&mut self, _frame: &Outgoing<'_>) {}

    /// See the transport contract.
    pub fn flush(&mut self) -> Result<bool> {
        Ok(true)
    }

    /// See the transport contract.
    pub fn wait_room(&mut self, waiting: &mut Waiting<'_>) -> Result<()> {
        wait_any(waiting, [(self.descriptor(), PollFlags::OUT)]).map(drop)
    }

    /// What is ready for writing once there is room.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Says which limit it is that a message passes.
fn too_large(socket: &Guarded, whole: usize, body: usize) -> Result<Error> {
    let longest = datagram::longest(socket)?;
    let text = format!(
        "{body} bytes make a datagram of {whole}, and {} go into one here (SO_SNDBUF, within the sysctl net.core.wmem_max); send less at a time, or use unix:, shm: or spool:",
        longest.min(LONGEST)
    );
    Ok(Error::new(ErrorKind::TooLarge, text))
}

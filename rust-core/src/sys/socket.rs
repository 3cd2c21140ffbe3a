//! Unix sockets: names of any length in a directory, descriptors sent along, exact reads.

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix,
    SocketFlags, SocketType,
};

use super::beneath;
use super::directory::Directory;
use super::fork::Guarded;
use super::staging::Staging;
use super::{closing, rights};
use crate::error::{Doing, Error, ErrorKind, Result};

/// The most descriptors that one message of ours carries.
const MAX_DESCRIPTORS: usize = 1;

fn stream() -> Result<OwnedFd> {
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
        .doing("making a socket")
}

/// What may come over a socket beside bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Carries {
    /// Nothing.
    #[default]
    Bytes,
    /// Descriptors, with the first words.
    Descriptors,
}

impl Carries {
    fn set_up(self, socket: &OwnedFd) -> Result<()> {
        if self == Carries::Bytes {
            // An older kernel cannot; then the reader takes them and lets go of them.
            rights::refuse_descriptors(socket);
        }
        keep_in_line(socket)
    }
}

/// What is sent out of band stays in line: the kernel would drop it, and what came with it, in the reader's own time.
fn keep_in_line(socket: &OwnedFd) -> Result<()> {
    rustix::net::sockopt::set_socket_oobinline(socket, true).doing("setting up a socket")
}

/// A listening socket made in a private directory, non-blocking, with this mode and for this group. `shown` is the path that
/// it is to have, for texts.
pub fn listen(
    staging: &Staging,
    entry: &str,
    carries: Carries,
    mode: u32,
    group: Option<u32>,
    shared: bool,
    shown: &Path,
) -> Result<Guarded> {
    let socket = stream()?;
    // Those who connect inherit it before they are accepted.
    carries.set_up(&socket)?;
    // Others go on listening at one that is shared.
    let socket = if shared { Guarded::new(socket) } else { Guarded::closed_by(socket, close_listening) };
    let doing = || format!("listening at {}", shown.display());
    let address = SocketAddrUnix::new(staging.inside().short_path(entry)).doing(doing())?;
    rustix::net::bind(&socket, &address).doing(doing())?;
    staging.set_access(entry, mode, group, shown)?;
    rustix::net::listen(&socket, 128).doing(doing())?;
    rustix::io::ioctl_fionbio(&socket, true).doing(doing())?;
    Ok(socket)
}

/// Refuses a descriptor that is no listening Unix socket: one that another process has given us to listen at, too.
pub fn check_listening(socket: &OwnedFd) -> Result<()> {
    use rustix::net::{AddressFamily, sockopt};
    let is_one = sockopt::socket_acceptconn(socket).unwrap_or(false)
        && sockopt::socket_domain(socket).is_ok_and(|domain| domain == AddressFamily::UNIX);
    if is_one {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Malformed,
        "a process that serves the name gave something that is no listening socket",
    ))
}

/// The next connection of a listening socket of any family, non-blocking; none where nobody waits.
pub fn accept(listener: impl AsFd) -> Result<Option<OwnedFd>> {
    match rustix::net::accept_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
        Ok(fd) => Ok(Some(fd)),
        Err(Errno::AGAIN | Errno::CONNABORTED | Errno::INTR) => Ok(None),
        Err(e) => Err(e).doing("accepting a connection"),
    }
}

/// A connection that was accepted from a Unix socket.
pub fn of_caller(socket: OwnedFd) -> Result<Guarded> {
    keep_in_line(&socket)?;
    Ok(Guarded::closed_by(socket, close))
}

/// Connects to the socket of this name, waiting at most so long for a place in its queue; non-blocking afterwards.
///
/// None where the time has passed: somebody listens, but the queue is full. `PermissionDenied` for a link, `Corrupt` for
/// anything but a socket.
pub fn connect(
    directory: &Directory,
    name: &str,
    carries: Carries,
    patience: Duration,
) -> Result<Option<Guarded>> {
    let socket = stream()?;
    carries.set_up(&socket)?;
    let socket = Guarded::closed_by(socket, close);
    // Zero would mean "for ever" to the kernel.
    let patience = patience.max(Duration::from_millis(1));
    rustix::net::sockopt::set_socket_timeout(&socket, rustix::net::sockopt::Timeout::Send, Some(patience))
        .doing("setting a socket's time-out")?;
    let doing = || format!("connecting to {}", directory.path().join(name).display());
    let Some(there) = directory.beneath().socket(name)? else { return Err(Errno::NOENT).doing(doing()) };
    let address = SocketAddrUnix::new(beneath::kernel_path(&there)).doing(doing())?;
    match rustix::net::connect(&socket, &address) {
        Ok(()) => {}
        Err(Errno::AGAIN | Errno::INTR) => return Ok(None),
        Err(e) => return Err(e).doing(doing()),
    }
    rustix::io::ioctl_fionbio(&socket, true).doing("making a socket non-blocking")?;
    Ok(Some(socket))
}

/// Writes as much as there is room for now; descriptors go with the first byte. None where there is no room.
pub fn send(
    socket: impl AsFd,
    parts: &[IoSlice<'_>],
    descriptors: &[BorrowedFd<'_>],
) -> Result<Option<usize>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(Error::new(ErrorKind::Internal, "too many descriptors for one message"));
    }
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    match rustix::net::sendmsg(socket, parts, &mut ancillary, flags) {
        Ok(n) => Ok(Some(n)),
        Err(Errno::AGAIN | Errno::INTR) => Ok(None),
        Err(e) => Err(e).doing("writing to a socket"),
    }
}

/// The same for bytes in one piece, which costs the kernel less than a list of one.
pub fn send_bytes(socket: impl AsFd, bytes: &[u8]) -> Result<Option<usize>> {
    match rustix::net::send(socket, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
        Ok(n) => Ok(Some(n)),
        Err(Errno::AGAIN | Errno::INTR) => Ok(None),
        Err(e) => Err(e).doing("writing to a socket"),
    }
}

/// Reads what is there, at most the buffer's length; zero is the end. None where nothing is there yet.
pub fn receive(socket: impl AsFd, into: &mut [u8]) -> Result<Option<usize>> {
    match rustix::net::recv(socket, into, RecvFlags::DONTWAIT) {
        Ok((n, _)) => Ok(Some(n)),
        Err(Errno::AGAIN | Errno::INTR) => Ok(None),
        Err(e) => Err(e).doing("reading from a socket"),
    }
}

/// Like [`receive`], behind what is in the list already: at most so many bytes, for which there is room.
pub fn receive_behind(socket: impl AsFd, into: &mut Vec<u8>, most: usize) -> Result<Option<usize>> {
    let room = into.spare_capacity_mut();
    let most = most.min(room.len());
    match rustix::net::recv(socket, &mut room[..most], RecvFlags::DONTWAIT) {
        Ok(((came, _), _)) => {
            let (came, have) = (came.len(), into.len());
            // SAFETY: the call has initialised so many bytes of the room behind what there was.
            unsafe { into.set_len(have + came) };
            Ok(Some(came))
        }
        Err(Errno::AGAIN | Errno::INTR) => Ok(None),
        Err(e) => Err(e).doing("reading from a socket"),
    }
}

/// Like [`receive`] for a Unix socket whose sender may give descriptors along although nobody wants any: where the kernel
/// cannot refuse them, they are taken and closed aside, because a plain read closes them in the reader's own time.
pub fn receive_bytes_alone(socket: impl AsFd, into: &mut [u8]) -> Result<Option<usize>> {
    if *REFUSES {
        return receive(socket, into);
    }
    let mut unwanted = Vec::new();
    let got = rights::receive_with(socket, into, &mut unwanted);
    closing::close_aside(unwanted);
    got
}

/// Whether [`receive`] does for Unix sockets what [`receive_bytes_alone`] does.
pub fn refuses_descriptors() -> bool {
    *REFUSES
}

/// Whether this kernel refuses senders of descriptors where nobody wants any.
static REFUSES: LazyLock<bool> = LazyLock::new(|| stream().is_ok_and(rights::refuse_descriptors));

/// Closes a Unix socket; aside, where descriptors that nobody has taken may be in it: they are closed with it.
fn close(socket: OwnedFd) {
    // Nothing comes after this.
    let shut = rustix::net::shutdown(&socket, rustix::net::Shutdown::Both);
    if shut.is_ok() && may_hold_descriptors(&socket) {
        closing::close_aside([socket]);
    }
}

/// Whether there may be descriptors among what is to be read. A few bytes are looked at, such as those that wake a sleeper,
/// because a thread for each socket that has them would be many; where more bytes are unread, there may be.
fn may_hold_descriptors(socket: impl AsFd) -> bool {
    let mut bytes = [0; 64];
    match rustix::io::ioctl_fionread(&socket) {
        Ok(0) | Err(_) => false,
        Ok(unread) => {
            let looked = rights::peek(&socket, &mut bytes);
            !matches!(looked, Ok(Some((seen, false))) if seen as u64 == unread)
        }
    }
}

/// Closes a socket that listens, with the connections that nobody has accepted.
fn close_listening(socket: OwnedFd) {
    // Whoever connects from now on is refused. In a forked child this is no socket any more.
    if rustix::net::shutdown(&socket, rustix::net::Shutdown::Both).is_ok() {
        while let Ok(waiting) = rustix::net::accept_with(&socket, SocketFlags::CLOEXEC) {
            close(waiting);
        }
    }
}

/// Like [`receive`], for a socket over which descriptors came once and none come any more. `Malformed` where some did.
pub fn receive_refusing(socket: impl AsFd, into: &mut [u8]) -> Result<Option<usize>> {
    let mut unwanted = Vec::new();
    let got = rights::receive_with(socket, into, &mut unwanted);
    if unwanted.is_empty() {
        return got;
    }
    let text = format!("the peer sent {} descriptors where none are due", unwanted.len());
    closing::close_aside(unwanted);
    Err(Error::new(ErrorKind::Malformed, text))
}

/// Ends a connection for both sides at once, whoever else still holds the descriptor. What was sent is still delivered.
pub fn hang_up(socket: impl AsFd) {
    // One that is not connected any more has hung up already.
    let _ = rustix::net::shutdown(socket, rustix::net::Shutdown::Both);
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn unread_bytes_alone_are_told_from_descriptors() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        assert!(!may_hold_descriptors(&ours), "nothing is there");
        theirs.write_all(b"wake").unwrap();
        assert!(!may_hold_descriptors(&ours), "four bytes");
        let file = tempfile::tempfile().unwrap();
        send(&theirs, &[IoSlice::new(b"x")], &[file.as_fd()]).unwrap();
        assert!(may_hold_descriptors(&ours), "a file behind four bytes");
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(&[0; 65]).unwrap();
        assert!(may_hold_descriptors(&ours), "more than is looked at");
        rustix::net::shutdown(&ours, rustix::net::Shutdown::Both).unwrap();
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(b"wake").unwrap();
        rustix::net::shutdown(&ours, rustix::net::Shutdown::Both).unwrap();
        assert!(!may_hold_descriptors(&ours), "what came before the shutdown is still looked at");
    }
}

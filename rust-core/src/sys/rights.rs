//! Descriptors that come over a socket: refused, looked at, taken.

use std::io::IoSliceMut;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags};

use crate::error::{Doing, Error, Result};

/// The most descriptors that the kernel lets one message carry (SCM_MAX_FD). Taking a message with a place for fewer closes
/// the rest in the taker's own time.
const MOST: usize = 253;

/// From now on the kernel refuses senders of descriptors to this Unix socket with EPERM; true where it can do that, from
/// Linux 6.16 on. Connections that come to a listening socket inherit it.
pub fn refuse_descriptors(socket: impl AsFd) -> bool {
    const SO_PASSRIGHTS: libc::c_int = 83;
    let off: libc::c_int = 0;
    // SAFETY: `off` is an int, the length says so, and it lives through the call.
    let done = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            SO_PASSRIGHTS,
            (&raw const off).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    done == 0
}

/// Copies the next bytes and leaves them there, and every descriptor with them. None where nothing is there yet.
///
/// False with them means that a read of exactly these bytes takes no descriptor. True means that descriptors are there: along
/// with the last of these bytes, or further behind. The kernel goes on to the first message that carries some even once it
/// has copied what was asked for, and says the same of both (`unix_stream_read_generic`); but it never copies bytes from
/// behind such a message.
pub fn peek(socket: impl AsFd, into: &mut [u8]) -> Result<Option<(usize, bool)>> {
    let flags = RecvFlags::DONTWAIT | RecvFlags::PEEK;
    // Without a place for descriptors: those that are looked at only are never the last of their kind, so that nothing is
    // closed here that could take time.
    match rustix::net::recvmsg(
        socket,
        &mut [IoSliceMut::new(into)],
        &mut RecvAncillaryBuffer::default(),
        flags,
    ) {
        Ok(got) => Ok(Some((got.bytes, got.flags.contains(ReturnFlags::CTRUNC)))),
        Err(Errno::AGAIN | Errno::INTR) => Ok(None),
        Err(e) => Err(e).doing("looking into a socket"),
    }
}

/// Takes the next bytes and all descriptors that come along. None where nothing is there yet; `OutOfMemory` where this
/// process had no room for every descriptor.
pub fn receive_with(
    socket: impl AsFd,
    into: &mut [u8],
    descriptors: &mut Vec<OwnedFd>,
) -> Result<Option<usize>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let got = match rustix::net::recvmsg(socket, &mut [IoSliceMut::new(into)], &mut ancillary, flags) {
        Ok(got) => got,
        Err(Errno::AGAIN | Errno::INTR) => return Ok(None),
        Err(e) => return Err(e).doing("reading from a socket"),
    };
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = message {
            descriptors.extend(fds);
        }
    }
    if got.flags.contains(ReturnFlags::CTRUNC) {
        return Err(Error::os("taking descriptors from a socket", libc::EMFILE));
    }
    Ok(Some(got.bytes))
}

/// All descriptors that wait in a socket, which is then empty.
pub fn take_all(socket: impl AsFd) -> Vec<OwnedFd> {
    let (mut taken, mut bytes) = (Vec::new(), vec![0; 64 << 10]);
    // Whatever is wrong with it, there is nothing more to be had.
    while matches!(receive_with(socket.as_fd(), &mut bytes, &mut taken), Ok(Some(1..))) {}
    taken
}

/// Whether closing a descriptor takes no time: a memory file, and no other file or socket, which somebody else's program may
/// stand behind. Asks nobody but the kernel.
pub fn closes_at_once(descriptor: impl AsFd) -> bool {
    rustix::fs::fcntl_get_seals(&descriptor).is_ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::sys::socket;

    fn send(from: &UnixStream, bytes: &[u8], descriptors: &[&dyn AsFd]) -> Result<Option<usize>> {
        let lent: Vec<_> = descriptors.iter().map(|fd| fd.as_fd()).collect();
        socket::send(from, &[std::io::IoSlice::new(bytes)], &lent)
    }

    #[test]
    fn a_look_tells_of_descriptors_and_leaves_them() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        assert_eq!(peek(&ours, &mut [0; 8]).unwrap(), None);
        send(&theirs, b"ab", &[]).unwrap();
        send(&theirs, b"cd", &[&theirs]).unwrap();
        send(&theirs, b"ef", &[]).unwrap();
        let mut bytes = [0; 8];
        for _ in 0..2 {
            assert_eq!(peek(&ours, &mut bytes).unwrap(), Some((4, true)));
        }
        // Whether it tells of those that are further behind is the kernel's affair.
        assert!(matches!(peek(&ours, &mut bytes[..2]).unwrap(), Some((2, _))));
        let mut taken = Vec::new();
        assert_eq!(receive_with(&ours, &mut bytes[..2], &mut taken).unwrap(), Some(2));
        assert!(taken.is_empty());
        assert_eq!(
            receive_with(&ours, &mut bytes, &mut taken).unwrap(),
            Some(2),
            "a read ends at descriptors"
        );
        assert_eq!(taken.len(), 1);
        assert_eq!(peek(&ours, &mut bytes).unwrap(), Some((2, false)), "they are taken");
        assert!(take_all(&ours).is_empty());
        assert_eq!(peek(&ours, &mut bytes).unwrap(), None);
    }

    #[test]
    fn what_one_s_own_memory_stands_behind_closes_at_once() {
        let memory = crate::sys::memory::MemoryFile::create("linkspan-test", 4096).unwrap();
        assert!(closes_at_once(memory.fd()));
        let (socket, _other) = UnixStream::pair().unwrap();
        assert!(!closes_at_once(&socket));
        assert!(!closes_at_once(std::fs::File::open("/proc/self/exe").unwrap()));
    }

    #[test]
    fn a_socket_that_refuses_descriptors_gets_bytes_alone() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        if !refuse_descriptors(&ours) {
            // An older kernel: the reader takes them and lets go of them.
            return;
        }
        assert!(send(&theirs, b"a", &[&theirs]).is_err());
        assert_eq!(send(&theirs, b"a", &[]).unwrap(), Some(1));
    }
}

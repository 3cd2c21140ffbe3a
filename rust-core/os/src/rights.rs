//! Descriptors that arrive over a Unix socket (`SCM_RIGHTS`): refused, detected, or taken.
//!
//! A peer's descriptor counts against this process's limit, and closing it may block.

use std::io::IoSliceMut;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags};

use crate::descriptor;
use crate::error::{Doing, Error, Result};
use crate::kernel_entry;

/// SCM_MAX_FD: room for fewer would close the rest during the call.
const MOST: usize = 253;

/// Makes the kernel refuse a peer's descriptors (EPERM); false before Linux 6.16.
///
/// Accepted connections inherit it.
pub fn refuse_descriptors(socket: impl AsFd) -> bool {
    const SO_PASSRIGHTS: libc::c_int = 83;
    let off: libc::c_int = 0;
    // SAFETY: `off` is an int of this length.
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

/// Copies the next bytes without taking them or any descriptor. `None` if nothing is available yet.
///
/// The bool tells whether there are descriptors. False: a read of exactly these bytes takes none. True: some come with
/// the last of these bytes, or later. The kernel reports both cases alike (`unix_stream_read_generic`). It never copies
/// bytes from after such a message.
pub fn peek(socket: impl AsFd, into: &mut [u8]) -> Result<Option<(usize, bool)>> {
    kernel_entry::assert_allowed();
    let flags = RecvFlags::DONTWAIT | RecvFlags::PEEK;
    // Peeked descriptors are never the last reference, so their close does not block.
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

/// Takes the next bytes and all their descriptors. `None` if nothing is available yet.
///
/// # Errors
/// `OutOfMemory` without room for every descriptor.
pub fn receive_with(
    socket: impl AsFd,
    into: &mut [u8],
    descriptors: &mut Vec<OwnedFd>,
) -> Result<Option<usize>> {
    receive(socket, into, descriptors, RecvFlags::empty())
}

/// [`receive_with`] that without room leaves everything in the socket; one system call more.
///
/// # Errors
/// `OutOfMemory`, as [`receive_with`].
pub fn receive_all_or_none(
    socket: impl AsFd,
    into: &mut [u8],
    descriptors: &mut Vec<OwnedFd>,
) -> Result<Option<usize>> {
    let mut copies = Vec::new();
    // Peeking creates copies. After a failure the originals wait in the socket, so closing copies does not block.
    let Some(count) = receive(&socket, into, &mut copies, RecvFlags::PEEK)? else { return Ok(None) };
    if count > 0 {
        // Without room for descriptors, the kernel drops the socket's, which are not the last references.
        match rustix::net::recv(&socket, &mut into[..count], RecvFlags::DONTWAIT) {
            Ok((_, taken)) if taken == count => {}
            Ok(_) | Err(Errno::AGAIN | Errno::INTR) => return Ok(None),
            Err(e) => return Err(e).doing("reading from a socket"),
        }
    }
    descriptors.append(&mut copies);
    Ok(Some(count))
}

fn receive(
    socket: impl AsFd,
    into: &mut [u8],
    descriptors: &mut Vec<OwnedFd>,
    how: RecvFlags,
) -> Result<Option<usize>> {
    kernel_entry::assert_allowed();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC | how;
    let got = match rustix::net::recvmsg(socket, &mut [IoSliceMut::new(into)], &mut ancillary, flags) {
        Ok(got) => got,
        Err(Errno::AGAIN | Errno::INTR) => return Ok(None),
        Err(e) => return Err(e).doing("reading from a socket"),
    };
    let mut lacks_numbers = got.flags.contains(ReturnFlags::CTRUNC);
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = message {
            for fd in fds {
                // Otherwise it stays the caller's, which closes it on another thread.
                match descriptor::is_standard(&fd).then(|| descriptor::duplicate(&fd)) {
                    None => descriptors.push(fd),
                    Some(Ok(above)) => descriptors.push(above),
                    Some(Err(_)) => {
                        descriptors.push(fd);
                        lacks_numbers = true;
                    }
                }
            }
        }
    }
    if lacks_numbers {
        return Err(Error::os("taking descriptors from a socket", libc::EMFILE));
    }
    Ok(Some(got.bytes))
}

/// Takes all waiting descriptors; the socket is then empty.
pub fn take_all(socket: impl AsFd) -> Vec<OwnedFd> {
    let (mut taken, mut bytes) = (Vec::new(), vec![0; 64 << 10]);
    // After an error nothing more can be taken.
    while matches!(receive_with(socket.as_fd(), &mut bytes, &mut taken), Ok(Some(1..))) {}
    taken
}

/// Returns whether closing cannot block: true only for memory files. Asks only the kernel.
pub fn closes_at_once(descriptor: impl AsFd) -> bool {
    rustix::fs::fcntl_get_seals(&descriptor).is_ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::socket;

    fn send(from: &UnixStream, bytes: &[u8], descriptors: &[&dyn AsFd]) -> Result<Option<usize>> {
        let lent: Vec<_> = descriptors.iter().map(|fd| fd.as_fd()).collect();
        socket::send(from, &[std::io::IoSlice::new(bytes)], &lent)
    }

    #[test]
    fn peek_reports_descriptors_and_leaves_them() {
        let (local, peer) = UnixStream::pair().unwrap();
        assert_eq!(peek(&local, &mut [0; 8]).unwrap(), None);
        send(&peer, b"ab", &[]).unwrap();
        send(&peer, b"cd", &[&peer]).unwrap();
        send(&peer, b"ef", &[]).unwrap();
        let mut bytes = [0; 8];
        for _ in 0..2 {
            assert_eq!(peek(&local, &mut bytes).unwrap(), Some((4, true)));
        }
        // The kernel decides whether it reports later descriptors.
        assert!(matches!(peek(&local, &mut bytes[..2]).unwrap(), Some((2, _))));
        let mut taken = Vec::new();
        assert_eq!(receive_with(&local, &mut bytes[..2], &mut taken).unwrap(), Some(2));
        assert!(taken.is_empty());
        assert_eq!(
            receive_with(&local, &mut bytes, &mut taken).unwrap(),
            Some(2),
            "a read ends at descriptors"
        );
        assert_eq!(taken.len(), 1);
        assert_eq!(peek(&local, &mut bytes).unwrap(), Some((2, false)), "they are taken");
        assert!(take_all(&local).is_empty());
        assert_eq!(peek(&local, &mut bytes).unwrap(), None);
    }

    #[test]
    fn bytes_and_descriptors_are_received_together() {
        let (local, peer) = UnixStream::pair().unwrap();
        let (mut bytes, mut taken) = ([0; 8], Vec::new());
        assert_eq!(receive_all_or_none(&local, &mut bytes, &mut taken).unwrap(), None);
        send(&peer, b"ab", &[]).unwrap();
        send(&peer, b"cd", &[&peer, &peer]).unwrap();
        send(&peer, b"ef", &[&peer]).unwrap();
        for (expected, count) in [(b"abcd".as_slice(), 2), (b"ef", 3)] {
            let received = receive_all_or_none(&local, &mut bytes, &mut taken).unwrap().unwrap();
            assert_eq!((&bytes[..received], taken.len()), (expected, count));
        }
        assert_eq!(peek(&local, &mut bytes).unwrap(), None);
        drop((peer, taken));
        assert_eq!(receive_all_or_none(&local, &mut bytes, &mut Vec::new()).unwrap(), Some(0));
    }

    #[test]
    fn memory_file_closes_at_once() {
        let memory = crate::memory::MemoryFile::create("linkspan-test", 4096).unwrap();
        assert!(closes_at_once(memory.fd()));
        let (socket, _other) = UnixStream::pair().unwrap();
        assert!(!closes_at_once(&socket));
        assert!(!closes_at_once(std::fs::File::open("/proc/self/exe").unwrap()));
    }

    #[test]
    fn refusing_socket_gets_bytes_alone() {
        let (local, peer) = UnixStream::pair().unwrap();
        if !refuse_descriptors(&local) {
            // An older kernel: the reader takes them and closes them.
            return;
        }
        assert!(send(&peer, b"a", &[&peer]).is_err());
        assert_eq!(send(&peer, b"a", &[]).unwrap(), Some(1));
    }
}

//! Closing a peer's descriptors on separate threads.
//!
//! A peer can block the close of a lingering socket, or of a file on FUSE. Up to 32 threads empty the list. If a
//! hostile peer blocks all of these, it delays other closes, but no program.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Mutex;

use super::fork::Own;
use super::{rights, thread};

const THREADS: usize = 32;

#[derive(Default)]
struct Closing {
    waiting: Vec<OwnedFd>,
    threads: usize,
}

/// A forked child begins with an empty list: the threads are its parent's.
static CLOSING: Own<Mutex<Closing>> = Own::new();

/// Closes descriptors on another thread, without blocking.
pub fn close_aside(descriptors: impl IntoIterator<Item = OwnedFd>) {
    let mut closing = CLOSING.lock();
    let before = closing.waiting.len();
    closing.waiting.extend(descriptors);
    if closing.waiting.len() == before || closing.threads >= THREADS {
        return;
    }
    // Otherwise they wait for the next call.
    if thread::start("linkspan-close", run).is_ok() {
        closing.threads += 1;
    }
}

/// Closes descriptors in an unread socket first: closing the socket would close them all.
fn run() {
    loop {
        let mut closing = CLOSING.lock();
        let Some(one) = closing.waiting.pop() else {
            closing.threads = closing.threads.saturating_sub(1);
            return;
        };
        drop(closing);
        for held in rights::take_all(&one) {
            close(held);
        }
        close(one);
    }
}

/// Closes a descriptor, without the time that a socket would linger.
fn close(descriptor: OwnedFd) {
    // Only TCP sockets have the option.
    let _ = rustix::net::sockopt::set_socket_linger(descriptor.as_fd(), None);
    drop(descriptor);
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use super::*;

    #[test]
    fn socket_with_endless_linger_does_not_block_close() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut lingering = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut other, _) = listener.accept().unwrap();
        lingering.set_nonblocking(true).unwrap();
        // Nothing reads, so the kernel has something to linger for.
        while lingering.write(&[7; 65_536]).is_ok() {}
        rustix::net::sockopt::set_socket_linger(&lingering, Some(Duration::from_secs(3_600))).unwrap();
        let (mut end, closed) = UnixStream::pair().unwrap();
        close_aside([lingering.into(), closed.into()]);
        end.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        assert_eq!(end.read(&mut [0]).unwrap(), 0, "what was given with it is closed");
        other.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut rest = Vec::new();
        other.read_to_end(&mut rest).unwrap();
    }
}

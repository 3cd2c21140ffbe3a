//! The floor of many clients: a socket each, and a server that waits in epoll.

use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use crate::Result;
use crate::cpu::Placement;
use crate::ends::split;
use crate::worker::{Work, serve};

pub struct Ready(OwnedFd);

impl Ready {
    pub fn new(sockets: &[UnixStream]) -> Result<Ready> {
        // SAFETY: no memory is involved.
        let epoll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if epoll < 0 {
            return Err(io::Error::last_os_error().into());
        }
        // SAFETY: the kernel has just created this descriptor.
        let epoll = unsafe { OwnedFd::from_raw_fd(epoll) };
        for (index, socket) in sockets.iter().enumerate() {
            let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: index as u64 };
            let (add, socket) = (libc::EPOLL_CTL_ADD, socket.as_raw_fd());
            // SAFETY: both descriptors are open, and the event is only read during the call.
            if unsafe { libc::epoll_ctl(epoll.as_raw_fd(), add, socket, &mut event) } != 0 {
                return Err(io::Error::last_os_error().into());
            }
        }
        Ok(Ready(epoll))
    }

    pub fn wait(&self, into: &mut Vec<usize>) {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; 64];
        // SAFETY: the kernel writes at most the given number of events.
        let count = unsafe { libc::epoll_wait(self.0.as_raw_fd(), events.as_mut_ptr(), 64, -1) };
        into.extend(events.iter().take(count.max(0) as usize).map(|event| event.u64 as usize));
    }
}

struct Requests {
    sockets: Vec<UnixStream>,
    ready: Ready,
    /// Ready clients without an answer yet.
    waiting: Vec<usize>,
}

impl Work for Requests {
    fn once(&mut self) -> Result<()> {
        while self.waiting.is_empty() {
            self.ready.wait(&mut self.waiting);
        }
        let Some(index) = self.waiting.pop() else { return Ok(()) };
        let mut content = [0; 64];
        self.sockets[index].read_exact(&mut content)?;
        Ok(self.sockets[index].write_all(&content)?)
    }
}

/// A server, and clients that are threads of another process on another processor.
pub fn requests(clients: usize) -> Result<()> {
    let pairs = (0..clients).map(|_| UnixStream::pair()).collect::<io::Result<Vec<_>>>()?;
    let (sockets, theirs): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    split(Placement::Apart, || {
        std::thread::scope(|scope| {
            for mut socket in theirs {
                scope.spawn(move || -> io::Result<()> {
                    let mut content = [7; 64];
                    loop {
                        socket.write_all(&content)?;
                        socket.read_exact(&mut content)?;
                    }
                });
            }
        });
        Ok(())
    })?;
    let ready = Ready::new(&sockets)?;
    serve(Requests { sockets, ready, waiting: Vec::new() })
}

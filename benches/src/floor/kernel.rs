//! Floors in the kernel: the blocking system calls of a pipe, a socket and an eventfd.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixStream};

use crate::Result;
use crate::cpu::{End, Placement, pin};
use crate::ends::split;
use crate::worker::{Work, serve};

/// Unused bytes before the content. The allocator puts long blocks 16 bytes after a page's beginning. Some processors
/// copy from there at less than half speed, but a floor must be the fastest way.
const PAD: usize = 48;

fn memory(bytes: usize) -> Vec<u8> {
    vec![0; PAD + bytes]
}

struct Bytes<R, W> {
    from: R,
    to: W,
    content: Vec<u8>,
}

impl<R: Read, W: Write> Work for Bytes<R, W> {
    fn once(&mut self) -> Result<()> {
        self.to.write_all(&self.content[PAD..])?;
        self.from.read_exact(&mut self.content[PAD..])?;
        Ok(())
    }
}

impl<R: Read, W: Write> Bytes<R, W> {
    fn echo(mut self) -> Result<()> {
        loop {
            self.from.read_exact(&mut self.content[PAD..])?;
            self.to.write_all(&self.content[PAD..])?;
        }
    }
}

pub fn pipe(bytes: usize, placement: Placement) -> Result<()> {
    let (their_read, our_write): (PipeReader, PipeWriter) = io::pipe()?;
    let (our_read, their_write) = io::pipe()?;
    split(placement, || Bytes { from: their_read, to: their_write, content: memory(bytes) }.echo())?;
    serve(Bytes { from: our_read, to: our_write, content: memory(bytes) })
}

pub fn socket(bytes: usize, placement: Placement) -> Result<()> {
    let (ours, theirs) = UnixStream::pair()?;
    split(placement, || Bytes { from: theirs.try_clone()?, to: theirs, content: memory(bytes) }.echo())?;
    serve(Bytes { from: ours.try_clone()?, to: ours, content: memory(bytes) })
}

/// A TCP connection within the machine.
pub fn tcp(bytes: usize, placement: Placement) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let ours = TcpStream::connect(listener.local_addr()?)?;
    let (theirs, _) = listener.accept()?;
    ours.set_nodelay(true)?;
    theirs.set_nodelay(true)?;
    split(placement, || Bytes { from: theirs.try_clone()?, to: theirs, content: memory(bytes) }.echo())?;
    serve(Bytes { from: ours.try_clone()?, to: ours, content: memory(bytes) })
}

struct Datagrams {
    socket: UnixDatagram,
    content: Vec<u8>,
}

impl Work for Datagrams {
    fn once(&mut self) -> Result<()> {
        self.socket.send(&self.content)?;
        self.socket.recv(&mut self.content)?;
        Ok(())
    }
}

pub fn datagram(bytes: usize, placement: Placement) -> Result<()> {
    let (ours, theirs) = UnixDatagram::pair()?;
    let mut content = vec![0; bytes];
    split(placement, move || {
        loop {
            theirs.recv(&mut content)?;
            theirs.send(&content)?;
        }
    })?;
    serve(Datagrams { socket: ours, content: vec![0; bytes] })
}

/// `far bytes …`: echoes the bytes of the socket at this path, for a near end in another language.
pub fn echo_alone(path: &str, bytes: &str, placement: &str) -> Result<()> {
    let stream = UnixStream::connect(path).map_err(|e| format!("connecting to {path}: {e}"))?;
    pin(Placement::from_name(placement)?, End::Far)?;
    Bytes { from: stream.try_clone()?, to: stream, content: memory(bytes.parse()?) }.echo()
}

struct Eventfd(OwnedFd);

impl Eventfd {
    fn new() -> Result<Eventfd> {
        // SAFETY: no memory is involved.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error().into());
        }
        // SAFETY: the kernel has just created this descriptor.
        Ok(Eventfd(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    fn ring(&self) {
        let one = 1u64;
        // SAFETY: reads eight bytes of ours.
        unsafe { libc::write(self.0.as_raw_fd(), (&raw const one).cast(), 8) };
    }

    fn wait(&self) {
        let mut count = 0u64;
        // SAFETY: writes eight bytes of ours.
        unsafe { libc::read(self.0.as_raw_fd(), (&raw mut count).cast(), 8) };
    }
}

struct Eventfds {
    there: Eventfd,
    back: Eventfd,
}

impl Work for Eventfds {
    fn once(&mut self) -> Result<()> {
        self.there.ring();
        self.back.wait();
        Ok(())
    }
}

/// Two eventfds, which carry notifications without data.
pub fn eventfd(placement: Placement) -> Result<()> {
    let near = Eventfds { there: Eventfd::new()?, back: Eventfd::new()? };
    let far = Eventfds { there: Eventfd(near.there.0.try_clone()?), back: Eventfd(near.back.0.try_clone()?) };
    split(placement, || {
        loop {
            far.there.wait();
            far.back.ring();
        }
    })?;
    serve(near)
}

//! Calling a listener over TCP, once: the connection, the proof, then the hello.

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use rustix::event::PollFlags;

use super::address::{Address, stays_inside};
use super::proof;
use super::remote;
use super::token::Token;
use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::Kind;
use crate::sys::directory::Directory;
use crate::sys::fork::Guarded;
use crate::sys::inet;
use crate::sys::poll::{is_readable, wait_fds};
use crate::transport::hello::{self, Call, Grace};
use crate::transport::stream::Stream;

/// Calls whoever listens at this address, once. `Nobody` also where a waker ended the wait.
pub fn call(
    address: &Address,
    hello: &[u8],
    wakers: &[BorrowedFd<'_>],
    waiting: &mut Waiting<'_>,
) -> Result<Call> {
    match first(address, true, wakers, waiting)? {
        Some((stream, at)) => introduce(stream, at, hello, waiting),
        None => Ok(Call::Nobody),
    }
}

/// Connects to whoever listens at this address, once, and says nothing.
pub fn reach(
    address: &Address,
    wakers: &[BorrowedFd<'_>],
    waiting: &mut Waiting<'_>,
) -> Result<Call<Stream>> {
    Ok(first(address, false, wakers, waiting)?.map_or(Call::Nobody, |(stream, _)| Call::Answered(stream)))
}

/// A connection to the first of its addresses at which somebody listens.
fn first(
    address: &Address,
    greets: bool,
    wakers: &[BorrowedFd<'_>],
    waiting: &mut Waiting<'_>,
) -> Result<Option<(Stream, SocketAddr)>> {
    let addresses = match address.to_call(wakers, waiting) {
        Ok(addresses) => addresses.unwrap_or_default(),
        // A name server may know more later.
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    for at in addresses {
        if let Some(stream) = connect(at, greets, wakers, waiting)? {
            return Ok(Some((stream, at)));
        }
    }
    Ok(None)
}

/// A connection to this address; none where nobody listens there or a waker ended the wait.
fn connect(
    at: SocketAddr,
    greets: bool,
    wakers: &[BorrowedFd<'_>],
    waiting: &mut Waiting<'_>,
) -> Result<Option<Stream>> {
    let inside = stays_inside(at.ip());
    if !inside {
        remote::check_framing(greets)?;
        remote::check(&format!("a connection to {at}"))?;
    }
    let socket = match inet::begin_connect(at) {
        Ok((socket, true)) => Some(socket),
        Ok((socket, false)) => finish(socket, at, wakers, waiting)?,
        Err(e) if e.kind() == ErrorKind::NotFound => None,
        Err(e) => return Err(e),
    };
    let Some(socket) = socket else { return Ok(None) };
    // Where nobody listens at a port that the kernel may lend to a caller, it can happen to connect us to ourselves.
    if inet::own_address(&socket)? == at {
        return Ok(None);
    }
    Ok(Some(if inside { Stream::Inet(Arc::new(socket)) } else { remote::calling(socket, at)? }))
}

/// Waits until a connection stands or has failed. A call that is not to wait allows the other machine a moment.
fn finish(
    socket: Guarded,
    at: SocketAddr,
    wakers: &[BorrowedFd<'_>],
    waiting: &mut Waiting<'_>,
) -> Result<Option<Guarded>> {
    let mut grace = Grace::begin();
    loop {
        let mut on: Vec<_> = wakers.iter().map(|waker| (*waker, PollFlags::IN)).collect();
        on.push((socket.as_fd(), PollFlags::OUT));
        grace.wait(waiting, |step| wait_fds(step, &on))?;
        if inet::is_over(&socket)? {
            return match inet::outcome(&socket, at) {
                Ok(()) => Ok(Some(socket)),
                Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::Disconnected) => Ok(None),
                Err(e) => Err(e),
            };
        }
        if wakers.iter().any(|waker| is_readable(*waker)) {
            return Ok(None);
        }
    }
}

/// Proves that we know the token once the listener has proven it, and says hello.
fn introduce(stream: Stream, at: SocketAddr, hello: &[u8], waiting: &mut Waiting<'_>) -> Result<Call> {
    if !stays_inside(at.ip()) {
        return hello::exchange(stream, hello, &[], waiting, &format_args!("tcp://{at}"));
    }
    let token = Token::of(&Directory::runtime()?)?;
    let (caller, first) = proof::Caller::begin()?;
    let shown = format_args!("tcp://{at}");
    let Some(heard) = hello::ask(&stream, &first, &[], waiting, &shown)? else { return Ok(Call::Busy) };
    if heard.answer.header.kind == Kind::Error {
        return Ok(Call::Answered(heard.over(stream)?));
    }
    let Some(proof) = caller.answer(&heard.answer, at, &token)? else { return Err(stranger(at, &token)) };
    let said = [&proof, hello].concat();
    hello::exchange(stream, &said, &[], waiting, &shown)
}

/// Says whose the listener is, as far as the kernel tells, and what would help.
fn stranger(at: SocketAddr, token: &Token) -> Error {
    let me = rustix::process::geteuid().as_raw();
    let whose = match inet::user_listening_at(at) {
        Some(uid) if uid == me => format!("a process of uid {me} with another runtime directory"),
        Some(uid) => format!("a process of uid {uid}"),
        None => "somebody".to_owned(),
    };
    let text = format!(
        "{whose} listens at {at} and does not know the token {} of uid {me}, so nothing was said to it; let both use one directory: LINKSPAN_DIR for one user, `linkspan setup --group NAME` for several",
        token.path.display()
    );
    Error::new(ErrorKind::PermissionDenied, text)
}

//! Connecting to a listener over TCP, once: the connection, the proof, then the hello.
//!
//! A name may have several addresses; the first that accepts the connection is used. The listener's
//! proof is checked before this side reveals anything that depends on the token, and before the
//! hello is sent.

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use rustix::event::PollFlags;

use super::address::{Address, is_loopback_address};
use super::proof;
use super::remote;
use super::token::TcpToken;
use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::Kind;
use crate::hello::{self, AnswerTimeout, Call};
use crate::stream::Stream;
use crate::sys::directory::Directory;
use crate::sys::fork::Guarded;
use crate::sys::inet;
use crate::sys::poll::{is_readable, wait_fds};

/// Connects to the listener at this address, once, and exchanges hellos. `NotListening` also where
/// one of `wakers` ended the wait.
///
/// # Errors
/// `PermissionDenied` where the listener does not have the token, or its key is not trusted;
/// `Stalled` where it does not answer in time.
pub fn call(
    address: &Address,
    hello: &[u8],
    wakers: &[BorrowedFd<'_>],
    waiting: &mut Waiting<'_>,
) -> Result<Call> {
    match first(address, true, wakers, waiting)? {
        Some((stream, at)) => prove_and_call(stream, at, hello, waiting),
        None => Ok(Call::NotListening),
    }
}

/// Connects to the listener at this address, once, and sends nothing.
pub fn connect(
    address: &Address,
    wakers: &[BorrowedFd<'_>],
    waiting: &mut Waiting<'_>,
) -> Result<Call<Stream>> {
    Ok(first(address, false, wakers, waiting)?
        .map_or(Call::NotListening, |(stream, _)| Call::Answered(stream)))
}

/// Connects to the first of its addresses at which a process listens.
fn first(
    address: &Address,
    expects_hello: bool,
    wakers: &[BorrowedFd<'_>],
    waiting: &mut Waiting<'_>,
) -> Result<Option<(Stream, SocketAddr)>> {
    let addresses = match address.resolve(wakers, waiting) {
        Ok(addresses) => addresses.unwrap_or_default(),
        // A name server may have the name later, so this error is not final.
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    for at in addresses {
        if let Some(stream) = connect_to(at, expects_hello, wakers, waiting)? {
            return Ok(Some((stream, at)));
        }
    }
    Ok(None)
}

/// Connects to this address; `None` where no process listens there or a waker ended the wait.
fn connect_to(
    at: SocketAddr,
    expects_hello: bool,
    wakers: &[BorrowedFd<'_>],
    waiting: &mut Waiting<'_>,
) -> Result<Option<Stream>> {
    may_connect(at, expects_hello)?;
    let socket = match inet::begin_connect(at) {
        Ok((socket, true)) => Some(socket),
        Ok((socket, false)) => finish(socket, at, wakers, waiting)?,
        Err(e) if e.kind() == ErrorKind::NotFound => None,
        Err(e) => return Err(e),
    };
    socket.map_or(Ok(None), |socket| connected(socket, at))
}

/// Checks what goes beyond this machine.
pub fn may_connect(at: SocketAddr, expects_hello: bool) -> Result<()> {
    if is_loopback_address(at.ip()) {
        return Ok(());
    }
    remote::check_framing(expects_hello)?;
    remote::check(&format!("a connection to {at}"))
}

/// Returns the stream over an established connection; `None` where no process listens there.
pub fn connected(socket: Guarded, at: SocketAddr) -> Result<Option<Stream>> {
    // Where no process listens at a port of the ephemeral range, the kernel may assign the same
    // port to this socket and connect it to itself.
    if inet::own_address(&socket)? == at {
        return Ok(None);
    }
    let inside = is_loopback_address(at.ip());
    Ok(Some(if inside { Stream::Inet(Arc::new(socket)) } else { remote::connecting(socket, at)? }))
}

/// Waits until a connection is established or has failed. A call without waiting still gives the
/// other machine the minimum answer time.
fn finish(
    socket: Guarded,
    at: SocketAddr,
    wakers: &[BorrowedFd<'_>],
    waiting: &mut Waiting<'_>,
) -> Result<Option<Guarded>> {
    let mut answer_timeout = AnswerTimeout::begin();
    loop {
        let mut on: Vec<_> = wakers.iter().map(|waker| (*waker, PollFlags::IN)).collect();
        on.push((socket.as_fd(), PollFlags::OUT));
        answer_timeout.wait(waiting, |step| wait_fds(step, &on))?;
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

/// Checks the listener's proof of the token, sends this side's together with the hello, and waits
/// for the answer. Beyond this machine TLS has already done that.
fn prove_and_call(stream: Stream, at: SocketAddr, hello: &[u8], waiting: &mut Waiting<'_>) -> Result<Call> {
    if !is_loopback_address(at.ip()) {
        return hello::exchange(stream, hello, &[], waiting, &format_args!("tcp://{at}"));
    }
    let token = TcpToken::of(&Directory::runtime()?)?;
    let (caller, first) = proof::Caller::begin()?;
    let shown = format_args!("tcp://{at}");
    let Some(answer) = hello::send_and_receive(&stream, &first, &[], waiting, &shown)? else {
        return Ok(Call::Busy);
    };
    if answer.answer.header.kind == Kind::Error {
        return Ok(Call::Answered(answer.over(stream)?));
    }
    let Some(proof) = caller.answer(&answer.answer, at, &token)? else {
        return Err(unknown_token(at, &token));
    };
    let frames = [&proof, hello].concat();
    hello::exchange(stream, &frames, &[], waiting, &shown)
}

/// Explains which listener does not have the token, as far as the kernel shows, and the remedy.
pub fn unknown_token(at: SocketAddr, token: &TcpToken) -> Error {
    let me = rustix::process::geteuid().as_raw();
    let whose = match inet::user_listening_at(at) {
        Some(uid) if uid == me => format!("a process of uid {me} with another runtime directory"),
        Some(uid) => format!("a process of uid {uid}"),
        None => "another program".to_owned(),
    };
    let text = format!(
        "{whose} listens at {at} and does not know the token {} of uid {me}, so nothing was sent to it; let both use one directory: LINKSPAN_DIR for one user, `linkspan setup --group NAME` for several",
        token.path.display()
    );
    Error::new(ErrorKind::PermissionDenied, text)
}

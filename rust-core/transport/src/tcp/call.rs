//! Connecting to a listener over TCP once, without a hello: for plain framing, and for probes.
//!
//! A name may have several addresses; the first that accepts the connection is used. `asking` shares some
//! functions.

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use rustix::event::PollFlags;

use super::address::{Address, is_loopback_address};
use super::remote;
use super::token::TcpToken;
use crate::deadline::Waiting;
use crate::error::{Error, ErrorKind, Result};
use crate::hello::Call;
use crate::stream::Stream;
use crate::sys::environment;
use crate::sys::fork::Guarded;
use crate::sys::inet;
use crate::sys::poll::{is_readable, wait_fds};

pub fn connect(
    address: &Address,
    wakers: &[BorrowedFd<'_>],
    waiting: &mut Waiting<'_>,
) -> Result<Call<Stream>> {
    Ok(first(address, wakers, waiting)?.map_or(Call::NotListening, Call::Answered))
}

fn first(address: &Address, wakers: &[BorrowedFd<'_>], waiting: &mut Waiting<'_>) -> Result<Option<Stream>> {
    let addresses = match address.resolve(wakers, waiting) {
        Ok(addresses) => addresses.unwrap_or_default(),
        // A name server may have the name later, so this error is not final.
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    for at in addresses {
        if let Some(stream) = connect_to(at, wakers, waiting)? {
            return Ok(Some(stream));
        }
    }
    Ok(None)
}

/// Connects to this address. `None` if no process listens there or a waker ended the wait.
fn connect_to(
    at: SocketAddr,
    wakers: &[BorrowedFd<'_>],
    waiting: &mut Waiting<'_>,
) -> Result<Option<Stream>> {
    may_connect(at, false)?;
    let socket = match inet::begin_connect(at) {
        Ok((socket, true)) => Some(socket),
        Ok((socket, false)) => finish(socket, at, wakers, waiting)?,
        Err(e) if e.kind() == ErrorKind::NotFound => None,
        Err(e) => return Err(e),
    };
    socket.map_or(Ok(None), |socket| connected(socket, at))
}

pub fn may_connect(at: SocketAddr, expects_hello: bool) -> Result<()> {
    if is_loopback_address(at.ip()) {
        return Ok(());
    }
    remote::check_framing(expects_hello)?;
    remote::check(&format!("a connection to {at}"))
}

pub fn connected(socket: Guarded, at: SocketAddr) -> Result<Option<Stream>> {
    // For an unused port of the ephemeral range, the kernel may assign that port to this socket and connect
    // it to itself.
    if inet::own_address(&socket)? == at {
        return Ok(None);
    }
    let inside = is_loopback_address(at.ip());
    Ok(Some(if inside { Stream::Inet(Arc::new(socket)) } else { remote::connecting(socket, at)? }))
}

fn finish(
    socket: Guarded,
    at: SocketAddr,
    wakers: &[BorrowedFd<'_>],
    waiting: &mut Waiting<'_>,
) -> Result<Option<Guarded>> {
    loop {
        let mut on: Vec<_> = wakers.iter().map(|waker| (*waker, PollFlags::IN)).collect();
        on.push((socket.as_fd(), PollFlags::OUT));
        wait_fds(waiting, &on)?;
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

/// Explains which listener lacks the token, if the kernel shows it, and the remedy.
pub fn unknown_token(at: SocketAddr, token: &TcpToken) -> Error {
    let me = rustix::process::geteuid().as_raw();
    let whose = match inet::user_listening_at(at) {
        Some(uid) if uid == me => format!("a process of uid {me} with another runtime directory"),
        Some(uid) => format!("a process of uid {uid}"),
        None => "another program".to_owned(),
    };
    let text = format!(
        "{whose} listens at {at} and does not know the token {} of uid {me}, so nothing was sent to it; let both use one directory: {}",
        token.path.display(),
        environment::advice(
            "LINKSPAN_DIR for one user, `linkspan setup --group NAME` for several",
            "`linkspan setup --group NAME` makes one for several users"
        )
    );
    Error::new(ErrorKind::PermissionDenied, text)
}

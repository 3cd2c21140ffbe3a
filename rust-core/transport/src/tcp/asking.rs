//! Connecting to a listener over TCP in steps: the connection, the proof, then the hello.
//!
//! No call waits; each step runs when its descriptor is ready. The listener's proof is checked before this
//! side sends the hello or reveals anything that depends on the token.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};

use super::address::{Address, is_loopback_address};
use super::call::{connected, may_connect, unknown_token};
use super::proof;
use super::token::TcpToken;
use crate::error::{ErrorKind, Result};
use crate::frame::Kind;
use crate::hello::{Asked, Call, Exchange, PendingCall, answered};
use crate::stream::Stream;
use crate::sys::directory::Directory;
use crate::sys::fork::Guarded;
use crate::sys::inet;
use crate::sys::poll::{Epoll, Interest};
use crate::sys::resolve::Lookup;

/// Begins to connect to the listener at this address, with this hello.
///
/// # Errors
/// `InvalidEndpoint` for port 0; errors of the kernel. With the answer: `PermissionDenied` if the listener
/// does not have the token, or its key is not trusted.
pub fn ask(address: &Address, hello: &[u8]) -> Result<Call<Asked>> {
    let mut call = TcpCall {
        address: address.clone(),
        hello: hello.to_owned(),
        set: Epoll::new()?,
        stage: Stage::Over,
        untried: VecDeque::new(),
    };
    match address.known()? {
        Some(addresses) => {
            call.untried = addresses.into();
            if let Some(Call::NotListening) = call.next_address()? {
                return Ok(Call::NotListening);
            }
        }
        None => call.enter(Stage::Resolving(address.look_up()?))?,
    }
    Ok(Call::Answered(Asked::new(call)))
}

struct TcpCall {
    address: Address,
    hello: Vec<u8>,
    /// Has the descriptor of the stage; it is readable when that descriptor is ready.
    set: Epoll,
    stage: Stage,
    untried: VecDeque<SocketAddr>,
}

enum Stage {
    Resolving(Lookup),
    Connecting(Guarded, SocketAddr),
    /// The listener must prove that it has the token.
    Proving(Exchange, proof::Caller, SocketAddr),
    Awaiting(Exchange),
    Over,
}

impl Stage {
    fn descriptor(&self) -> Option<(BorrowedFd<'_>, Interest)> {
        match self {
            Stage::Resolving(lookup) => Some((lookup.as_fd(), Interest::IN)),
            Stage::Connecting(socket, _) => Some((socket.as_fd(), Interest::OUT)),
            Stage::Proving(exchange, ..) | Stage::Awaiting(exchange) => {
                Some((exchange.descriptor(), Interest::IN))
            }
            Stage::Over => None,
        }
    }
}

impl TcpCall {
    fn enter(&mut self, stage: Stage) -> Result<()> {
        if let Some((descriptor, _)) = self.stage.descriptor() {
            self.set.remove(descriptor);
        }
        self.stage = stage;
        if let Some((descriptor, interest)) = self.stage.descriptor() {
            self.set.add(descriptor, 0, interest)?;
        }
        Ok(())
    }

    /// Begins to connect to the next address. `NotListening` after the last one.
    fn next_address(&mut self) -> Result<Option<Call>> {
        while let Some(at) = self.untried.pop_front() {
            may_connect(at, true)?;
            match inet::begin_connect(at) {
                Ok((socket, false)) => {
                    self.enter(Stage::Connecting(socket, at))?;
                    return Ok(None);
                }
                Ok((socket, true)) => {
                    if let Some(stream) = connected(socket, at)? {
                        self.send(stream, at)?;
                        return Ok(None);
                    }
                }
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
        self.enter(Stage::Over)?;
        Ok(Some(Call::NotListening))
    }

    fn send(&mut self, stream: Stream, at: SocketAddr) -> Result<()> {
        if !is_loopback_address(at.ip()) {
            let exchange = Exchange::begin(stream, &self.hello, &[])?;
            return self.enter(Stage::Awaiting(exchange));
        }
        let (caller, first) = proof::Caller::begin()?;
        let exchange = Exchange::begin(stream, &first, &[])?;
        self.enter(Stage::Proving(exchange, caller, at))
    }

    fn step_once(&mut self) -> Result<Step> {
        match &mut self.stage {
            Stage::Resolving(lookup) => match lookup.take() {
                None => Ok(Step::Wait),
                Some(Ok(addresses)) => {
                    self.untried = self.address.connectable(addresses).into();
                    self.next_address().map(Step::of)
                }
                // A name server may have the name later, so this error is not final.
                Some(Err(e)) if e.kind() == ErrorKind::NotFound => Ok(Step::Over(Call::NotListening)),
                Some(Err(e)) => Err(e),
            },
            Stage::Connecting(socket, at) => {
                if !inet::is_over(socket)? {
                    return Ok(Step::Wait);
                }
                let at = *at;
                match inet::outcome(socket, at) {
                    Ok(()) => {}
                    Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::Disconnected) => {
                        return self.next_address().map(Step::of);
                    }
                    Err(e) => return Err(e),
                }
                self.set.remove(socket.as_fd());
                let Stage::Connecting(socket, at) = std::mem::replace(&mut self.stage, Stage::Over) else {
                    return Ok(Step::Wait);
                };
                match connected(socket, at)? {
                    Some(stream) => self.send(stream, at).map(|()| Step::Next),
                    None => self.next_address().map(Step::of),
                }
            }
            Stage::Proving(exchange, caller, at) => {
                let (answer, stream) = match exchange.answer()? {
                    None => return Ok(Step::Wait),
                    Some(Call::Answered(answer)) => answer,
                    Some(_) => return Ok(Step::Over(Call::Busy)),
                };
                if answer.answer.header.kind == Kind::Error {
                    return Ok(Step::Over(answered(Call::Answered((answer, stream)))?));
                }
                let token = TcpToken::of(&Directory::runtime()?)?;
                let Some(proof) = caller.answer(&answer.answer, *at, &token)? else {
                    return Err(unknown_token(*at, &token));
                };
                let exchange = Exchange::begin(stream, &[&proof, &*self.hello].concat(), &[])?;
                self.enter(Stage::Awaiting(exchange)).map(|()| Step::Next)
            }
            Stage::Awaiting(exchange) => match exchange.answer()? {
                None => Ok(Step::Wait),
                Some(answer) => Ok(Step::Over(answered(answer)?)),
            },
            Stage::Over => Ok(Step::Over(Call::Busy)),
        }
    }
}

#[allow(clippy::large_enum_variant, reason = "taken apart at once")]
enum Step {
    Next,
    Wait,
    Over(Call),
}

impl Step {
    fn of(outcome: Option<Call>) -> Step {
        outcome.map_or(Step::Next, Step::Over)
    }
}

impl PendingCall for TcpCall {
    fn step(&mut self) -> Result<Option<Call>> {
        loop {
            match self.step_once()? {
                Step::Next => {}
                Step::Wait => return Ok(None),
                Step::Over(outcome) => return Ok(Some(outcome)),
            }
        }
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        self.set.as_fd()
    }

    fn shown(&self) -> String {
        format!("tcp://{}", self.address)
    }

    fn is_reached(&self) -> bool {
        !matches!(self.stage, Stage::Resolving(_) | Stage::Connecting(..))
    }
}

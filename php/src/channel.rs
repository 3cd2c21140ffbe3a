//! `Linkspan\Channel`, `Linkspan\Listener`, `Linkspan\Event`.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use ext_php_rs::boxed::ZBox;
use ext_php_rs::builders::{ClassBuilder, FunctionBuilder};
use ext_php_rs::flags::MethodFlags;
use ext_php_rs::prelude::*;
use ext_php_rs::types::{ZendHashTable, Zval};
use ext_php_rs::zend::{BailoutGuard, ExecuteData, run_handler};
use ext_php_rs::zend_fastcall;
use linkspan::{Error, ErrorKind, Result};

use crate::bytes_loan::{self, BytesLoan};
use crate::edge::{PhpResult, edge};
use crate::exception;
use crate::from_wire::table;
use crate::options::{self, Seconds, Waiter};
use crate::received::Message;
use crate::room::{OBJECT, Size, beyond_limit, is_roughly_object, objects_that_fit, within_limit};
use crate::scalars::{Text, Timestamp};
use crate::stream;
use crate::to_wire::PhpValue;
use crate::zend::{self, Made, made, try_made};

#[php_class]
#[php(name = "Linkspan\\Channel", modifier = with_destructor, flags = zend::FINAL)]
pub struct Channel {
    inner: Arc<linkspan::Channel>,
    waiter: Waiter,
}

/// A sent request, whose reply `finishCall` returns.
#[php_class]
#[php(name = "Linkspan\\PendingReply", flags = zend::FINAL)]
pub struct PendingReply(linkspan::PendingReply);

#[php_impl]
impl PendingReply {
    #[php(vis = "private")]
    pub fn __construct() -> PhpResult<Self> {
        edge(|| Err(Error::new(ErrorKind::InvalidState, "use Channel::startCall")))
    }
}

/// The most messages to take at once close to `memory_limit`.
const FEW: usize = 64;

/// The minimum size of an object in a list, in bytes.
const LEAST: usize = 80;
const _: () = assert!(is_roughly_object::<Message>());

/// Receives up to `max` messages as a list of objects; refuses a negative number like zero.
///
/// No exception loses received messages: close to `memory_limit`, it first reserves memory for fewer messages.
pub fn receive_many(
    max: i64,
    take: impl FnOnce(usize) -> Result<Vec<linkspan::Message>>,
) -> Result<ZBox<ZendHashTable>> {
    let max = usize::try_from(max).unwrap_or(0);
    let fit = objects_that_fit(max);
    let max = if fit < max.min(FEW) { has_room(max.min(FEW)).or_else(|_| has_room(1))? } else { fit };
    let taken = BailoutGuard::new(take(max)?);
    Ok(beyond_limit(Size::Roughly(taken.len().saturating_mul(OBJECT)), || {
        let mut list = ZendHashTable::with_capacity(u32::try_from(taken.len()).unwrap_or(u32::MAX));
        for message in taken.iter() {
            // Only a full table (2^63 entries) fails.
            let _ = list.push(made(|| Message(message.clone())));
        }
        list
    }))
}

/// Returns `count` if memory for a list of `count` objects is free.
fn has_room(count: usize) -> Result<usize> {
    let least = count.saturating_mul(LEAST);
    let refused = |least, left| {
        format!(
            "{count} messages take at least {least} bytes and memory_limit leaves {left}: raise it; no message was taken"
        )
    };
    let make = || {
        let mut list = ZendHashTable::with_capacity(u32::try_from(count).unwrap_or(u32::MAX));
        // The probe is freed at once; the received messages then take its memory.
        (0..count).for_each(|_| drop(list.push(zend::shell::<Message>())));
        list
    };
    within_limit(Size::Roughly(count.saturating_mul(OBJECT)), || least, refused, make).map(|_| count)
}

pub fn receive(take: impl FnOnce() -> Result<linkspan::Message>) -> Result<Made<Message>> {
    try_made(|| take().map(Message))
}

#[php_impl]
impl Channel {
    #[php(vis = "private")]
    pub fn __construct() -> PhpResult<Self> {
        edge(|| {
            Err(Error::new(
                ErrorKind::InvalidState,
                "use Channel::connect, Channel::open or Listener::accept",
            ))
        })
    }

    pub fn connect(endpoint: &str, options: &[&Zval]) -> PhpResult<Made<Channel>> {
        edge(|| {
            try_made(|| {
                let (options, waiter) = options::of_call(options)?;
                let inner = waiter
                    .wait(Seconds::DEFAULT, |wait| linkspan::Channel::connect(endpoint, &options, wait))?;
                Ok(Channel { inner: inner.into(), waiter })
            })
        })
    }

    pub fn persistent(endpoint: &str, options: &[&Zval]) -> PhpResult<Made<Channel>> {
        edge(|| {
            try_made(|| {
                let (options, waiter) = options::of_call(options)?;
                if waiter.on_unconsumed.is_some() {
                    let text = "a persistent channel outlives the script and its callbacks: use flush";
                    return Err(Error::new(ErrorKind::Unsupported, text).under_key("on_unconsumed"));
                }
                let inner = waiter
                    .wait(Seconds::DEFAULT, |wait| linkspan::Channel::persistent(endpoint, &options, wait))?;
                Ok(Channel { inner, waiter })
            })
        })
    }

    pub fn open(endpoint: &str, options: &[&Zval]) -> PhpResult<Made<Channel>> {
        edge(|| {
            try_made(|| {
                let (options, waiter) = options::of_call(options)?;
                let inner = waiter
                    .wait(Seconds::DEFAULT, |wait| linkspan::Channel::open(endpoint, &options, wait))?;
                Ok(Channel { inner: inner.into(), waiter })
            })
        })
    }

    #[php(defaults(timeout = Seconds::DEFAULT))]
    pub fn send(&self, value: &Zval, timeout: Seconds) -> PhpResult<i64> {
        edge(|| {
            let payload = self.inner.encode(&PhpValue(value))?;
            self.waiter.wait(timeout, |wait| self.inner.send_payload(&payload, wait)).map(|n| n as i64)
        })
    }

    #[php(defaults(timeout = Seconds::DEFAULT))]
    pub fn send_many(&self, values: &ZendHashTable, timeout: Seconds) -> PhpResult<i64> {
        edge(|| {
            let encoded = values.values().map(|value| self.inner.encode(&PhpValue(value)));
            self.waiter.wait(timeout, |wait| self.inner.send_encoded(encoded, wait)).map(|n| n as i64)
        })
    }

    #[php(defaults(max = 64, timeout = Seconds::DEFAULT))]
    pub fn recv_many(&self, max: i64, timeout: Seconds) -> PhpResult<ZBox<ZendHashTable>> {
        edge(|| receive_many(max, |most| self.waiter.wait(timeout, |wait| self.inner.recv_many(most, wait))))
    }

    pub fn try_send(&self, value: &Zval) -> PhpResult<i64> {
        edge(|| self.inner.try_send(&PhpValue(value)).map(|n| n as i64))
    }

    #[php(defaults(timeout = Seconds::DEFAULT))]
    pub fn recv(&self, timeout: Seconds) -> PhpResult<Made<Message>> {
        edge(|| receive(|| self.waiter.wait(timeout, |wait| self.inner.recv(wait))))
    }

    pub fn try_recv(&self) -> PhpResult<Made<Message>> {
        edge(|| receive(|| self.inner.try_recv()))
    }

    #[php(defaults(timeout = Seconds::DEFAULT))]
    pub fn call(&self, value: &Zval, timeout: Seconds) -> PhpResult<Made<Message>> {
        edge(|| {
            receive(|| {
                let payload = self.inner.encode(&PhpValue(value))?;
                self.waiter.wait(timeout, |wait| self.inner.call_payload(&payload, wait))
            })
        })
    }

    #[php(defaults(timeout = Seconds::DEFAULT))]
    pub fn start_call(&self, value: &Zval, timeout: Seconds) -> PhpResult<Made<PendingReply>> {
        edge(|| {
            try_made(|| {
                let payload = self.inner.encode(&PhpValue(value))?;
                self.waiter.wait(timeout, |wait| self.inner.start_call(&payload, wait)).map(PendingReply)
            })
        })
    }

    #[php(defaults(timeout = Seconds::DEFAULT))]
    pub fn finish_call(&self, pending: &PendingReply, timeout: Seconds) -> PhpResult<Made<Message>> {
        edge(|| receive(|| self.waiter.wait(timeout, |wait| self.inner.finish_call(&pending.0, wait))))
    }

    #[php(defaults(timeout = Seconds::DEFAULT))]
    pub fn reply(&self, request: &Message, value: &Zval, timeout: Seconds) -> PhpResult<()> {
        edge(|| self.waiter.wait(timeout, |wait| self.inner.reply(request.message(), &PhpValue(value), wait)))
    }

    pub fn loan_bytes(&self, length: i64) -> PhpResult<Made<BytesLoan>> {
        edge(|| bytes_loan::lent(|| self.inner.loan_bytes(bytes_loan::length(length)?)))
    }

    pub fn ack(&self) -> PhpResult<()> {
        edge(|| self.inner.ack())
    }
    pub fn poll(&self) -> PhpResult<bool> {
        edge(|| self.inner.poll())
    }
    pub fn writable(&self) -> PhpResult<bool> {
        edge(|| self.inner.writable())
    }
    pub fn events(&self) -> PhpResult<ZBox<ZendHashTable>> {
        edge(|| Ok(events(self.inner.events())))
    }
    pub fn role(&self) -> Text {
        Text::of(self.inner.role().name())
    }
    pub fn endpoint(&self) -> Text {
        Text::of(self.inner.endpoint())
    }
    pub fn fileno(&self) -> PhpResult<i64> {
        edge(|| self.inner.fileno().map(i64::from))
    }
    pub fn stream(&self) -> PhpResult<Zval> {
        edge(|| stream::of(self.inner.fileno()?))
    }
    pub fn stats(&self) -> PhpResult<ZBox<ZendHashTable>> {
        edge(|| table(&self.inner.stats()))
    }

    #[php(defaults(timeout = Seconds::DEFAULT))]
    pub fn flush(&self, timeout: Seconds) -> PhpResult<()> {
        edge(|| self.waiter.wait(timeout, |wait| self.inner.flush(wait)))
    }

    #[php(defaults(timeout = Seconds::DEFAULT))]
    pub fn close(&self, timeout: Seconds) -> PhpResult<()> {
        edge(|| self.waiter.wait(timeout, |wait| self.inner.close(wait)))
    }
}

/// Methods of `php_impl` throw for objects without a Rust part.
///
/// The engine also destructs those, after a failed connect or a refused clone.
fn with_destructor(class: ClassBuilder) -> ClassBuilder {
    class.method(FunctionBuilder::new("__destruct", destruct), MethodFlags::Public)
}

zend_fastcall! {
    extern fn destruct(ex: &mut ExecuteData, _retval: &mut Zval) {
        run_handler(AssertUnwindSafe(|| {
            let Some(channel) = ex.get_object::<Channel>() else { return };
            if let Err(failure) = edge(|| channel.waiter.report(|| channel.inner.linger())) {
                exception::throw(failure.0);
            }
        }));
    }
}

#[php_class]
#[php(name = "Linkspan\\Listener", flags = zend::FINAL)]
pub struct Listener {
    inner: linkspan::Listener,
    waiter: Waiter,
}

#[php_impl]
impl Listener {
    #[php(vis = "private")]
    pub fn __construct() -> PhpResult<Self> {
        edge(|| Err(Error::new(ErrorKind::InvalidState, "use Listener::listen")))
    }

    pub fn listen(endpoint: &str, options: &[&Zval]) -> PhpResult<Made<Listener>> {
        edge(|| {
            try_made(|| {
                let (options, waiter) = options::of_call(options)?;
                Ok(Listener { inner: linkspan::Listener::listen(endpoint, &options)?, waiter })
            })
        })
    }

    #[php(defaults(timeout = Seconds::DEFAULT))]
    pub fn accept(&self, timeout: Seconds) -> PhpResult<Made<Channel>> {
        edge(|| {
            try_made(|| {
                let inner = self.waiter.wait(timeout, |wait| self.inner.accept(wait))?;
                Ok(Channel { inner: inner.into(), waiter: self.waiter.again() })
            })
        })
    }

    pub fn endpoint(&self) -> Text {
        let endpoint = BailoutGuard::new(self.inner.endpoint());
        Text::of(endpoint.as_bytes())
    }
    pub fn fileno(&self) -> PhpResult<i64> {
        edge(|| self.inner.fileno().map(i64::from))
    }
    pub fn stream(&self) -> PhpResult<Zval> {
        edge(|| stream::of(self.inner.fileno()?))
    }
    pub fn events(&self) -> PhpResult<ZBox<ZendHashTable>> {
        edge(|| Ok(events(self.inner.events())))
    }
    pub fn stats(&self) -> PhpResult<ZBox<ZendHashTable>> {
        edge(|| table(&self.inner.stats()))
    }
    pub fn close(&self) {
        self.inner.close();
    }
}

#[php_class]
#[php(name = "Linkspan\\Event", flags = zend::FINAL)]
pub struct Event(linkspan::Event);

#[php_impl]
impl Event {
    #[php(vis = "private")]
    pub fn __construct() -> PhpResult<Self> {
        edge(|| Err(Error::new(ErrorKind::InvalidState, "events happen, they are not made")))
    }
    #[php(getter)]
    pub fn get_kind(&self) -> Text {
        Text::of(self.0.kind.name())
    }
    #[php(getter)]
    pub fn get_at(&self) -> Made<Timestamp> {
        made(|| Timestamp(self.0.at))
    }
    #[php(getter)]
    pub fn get_missed(&self) -> i64 {
        self.0.missed as i64
    }
    #[php(getter)]
    pub fn get_text(&self) -> Text {
        Text::of(&self.0.text)
    }
}

pub fn events(events: Vec<linkspan::Event>) -> ZBox<ZendHashTable> {
    let mut list = ZendHashTable::with_capacity(events.len() as u32);
    let events = BailoutGuard::new(events);
    for event in events.iter() {
        // Only a full table (2^63 entries) fails.
        let _ = list.push(made(|| Event(event.clone())));
    }
    list
}

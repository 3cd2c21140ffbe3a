//! The classes of what arrives: messages, requests, answers to commands. Their methods are in `message` and `service`.

use std::cell::Cell;

use ext_php_rs::prelude::*;
use ext_php_rs::zend::ce;
use linkspan::{Result, service};

use crate::zend;

/// `Linkspan\Message`: what arrived.
#[php_class]
#[php(name = "Linkspan\\Message", flags = zend::FINAL)]
#[php(implements(ce = ce::arrayaccess, stub = "\\ArrayAccess"))]
#[php(implements(ce = ce::countable, stub = "\\Countable"))]
#[php(implements(ce = ce::aggregate, stub = "\\IteratorAggregate"))]
#[php(implements(ce = zend::json_serializable, stub = "\\JsonSerializable"))]
pub struct Message(pub linkspan::Message);

/// `Linkspan\Request`: a message that waits for its answer; freed unanswered, it is answered `Remote`.
#[php_class]
#[php(name = "Linkspan\\Request", flags = zend::FINAL)]
#[php(implements(ce = ce::arrayaccess, stub = "\\ArrayAccess"))]
#[php(implements(ce = ce::countable, stub = "\\Countable"))]
#[php(implements(ce = ce::aggregate, stub = "\\IteratorAggregate"))]
#[php(implements(ce = zend::json_serializable, stub = "\\JsonSerializable"))]
pub struct Request {
    inner: linkspan::Request,
    /// Whether it was answered, or wants no answer.
    answered: Cell<bool>,
}

impl Message {
    /// The message of the core's.
    pub fn message(&self) -> &linkspan::Message {
        &self.0
    }
}

impl Request {
    /// A request that waits for its answer, or a message that wants none.
    pub fn new(inner: linkspan::Request) -> Request {
        Request { answered: Cell::new(!inner.wants_reply()), inner }
    }

    /// The message of the core's.
    pub fn message(&self) -> &linkspan::Message {
        self.inner.message()
    }

    /// The request of the core's.
    pub fn request(&self) -> &linkspan::Request {
        &self.inner
    }

    /// Whether no answer is awaited any more.
    pub fn is_settled(&self) -> bool {
        self.answered.get()
    }

    /// Answers by this function; the request is settled where that succeeds.
    pub fn settle(&self, send: impl FnOnce(&linkspan::Request) -> Result<()>) -> Result<()> {
        send(&self.inner).inspect(|()| self.answered.set(true))
    }
}

/// `Linkspan\Answer`: what has become of a command.
#[php_class]
#[php(name = "Linkspan\\Answer", flags = zend::FINAL)]
#[php(implements(ce = zend::json_serializable, stub = "\\JsonSerializable"))]
pub struct Answer(pub service::Answer);

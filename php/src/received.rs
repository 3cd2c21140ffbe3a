//! The classes of received objects; their methods are in `message` and `service`.

use std::cell::Cell;

use ext_php_rs::prelude::*;
use ext_php_rs::zend::ce;
use linkspan::{Result, service};

use crate::zend;

#[php_class]
#[php(name = "Linkspan\\Message", flags = zend::FINAL)]
#[php(implements(ce = ce::arrayaccess, stub = "\\ArrayAccess"))]
#[php(implements(ce = ce::countable, stub = "\\Countable"))]
#[php(implements(ce = ce::aggregate, stub = "\\IteratorAggregate"))]
#[php(implements(ce = zend::json_serializable, stub = "\\JsonSerializable"))]
pub struct Message(pub linkspan::Message);

/// A message that waits for its reply. Freed without one, it is answered `Remote`.
#[php_class]
#[php(name = "Linkspan\\Request", flags = zend::FINAL)]
#[php(implements(ce = ce::arrayaccess, stub = "\\ArrayAccess"))]
#[php(implements(ce = ce::countable, stub = "\\Countable"))]
#[php(implements(ce = ce::aggregate, stub = "\\IteratorAggregate"))]
#[php(implements(ce = zend::json_serializable, stub = "\\JsonSerializable"))]
pub struct Request {
    inner: linkspan::Request,
    /// Whether it was answered, or needs no reply.
    answered: Cell<bool>,
}

impl Message {
    pub fn message(&self) -> &linkspan::Message {
        &self.0
    }
}

impl Request {
    pub fn new(inner: linkspan::Request) -> Request {
        Request { answered: Cell::new(!inner.wants_reply()), inner }
    }

    pub fn message(&self) -> &linkspan::Message {
        self.inner.message()
    }

    pub fn request(&self) -> &linkspan::Request {
        &self.inner
    }

    pub fn is_settled(&self) -> bool {
        self.answered.get()
    }

    /// Answers with this function; success settles the request.
    pub fn settle(&self, send: impl FnOnce(&linkspan::Request) -> Result<()>) -> Result<()> {
        send(&self.inner).inspect(|()| self.answered.set(true))
    }
}

#[php_class]
#[php(name = "Linkspan\\Answer", flags = zend::FINAL)]
#[php(implements(ce = zend::json_serializable, stub = "\\JsonSerializable"))]
pub struct Answer(pub service::Answer);

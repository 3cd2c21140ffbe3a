//! `Linkspan\Watch`: the events of services.

use std::cell::Cell;
use std::rc::Rc;

use ext_php_rs::boxed::ZBox;
use ext_php_rs::prelude::*;
use ext_php_rs::types::{ZendHashTable, Zval};
use ext_php_rs::zend::ce;
use linkspan::service;
use linkspan::{Error, ErrorKind, Result, Value};

use crate::edge::{PhpResult, edge};
use crate::from_wire::{table_from, zval_from};
use crate::iteration::{Feed, Iteration};
use crate::options::{Seconds, Waiter};
use crate::stream;
use crate::zend::{self, Made, made};

pub struct SharedWatch {
    /// A separate connection without other requests.
    inner: service::Controller,
    waiter: Waiter,
    timeout: Seconds,
    closed: Cell<bool>,
}

impl SharedWatch {
    fn take(&self, timeout: Seconds) -> Result<Value> {
        self.waiter.wait(timeout.or_else(self.timeout), |wait| self.inner.next(wait))
    }
}

impl Feed for SharedWatch {
    /// Returns `None` after close.
    fn next_item(&self) -> Result<Option<Zval>> {
        if self.closed.get() {
            return Ok(None);
        }
        zval_from(self.take(Seconds::DEFAULT)?).map(Some)
    }
}

#[php_class]
#[php(name = "Linkspan\\Watch", flags = zend::FINAL)]
#[php(implements(ce = ce::aggregate, stub = "\\IteratorAggregate"))]
pub struct Watch(Rc<SharedWatch>);

impl Watch {
    /// The connection has already subscribed.
    pub fn new(inner: service::Controller, waiter: Waiter, timeout: Seconds) -> Watch {
        Watch(Rc::new(SharedWatch { inner, waiter, timeout, closed: Cell::new(false) }))
    }
}

#[php_impl]
impl Watch {
    #[php(vis = "private")]
    pub fn __construct() -> PhpResult<Self> {
        edge(|| Err(Error::new(ErrorKind::InvalidState, "use Controller::watch")))
    }

    #[php(defaults(timeout = Seconds::DEFAULT))]
    pub fn next(&self, timeout: Seconds) -> PhpResult<ZBox<ZendHashTable>> {
        edge(|| table_from(self.0.take(timeout)?))
    }

    pub fn get_iterator(&self) -> Made<Iteration> {
        made(|| Iteration::over(self.0.clone()))
    }

    pub fn fileno(&self) -> PhpResult<i64> {
        edge(|| self.0.inner.fileno().map(i64::from))
    }

    pub fn stream(&self) -> PhpResult<Zval> {
        edge(|| stream::of(self.0.inner.fileno()?))
    }

    pub fn close(&self) {
        self.0.closed.set(true);
        self.0.inner.close();
    }
}

//! `Linkspan\Iteration`: the iterator of `foreach` over a server, a subscriber, a watch or an array.

use std::cell::RefCell;
use std::rc::Rc;

use ext_php_rs::prelude::*;
use ext_php_rs::types::Zval;
use ext_php_rs::zend::ce;
use linkspan::{Error, ErrorKind, Result};

use crate::edge::{PhpResult, edge};
use crate::zend;

pub trait Feed {
    /// Waits for the next item; `None` at the end.
    fn next_item(&self) -> Result<Option<Zval>>;

    /// Goes back to the first item; false if the source does not keep its items.
    fn begin_again(&self) -> bool {
        false
    }
}

/// Waits for each item for ever, or for the time-out of a watch.
#[php_class]
#[php(name = "Linkspan\\Iteration", flags = zend::FINAL)]
#[php(implements(ce = ce::iterator, stub = "\\Iterator"))]
pub struct Iteration {
    feed: Rc<dyn Feed>,
    now: RefCell<Option<Zval>>,
    count: std::cell::Cell<i64>,
}

impl Iteration {
    pub fn over(feed: Rc<dyn Feed>) -> Iteration {
        Iteration { feed, now: RefCell::new(None), count: std::cell::Cell::new(-1) }
    }

    fn advance(&self) -> PhpResult<()> {
        // An unanswered request is answered before the wait for the next.
        drop(self.now.take());
        let next = edge(|| self.feed.next_item())?;
        self.count.set(self.count.get() + 1);
        self.now.replace(next);
        Ok(())
    }
}

#[php_impl]
impl Iteration {
    #[php(vis = "private")]
    pub fn __construct() -> PhpResult<Self> {
        edge(|| {
            Err(Error::new(
                ErrorKind::InvalidState,
                "iterate over a server, a subscriber, a watch or an array",
            ))
        })
    }
    pub fn rewind(&self) -> PhpResult<()> {
        if self.feed.begin_again() {
            self.count.set(-1);
        }
        self.advance()
    }
    pub fn next(&self) -> PhpResult<()> {
        self.advance()
    }
    pub fn valid(&self) -> bool {
        self.now.borrow().is_some()
    }
    pub fn current(&self) -> Zval {
        self.now.borrow().as_ref().map_or_else(Zval::null, Zval::shallow_clone)
    }
    pub fn key(&self) -> Zval {
        let mut zval = Zval::new();
        zval.set_long(self.count.get());
        zval
    }
}

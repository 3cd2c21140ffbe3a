//! `Linkspan\BytesLoan`: lent memory, into which a program copies bytes piece by piece.

use std::cell::RefCell;

use ext_php_rs::prelude::*;
use ext_php_rs::types::Zval;
use ext_php_rs::zend::ce;
use linkspan::value::Sink;
use linkspan::{Error, ErrorKind, Result};

use crate::edge::{PhpResult, edge};
use crate::scalars::{AnyString, base64_of};
use crate::zend::{self, Made, try_made};

#[php_class]
#[php(name = "Linkspan\\BytesLoan", flags = zend::FINAL)]
#[php(implements(ce = ce::countable, stub = "\\Countable"))]
#[php(implements(ce = zend::json_serializable, stub = "\\JsonSerializable"))]
pub struct BytesLoan(RefCell<Content>);

enum Content {
    /// The program writes into it.
    Written(linkspan::BytesLoan),
    /// A message took it.
    Sent(bytes::Bytes),
}

pub fn lent(lend: impl FnOnce() -> Result<linkspan::BytesLoan>) -> Result<Made<BytesLoan>> {
    try_made(|| Ok(BytesLoan(RefCell::new(Content::Written(lend()?)))))
}

/// Fails with `OutOfRange` for a negative length.
pub fn length(number: i64) -> Result<usize> {
    usize::try_from(number).map_err(|_| {
        Error::new(ErrorKind::OutOfRange, format!("a length of {number} bytes: give a number from 0 upwards"))
    })
}

impl BytesLoan {
    /// Sends the bytes from the loan, which refuses further writes.
    pub fn walk<S: Sink + ?Sized>(&self, sink: &mut S) -> Result<()> {
        let taken = self.0.replace(Content::Sent(bytes::Bytes::new()));
        let bytes = match taken {
            Content::Written(lent) => lent.into_bytes(),
            Content::Sent(bytes) => bytes,
        };
        self.0.replace(Content::Sent(bytes.clone()));
        sink.bytes(&bytes)
    }

    fn change(&self, change: impl FnOnce(&mut linkspan::BytesLoan) -> Result<()>) -> Result<()> {
        match &mut *self.0.borrow_mut() {
            Content::Written(lent) => change(lent),
            Content::Sent(_) => {
                let text = "this loan was encoded, and what is sent does not change: lend another one";
                Err(Error::new(ErrorKind::InvalidState, text))
            }
        }
    }
}

#[php_impl]
impl BytesLoan {
    #[php(vis = "private")]
    pub fn __construct() -> PhpResult<Self> {
        edge(|| {
            Err(Error::new(ErrorKind::InvalidState, "use loanBytes of a channel, a publisher or a request"))
        })
    }

    pub fn json_serialize(&self) -> PhpResult<Zval> {
        edge(|| match &*self.0.borrow() {
            Content::Written(lent) => base64_of(lent),
            Content::Sent(bytes) => base64_of(bytes),
        })
    }

    #[php(defaults(offset = 0))]
    pub fn write(&self, bytes: AnyString<'_>, offset: i64) -> PhpResult<()> {
        edge(|| {
            self.change(|lent| {
                let all = lent.len();
                let end = |from: usize| Some(from..from.checked_add(bytes.0.len())?);
                let to = usize::try_from(offset).ok().and_then(end).and_then(|place| lent.get_mut(place));
                let Some(to) = to else {
                    let text =
                        format!("{} bytes at {offset} are not within the loan of {all} bytes", bytes.0.len());
                    return Err(Error::new(ErrorKind::OutOfRange, text));
                };
                to.copy_from_slice(bytes.0);
                Ok(())
            })
        })
    }

    pub fn truncate(&self, length: i64) -> PhpResult<()> {
        edge(|| {
            let length = self::length(length)?;
            self.change(|lent| lent.truncate(length))
        })
    }

    pub fn count(&self) -> i64 {
        match &*self.0.borrow() {
            Content::Written(lent) => lent.len() as i64,
            Content::Sent(bytes) => bytes.len() as i64,
        }
    }
}

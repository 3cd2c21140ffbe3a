//! `Linkspan\Message`, and `Linkspan\Request`, which is one that waits for its answer.

use std::cell::Cell;

use ext_php_rs::exception::PhpResult;
use ext_php_rs::prelude::*;
use ext_php_rs::types::Zval;
use ext_php_rs::zend::ce;
use linkspan::{Error, ErrorKind, RemoteFailure, Result, Value};

use crate::codec::Encoding;
use crate::edge::edge;
use crate::from_wire;
use crate::scalars::{Text, Timestamp};
use crate::tape::Tape;
use crate::to_wire::PhpValue;
use crate::zend::{self, Made, made};

/// `Linkspan\Message`: what arrived.
#[php_class]
#[php(name = "Linkspan\\Message", flags = zend::FINAL)]
#[php(implements(ce = ce::arrayaccess, stub = "\\ArrayAccess"))]
#[php(implements(ce = zend::json_serializable, stub = "\\JsonSerializable"))]
pub struct Message(pub linkspan::Message);

/// `Linkspan\Request`: a message that waits for its answer; freed unanswered, it is answered `Remote`.
#[php_class]
#[php(name = "Linkspan\\Request", flags = zend::FINAL)]
#[php(implements(ce = ce::arrayaccess, stub = "\\ArrayAccess"))]
#[php(implements(ce = zend::json_serializable, stub = "\\JsonSerializable"))]
pub struct Request {
    inner: linkspan::Request,
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

    /// Whether nobody waits for an answer any more.
    pub fn is_settled(&self) -> bool {
        self.answered.get()
    }

    /// Answers with a value of PHP's.
    pub fn answer(&self, value: &Zval) -> Result<()> {
        self.inner.reply(&PhpValue(value)).inspect(|()| self.answered.set(true))
    }

    /// Answers that it failed.
    pub fn refuse(&self, failure: &RemoteFailure) -> Result<()> {
        self.inner.fail(failure).inspect(|()| self.answered.set(true))
    }
}

/// What a message has, for each of the two classes: PHP's methods cannot be shared between final classes.
macro_rules! reads_as_a_message {
    ($class:ident { $($own:tt)* }) => {
        #[php_impl]
        impl $class {
            #[php(vis = "private")]
            pub fn __construct() -> PhpResult<Self> {
                edge(|| Err(Error::new(ErrorKind::InvalidState, "messages arrive, they are not made")))
            }
            #[php(getter)]
            pub fn get_value(&self) -> PhpResult<Zval> {
                edge(|| {
                    let message = self.message();
                    from_wire::zval(message.walk_into(Tape::sharing(message.body().clone()))?)
                })
            }
            #[php(getter)]
            pub fn get_sequence(&self) -> i64 {
                self.message().sequence() as i64
            }
            #[php(getter)]
            pub fn get_sent(&self) -> Made<Timestamp> {
                made(|| Timestamp(self.message().sent()))
            }
            #[php(getter)]
            pub fn get_source(&self) -> Text {
                Text::of(self.message().source())
            }
            #[php(getter)]
            pub fn get_encoding(&self) -> Encoding {
                self.message().encoding().into()
            }
            #[php(getter)]
            pub fn get_missed(&self) -> i64 {
                self.message().missed() as i64
            }
            pub fn get(&self, path: &str) -> PhpResult<Zval> {
                edge(|| from_wire::zval_of(self.message().get(path)?))
            }
            pub fn offset_exists(&self, offset: &Zval) -> PhpResult<bool> {
                edge(|| Ok(member(self.message().value()?, offset).is_ok_and(|v| !matches!(v, Value::Null))))
            }
            pub fn offset_get(&self, offset: &Zval) -> PhpResult<Zval> {
                edge(|| from_wire::zval_of(member(self.message().value()?, offset)?))
            }
            pub fn offset_set(&self, offset: &Zval, value: &Zval) -> PhpResult<()> {
                let _ = (offset, value);
                edge(|| Err(read_only()))
            }
            pub fn offset_unset(&self, offset: &Zval) -> PhpResult<()> {
                let _ = offset;
                edge(|| Err(read_only()))
            }
            pub fn wants_reply(&self) -> bool {
                self.message().is_request()
            }
            pub fn json_serialize(&self) -> PhpResult<Zval> {
                self.get_value()
            }
            $($own)*
        }
    };
}

reads_as_a_message!(Message {});

reads_as_a_message!(Request {
    pub fn reply(&self, value: &Zval) -> PhpResult<()> {
        edge(|| self.answer(value))
    }

    pub fn ack(&self) {
        self.inner.ack();
    }

    #[php(defaults(code = HANDLER_FAILED, r#type = "\"\""), optional = r#type)]
    pub fn fail(&self, text: &str, r#type: &str, code: i64, data: Option<&Zval>) -> PhpResult<()> {
        edge(|| {
            let data = match data {
                Some(data) => linkspan::codec::encode(&PhpValue(data), linkspan::Encoding::Cbor)?,
                None => Vec::new(),
            };
            self.refuse(&RemoteFailure { code, kind: r#type.to_owned(), text: text.to_owned(), data })
        })
    }
});

/// JSON-RPC 2.0's "internal error".
pub const HANDLER_FAILED: i64 = -32603;

fn read_only() -> Error {
    Error::new(ErrorKind::InvalidState, "a message is read-only: change its value and send that")
}

/// The value that `$message[offset]` means: one key or one position, never a path.
fn member<'m>(value: &'m Value, offset: &Zval) -> Result<&'m Value> {
    let mut digits = itoa::Buffer::new();
    let key = match (offset.long(), offset.str()) {
        (Some(number), _) => digits.format(number),
        (None, Some(text)) => text,
        (None, None) => {
            return Err(Error::new(ErrorKind::WrongType, "a key of a message is a string or an integer"));
        }
    };
    match value {
        Value::Map(map) if key.is_empty() => {
            map.get(key).ok_or_else(|| Error::new(ErrorKind::Missing, "no value for the empty key"))
        }
        _ => value.at(&key.replace('~', "~0").replace('/', "~1")),
    }
}

//! The methods of `Linkspan\Message`, and of `Linkspan\Request`, a message that waits for its reply.

use ext_php_rs::convert::IntoZval;
use ext_php_rs::error::Error as Problem;
use ext_php_rs::flags::DataType;
use ext_php_rs::prelude::*;
use ext_php_rs::types::{ZendHashTable, Zval};
use ext_php_rs::zend::ClassEntry;
use linkspan::{Error, ErrorKind, RemoteFailure, Result, Value};

use crate::bytes_loan::{self, BytesLoan};
use crate::call::call_php;
use crate::edge::{PhpResult, edge};
use crate::encoding::Encoding;
use crate::exception::HANDLER_FAILED;
use crate::from_wire;
use crate::json;
use crate::received::{Message, Request};
use crate::room::{Size, within_limit};
use crate::scalars::{AnyString, Text, Timestamp};
use crate::to_wire::PhpValue;
use crate::zend::{Made, made};

impl Request {
    pub fn answer(&self, value: &Zval) -> Result<()> {
        self.settle(|request| request.reply(&PhpValue(value)))
    }

    pub fn refuse(&self, failure: &RemoteFailure) -> Result<()> {
        self.settle(|request| request.fail(failure))
    }
}

/// PHP cannot share methods between final classes.
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
                edge(|| from_wire::zval_of_message(self.message()))
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
            pub fn get_name(&self) -> Option<Text> {
                self.message().name().map(Text::of)
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
            pub fn count(&self) -> PhpResult<i64> {
                edge(|| count(self.message().value()?))
            }
            pub fn get_iterator(&self) -> PhpResult<ArrayIterator> {
                edge(|| {
                    count(self.message().value()?)?;
                    ArrayIterator::over(self.message())
                })
            }
            pub fn check_fingerprint(&self, fingerprint: &str) -> PhpResult<()> {
                edge(|| self.message().check_fingerprint(fingerprint))
            }
            pub fn wants_reply(&self) -> bool {
                self.message().is_request()
            }
            pub fn json_serialize(&self) -> PhpResult<Zval> {
                edge(|| {
                    let value = from_wire::zval_of_message(self.message())?;
                    json::with_room_for_text(|| json::finite(&value))
                })
            }
            pub fn __to_string(&self) -> PhpResult<Text> {
                edge(|| json::printed(&from_wire::zval_of_message(self.message())?))
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

    pub fn ack(&self) -> PhpResult<()> {
        edge(|| self.request().ack())
    }

    pub fn loan_bytes(&self, length: i64) -> PhpResult<Made<BytesLoan>> {
        edge(|| bytes_loan::lent(|| self.request().loan_bytes(bytes_loan::length(length)?)))
    }

    #[php(defaults(code = HANDLER_FAILED, r#type = "\"\""), optional = r#type)]
    pub fn fail(
        &self,
        text: AnyString<'_>,
        r#type: &str,
        code: i64,
        data: Option<&Zval>,
    ) -> PhpResult<()> {
        edge(|| {
            let data = match data {
                Some(data) => linkspan::codec::encode(&PhpValue(data), linkspan::Encoding::Cbor)?,
                None => Vec::new(),
            };
            let text = String::from_utf8_lossy(text.0).into_owned();
            self.refuse(&RemoteFailure { code, kind: r#type.to_owned(), text, data })
        })
    }
});

/// The number of entries or items of a value, or the length of its first dimension.
fn count(value: &Value) -> Result<i64> {
    let count = match value {
        Value::Map(map) => Some(map.len() as u64),
        Value::Array(items) => Some(items.len() as u64),
        Value::NdArray(array) => array.shape.first().copied(),
        _ => None,
    };
    count.and_then(|count| i64::try_from(count).ok()).ok_or_else(|| {
        let text =
            format!("the message holds {}, which has no entries to count or to walk", value.type_name());
        Error::new(ErrorKind::WrongType, text)
    })
}

pub struct ArrayIterator(Zval);

impl ArrayIterator {
    fn over(message: &linkspan::Message) -> Result<ArrayIterator> {
        let value = message.value()?;
        let refused = |_, left| {
            format!(
                "the entries of the message take more than the {left} bytes that memory_limit leaves: raise it"
            )
        };
        within_limit(
            Size::Unknown,
            || 0,
            refused,
            || {
                let whole = from_wire::zval_of_message(message)?;
                let entries = match value {
                    Value::NdArray(array) => positions(&whole, array)?,
                    _ => whole,
                };
                call_php(|| {
                    let class = ClassEntry::try_find("ArrayIterator").ok_or(Problem::InvalidScope)?;
                    let object = class.new();
                    object.try_call_method("__construct", vec![&entries])?;
                    Ok(ArrayIterator(object.into_zval(false)?))
                })?
                .map_err(failed)
            },
        )?
    }
}

/// The values of `$array[0]`, `$array[1]` and the other positions.
fn positions(whole: &Zval, array: &linkspan::NdArray) -> Result<Zval> {
    let object =
        whole.object().ok_or_else(|| Error::new(ErrorKind::Internal, "an array is not an object"))?;
    let length = array.shape.first().copied().unwrap_or(0);
    // Numbers, or arrays, which are objects.
    let item: usize = if array.shape.len() == 1 { 16 } else { 80 };
    let least = item.saturating_mul(usize::try_from(length).unwrap_or(usize::MAX));
    let refused = |least, left| {
        format!(
            "the {length} items of the array take at least {least} bytes and memory_limit leaves {left}: raise it, or iterate over $message->value"
        )
    };
    within_limit(
        Size::Unknown,
        || least,
        refused,
        || {
            call_php(|| {
                let mut items = ZendHashTable::new();
                for i in 0..length {
                    items.push(object.try_call_method("offsetGet", vec![&(i as i64)])?)?;
                }
                let mut entries = Zval::new();
                entries.set_hashtable(items);
                Ok(entries)
            })
        },
    )??
    .map_err(failed)
}

fn failed(error: Problem) -> Error {
    Error::new(ErrorKind::Internal, format!("PHP could not read the value: {error}"))
}

impl IntoZval for ArrayIterator {
    const TYPE: DataType = DataType::object("ArrayIterator");
    const NULLABLE: bool = false;

    fn set_zval(self, zval: &mut Zval, _: bool) -> ext_php_rs::error::Result<()> {
        *zval = self.0;
        Ok(())
    }
}

fn read_only() -> Error {
    Error::new(ErrorKind::InvalidState, "a message is read-only: change its value and send that")
}

/// `$message[offset]` has one key or one position, never a path.
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

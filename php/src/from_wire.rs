//! Converts core values to PHP values.
//!
//! No frame here owns Rust memory while PHP allocates: a fatal error may jump out.

use ext_php_rs::boxed::ZBox;
use ext_php_rs::convert::IntoZval;
use ext_php_rs::types::{ZendHashTable, ZendObject, ZendStr, Zval};
use ext_php_rs::zend::BailoutGuard;
use linkspan::value::Source;
use linkspan::{Error, ErrorKind, Message, Result, Value};

use crate::classes::{Class, ClassPlan};
use crate::ndarray::NdArray;
use crate::room::{self, Size, is_roughly_object, within_limit};
use crate::scalars::{BigInt, Bytes, Decimal, Text, Timestamp, Uuid};
use crate::tape::{Node, Tape};
use crate::utf8;
use crate::zend::{self, insert, into_zval, made};

/// The approximate PHP memory of one event of a tape, in bytes: at most an object.
const ROUGHLY_PER_NODE: usize = room::OBJECT;
const _: () = assert!(
    is_roughly_object::<Bytes>()
        && is_roughly_object::<Timestamp>()
        && is_roughly_object::<NdArray>()
        && is_roughly_object::<Decimal>()
        && is_roughly_object::<Uuid>()
        && is_roughly_object::<BigInt>()
);

/// Fails with `OutOfMemory` if the value exceeds memory_limit.
pub fn zval(tape: Tape) -> Result<Zval> {
    with_room_for(tape, |tape| Reader::new(tape, &[], &[]).zval())
}

/// Fails with `OutOfMemory` if the value exceeds memory_limit.
pub fn instance(tape: Tape, plan: &ClassPlan) -> Result<Zval> {
    with_room_for(tape, |tape| Reader::new(tape, &plan.classes, &plan.members).zval())
}

pub fn zval_of_message(message: &Message) -> Result<Zval> {
    // PHP gets a single text without a tape.
    if let Some(text) = message.text_alone().filter(|text| utf8::is_valid(text)) {
        return Text::within_limit(text).map(Text::into_value);
    }
    zval(message.walk_into(Tape::sharing(message.memory().clone()))?)
}

pub fn zval_of(value: &Value) -> Result<Zval> {
    zval(tape_of(value)?)
}

/// Drops the core value before PHP allocates.
pub fn zval_from(value: Value) -> Result<Zval> {
    let tape = tape_of(&value)?;
    drop(value);
    zval(tape)
}

pub fn table(value: &Value) -> Result<ZBox<ZendHashTable>> {
    array_of(tape_of(value)?)
}

/// Drops the core value before PHP allocates.
pub fn table_from(value: Value) -> Result<ZBox<ZendHashTable>> {
    let tape = tape_of(&value)?;
    drop(value);
    array_of(tape)
}

fn tape_of(value: &Value) -> Result<Tape> {
    let mut tape = Tape::default();
    value.walk(&mut tape)?;
    Ok(tape)
}

/// The tape outlives a fatal error.
fn with_room_for<T>(tape: Tape, make: impl FnOnce(&Tape) -> T) -> Result<T> {
    let size = Size::Roughly(tape.text.len() + tape.nodes.len() * ROUGHLY_PER_NODE);
    let tape = BailoutGuard::new(tape);
    let refused = |least, left| {
        format!(
            "the value takes at least {least} bytes and memory_limit leaves {left}, of which PHP takes pages and whole chunks of 2 MiB: raise it, or ask for less at once"
        )
    };
    let made = within_limit(size, || tape.memory(), refused, || make(&tape));
    tape.into_inner().recycle();
    made
}

fn array_of(tape: Tape) -> Result<ZBox<ZendHashTable>> {
    with_room_for(tape, |tape| {
        let mut reader = Reader::new(tape, &[], &[]);
        match reader.nodes.next() {
            Some(Node::Map { len, .. }) => Ok(reader.array(*len)),
            Some(Node::Array(len)) => Ok(reader.list(*len)),
            _ => Err(Error::new(ErrorKind::Malformed, "what came is neither a map nor an array")),
        }
    })?
}

struct Reader<'a> {
    nodes: std::slice::Iter<'a, Node>,
    text: &'a str,
    at: usize,
    classes: &'a [Class],
    members: &'a [Zval],
}

impl<'a> Reader<'a> {
    fn new(tape: &'a Tape, classes: &'a [Class], members: &'a [Zval]) -> Reader<'a> {
        Reader { nodes: tape.nodes.iter(), text: &tape.text, at: 0, classes, members }
    }

    fn text_to(&mut self, end: usize) -> &'a str {
        let text = &self.text[self.at..end];
        self.at = end;
        text
    }

    fn key(&mut self) -> &'a str {
        match self.nodes.next() {
            Some(Node::Key(end)) => self.text_to(*end),
            _ => unreachable!("a key stands before each value of a map"),
        }
    }

    fn zval(&mut self) -> Zval {
        let mut zval = Zval::new();
        match self.nodes.next() {
            // The last three occur only before values or in records, and are read there.
            None | Some(Node::Null | Node::Field(_) | Node::Absent(_) | Node::EndRecord) => zval.set_null(),
            Some(Node::Bool(v)) => zval.set_bool(*v),
            Some(Node::Int(v)) => zval.set_long(*v),
            Some(Node::Float(v)) => zval.set_double(*v),
            Some(Node::Text(end)) | Some(Node::Key(end)) => {
                zval.set_zend_string(ZendStr::new(self.text_to(*end), false));
            }
            Some(Node::Array(len)) => zval.set_hashtable(self.list(*len)),
            Some(Node::Map { len, like_a_list: true }) => {
                // A stdClass accepts any property name that does not begin with NUL; these are digits.
                let _ = self.object(*len).set_zval(&mut zval, false);
            }
            Some(Node::Map { len, like_a_list: false }) => zval.set_hashtable(self.array(*len)),
            Some(Node::Other(value)) => return of_a_class(value),
            Some(Node::Member(number)) => return self.members[*number as usize].shallow_clone(),
            Some(Node::Record(number)) => return self.instance(&self.classes[*number as usize]),
        }
        zval
    }

    fn list(&mut self, len: usize) -> ZBox<ZendHashTable> {
        let mut table = table_for(len);
        for _ in 0..len {
            // Only a full table (2^63 entries) fails.
            let _ = table.push(self.zval());
        }
        table
    }

    fn array(&mut self, len: usize) -> ZBox<ZendHashTable> {
        let mut table = table_for(len);
        for _ in 0..len {
            let key = self.key();
            let value = self.zval();
            match integer(key) {
                Some(number) => {
                    let _ = table.insert_at_index(number, value);
                }
                None => insert(&mut table, key.as_bytes(), value),
            }
        }
        table
    }

    fn instance(&mut self, class: &'a Class) -> Zval {
        // If PHP refuses a value, it throws after this function has returned.
        let mut instance = zend::instance(class.entry);
        loop {
            let (at, value) = match self.nodes.next() {
                Some(Node::Field(at)) => (*at, self.zval()),
                Some(Node::Absent(at)) => {
                    (*at, class.properties[*at].1.as_ref().map_or_else(Zval::null, Zval::shallow_clone))
                }
                _ => return instance,
            };
            if let Some(object) = instance.object_mut() {
                class.properties[at].0.set(object, value);
            }
        }
    }

    fn object(&mut self, len: usize) -> ZBox<ZendObject> {
        let mut object = ZendObject::new_stdclass();
        for _ in 0..len {
            let key = self.key();
            let _ = object.set_property(key, self.zval());
        }
        object
    }
}

fn of_a_class(value: &Value) -> Zval {
    match value {
        Value::Bytes(v) => into_zval(made(|| Bytes::new(v.clone()))),
        Value::Timestamp(v) => into_zval(made(|| Timestamp(*v))),
        Value::NdArray(v) => into_zval(made(|| NdArray(v.clone()))),
        Value::Decimal(v) => into_zval(made(|| Decimal(v.clone()))),
        Value::Uuid(v) => into_zval(made(|| Uuid(*v))),
        integer => into_zval(made(|| BigInt(integer.clone()))),
    }
}

fn table_for(len: usize) -> ZBox<ZendHashTable> {
    ZendHashTable::with_capacity(u32::try_from(len).unwrap_or(u32::MAX))
}

/// Returns the integer to which PHP converts a key: the shortest decimal text of a 64-bit integer.
fn integer(key: &str) -> Option<i64> {
    let digits = key.strip_prefix('-').unwrap_or(key);
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let number = key.parse::<i64>().ok()?;
    (itoa::Buffer::new().format(number) == key).then_some(number)
}

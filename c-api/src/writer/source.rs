//! A sink that puts the values of a source into a writer.

use linkspan::value::{Decimal, NdArrayRef, Sink};
use linkspan::{BigInt, Result, Timestamp};

use super::state::Writer;
use crate::tape::{Event, Tape};

/// A sink that puts values into a writer: the first one with the given key.
pub(super) struct Putting<'a> {
    pub(super) writer: &'a mut Writer,
    pub(super) key: Option<String>,
}

impl Putting<'_> {
    fn put(&mut self, event: impl FnOnce(&mut Tape) -> Event) -> Result<()> {
        let key = self.writer.place(self.key.take().as_deref())?;
        let event = event(&mut self.writer.tape);
        self.writer.tape.push(key, event);
        Ok(())
    }
}

impl Sink for Putting<'_> {
    fn null(&mut self) -> Result<()> {
        self.put(|_| Event::Null)
    }
    fn bool(&mut self, value: bool) -> Result<()> {
        self.put(|_| Event::Bool(value))
    }
    fn int(&mut self, value: i64) -> Result<()> {
        self.put(|_| Event::Int(value))
    }
    fn uint(&mut self, value: u64) -> Result<()> {
        self.put(|_| Event::Uint(value))
    }
    fn big_int(&mut self, value: &BigInt) -> Result<()> {
        self.put(|tape| Event::BigInt(value.is_negative(), tape.keep(value.magnitude())))
    }
    fn float(&mut self, value: f64) -> Result<()> {
        self.put(|_| Event::Float(value))
    }
    fn text(&mut self, value: &str) -> Result<()> {
        self.put(|tape| Event::Text(tape.keep(value.as_bytes())))
    }
    fn bytes(&mut self, value: &[u8]) -> Result<()> {
        self.put(|tape| Event::Bytes(tape.keep(value)))
    }
    fn timestamp(&mut self, value: Timestamp) -> Result<()> {
        self.put(|_| Event::Timestamp(value.nanoseconds()))
    }
    fn uuid(&mut self, value: [u8; 16]) -> Result<()> {
        self.put(|_| Event::Uuid(value))
    }
    fn decimal(&mut self, value: &Decimal) -> Result<()> {
        self.put(|tape| Event::Decimal(tape.keep(value.as_str().as_bytes())))
    }
    fn ndarray(&mut self, value: NdArrayRef<'_>) -> Result<()> {
        let key = self.writer.place(self.key.take().as_deref())?;
        self.writer.tape.push_array(key, value)
    }
    fn begin_array(&mut self, _: usize) -> Result<()> {
        self.writer.begin(self.key.take().as_deref(), false)
    }
    fn end_array(&mut self) -> Result<()> {
        self.writer.end()
    }
    fn begin_map(&mut self, _: usize) -> Result<()> {
        self.writer.begin(self.key.take().as_deref(), true)
    }
    fn key(&mut self, key: &str) -> Result<()> {
        self.key = Some(key.to_owned());
        Ok(())
    }
    fn end_map(&mut self) -> Result<()> {
        self.writer.end()
    }
}

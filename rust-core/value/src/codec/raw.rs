//! The raw encoding: value and message are one block of bytes.
//!
//! It is for programs with an encoding of their own.

use super::output::Output;
use crate::error::{Error, ErrorKind, Result};
use crate::value::{BigInt, Decimal, NdArrayRef, Sink, Timestamp};

pub(crate) struct Encoder<'a> {
    out: Output<'a>,
}

impl<'a> Encoder<'a> {
    pub(crate) fn new(out: Output<'a>) -> Encoder<'a> {
        Encoder { out }
    }

    pub(crate) fn finish(&self) -> Result<()> {
        self.out.finish()
    }
}

#[cold]
fn refuse(what: &str) -> Result<()> {
    let text =
        format!("the raw encoding carries bytes alone, {what} was given; choose cbor, json, bson or smile");
    Err(Error::new(ErrorKind::Unsupported, text))
}

impl Sink for Encoder<'_> {
    fn bytes(&mut self, value: &[u8]) -> Result<()> {
        self.out.byte_string(value)
    }
    fn null(&mut self) -> Result<()> {
        refuse("null")
    }
    fn bool(&mut self, _: bool) -> Result<()> {
        refuse("a bool")
    }
    fn int(&mut self, _: i64) -> Result<()> {
        refuse("an integer")
    }
    fn uint(&mut self, _: u64) -> Result<()> {
        refuse("an integer")
    }
    fn big_int(&mut self, _: &BigInt) -> Result<()> {
        refuse("an integer")
    }
    fn float(&mut self, _: f64) -> Result<()> {
        refuse("a float")
    }
    fn text(&mut self, _: &str) -> Result<()> {
        refuse("text")
    }
    fn timestamp(&mut self, _: Timestamp) -> Result<()> {
        refuse("a timestamp")
    }
    fn uuid(&mut self, _: [u8; 16]) -> Result<()> {
        refuse("a UUID")
    }
    fn decimal(&mut self, _: &Decimal) -> Result<()> {
        refuse("a decimal number")
    }
    fn ndarray(&mut self, _: NdArrayRef<'_>) -> Result<()> {
        refuse("an N-d array")
    }
    fn begin_array(&mut self, _: usize) -> Result<()> {
        refuse("an array")
    }
    fn end_array(&mut self) -> Result<()> {
        refuse("an array")
    }
    fn begin_map(&mut self, _: usize) -> Result<()> {
        refuse("a map")
    }
    fn key(&mut self, _: &str) -> Result<()> {
        refuse("a map")
    }
    fn end_map(&mut self) -> Result<()> {
        refuse("a map")
    }
}

//! A Sink that drops everything, to validate bytes without a value.
//!
//! JSON-RPC validates its lines with it, and a schema check without a value ends in it.

use crate::error::Result;
use crate::value::{BigInt, Decimal, NdArrayRef, Sink, Timestamp};

/// Accepts every event, so only the decoder itself reports errors.
#[derive(Debug)]
pub struct Unread;

impl Sink for Unread {
    fn null(&mut self) -> Result<()> {
        Ok(())
    }
    fn bool(&mut self, _: bool) -> Result<()> {
        Ok(())
    }
    fn int(&mut self, _: i64) -> Result<()> {
        Ok(())
    }
    fn uint(&mut self, _: u64) -> Result<()> {
        Ok(())
    }
    fn big_int(&mut self, _: &BigInt) -> Result<()> {
        Ok(())
    }
    fn float(&mut self, _: f64) -> Result<()> {
        Ok(())
    }
    fn text(&mut self, _: &str) -> Result<()> {
        Ok(())
    }
    fn bytes(&mut self, _: &[u8]) -> Result<()> {
        Ok(())
    }
    fn timestamp(&mut self, _: Timestamp) -> Result<()> {
        Ok(())
    }
    fn uuid(&mut self, _: [u8; 16]) -> Result<()> {
        Ok(())
    }
    fn decimal(&mut self, _: &Decimal) -> Result<()> {
        Ok(())
    }
    fn ndarray(&mut self, _: NdArrayRef<'_>) -> Result<()> {
        Ok(())
    }
    fn begin_array(&mut self, _: usize) -> Result<()> {
        Ok(())
    }
    fn end_array(&mut self) -> Result<()> {
        Ok(())
    }
    fn begin_map(&mut self, _: usize) -> Result<()> {
        Ok(())
    }
    fn key(&mut self, _: &str) -> Result<()> {
        Ok(())
    }
    fn end_map(&mut self) -> Result<()> {
        Ok(())
    }
}

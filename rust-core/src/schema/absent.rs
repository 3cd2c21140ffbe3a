//! What stands for schemas in a build without the feature `schema`: no object is opened with one.

use std::sync::Arc;

use crate::codec::{EncodeOptions, Encoding};
use crate::error::{Error, ErrorKind, Result};
use crate::value::{Limits, Sink, Source};

/// A schema; there is none in this build.
#[derive(Debug)]
pub(crate) enum Held {}

/// Who reads what the other one writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    We,
    They,
    Both,
}

pub(crate) const LONGEST: usize = 256 << 10;

impl Held {
    pub fn of_option(_said: &str) -> Result<Arc<Held>> {
        let text = "this build has no schemas: build Linkspan with the feature schema";
        Err(Error::new(ErrorKind::Unsupported, text))
    }

    pub fn of_peer(_form: &[u8], _fingerprint: &[u8; 32]) -> Result<Arc<Held>> {
        Held::of_option("")
    }

    pub fn of_stored(_form: &[u8]) -> Result<Arc<Held>> {
        Held::of_option("")
    }

    pub fn check_size(&self) -> Result<()> {
        match *self {}
    }

    pub fn form(&self) -> &[u8] {
        match *self {}
    }

    pub fn fingerprint(&self) -> &[u8; 32] {
        match *self {}
    }

    pub fn id(&self) -> u64 {
        match *self {}
    }

    pub fn title(&self) -> String {
        match *self {}
    }

    pub fn differences(&self, _theirs: &Held, _reads: Reads, _title: &str) -> Option<(String, String)> {
        match *self {}
    }

    pub fn encode_into<T: Source + ?Sized>(
        &self,
        _value: &T,
        _encoding: Encoding,
        _how: &EncodeOptions,
        _out: &mut Vec<u8>,
    ) -> Result<()> {
        match *self {}
    }

    pub fn decode_into<S: Sink>(&self, _: &[u8], _: Encoding, _: &Limits, _: S) -> Result<S> {
        match *self {}
    }
}

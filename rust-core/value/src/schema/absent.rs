//! The replacement for `schema` in a build without that feature: objects never have a schema.
//!
//! The type is uninhabited, so the layers above compile unchanged. The option `schema` is
//! `Unsupported`.

mod id;

use std::sync::Arc;

use crate::body::{Body, Placer};
use crate::codec::{EncodeOptions, Encoding};
use crate::error::{Error, ErrorKind, Result};
use crate::value::{Limits, Sink, Source};

pub use id::{id_of, id_of_text};

/// A schema; a build without the feature cannot create it.
#[derive(Debug)]
#[doc(hidden)]
pub enum PreparedSchema {}

/// The side that reads the messages of the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub enum Readers {
    Local,
    Peer,
    Both,
}

// The greatest length of an exchanged canonical form, in bytes.
#[doc(hidden)]
pub const MAX_CANONICAL: usize = 256 << 10;

impl PreparedSchema {
    // Every constructor returns `Unsupported`.
    pub fn from_option(_said: &str) -> Result<Arc<PreparedSchema>> {
        let text = "this build has no schemas: build Linkspan with the feature schema";
        Err(Error::new(ErrorKind::Unsupported, text))
    }

    // A peer's schema. No connection of this build receives one, because its hello announces no
    // schema.
    pub fn from_peer(_form: &[u8], _fingerprint: &[u8; 32]) -> Result<Arc<PreparedSchema>> {
        PreparedSchema::from_option("")
    }

    // A program with schemas may have written the journal; reading it then fails.
    pub fn from_stored(_form: &[u8]) -> Result<Arc<PreparedSchema>> {
        PreparedSchema::from_option("")
    }

    // Unreachable methods: the type is uninhabited.
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

    pub fn differences(
        &self,
        _theirs: &PreparedSchema,
        _reads: Readers,
        _title: &str,
    ) -> Option<(String, String)> {
        match *self {}
    }

    pub fn encode_into<T: Source + ?Sized>(
        &self,
        _value: &T,
        _encoding: Encoding,
        _how: &EncodeOptions,
        _out: &mut Vec<u8>,
        _placer: Option<&mut dyn Placer>,
    ) -> Result<()> {
        match *self {}
    }

    pub fn decode_into<S: Sink>(&self, _: &Body, _: Encoding, _: &Limits, _: S) -> Result<S> {
        match *self {}
    }
}

//! Schemas: the type of the messages at a name, compared when programs connect.
//!
//! | what | defined in |
//! |---|---|
//! | the model: [`Schema`], [`Type`], [`Kind`], [`Field`] | `model` |
//! | from the notation, a TOML text, to the model, with line and column in errors | `parse`, `table`, `source`, `text` |
//! | from the model to the notation | `write` |
//! | the canonical form and the [`Fingerprint`] | `canonical` |
//! | whether a reader can read a writer's messages: [`Difference`] | `compatible` |
//! | checking values as they pass: [`Checker`] | `check` |
//! | the packed layout: a record of fixed size as one block of bytes: [`Layout`] | `packed` |
//! | units | `unit` |
//! | the schema that an object is opened with: compared, exchanged, checked against | here |
//!
//! `docs/schema.md` documents the notation. Without the feature `schema`, `absent.rs` replaces this module.
//!
//! At connect the two sides exchange fingerprints and, if these differ, canonical forms. `differences` then decides
//! whether they may connect. Afterwards `encode_into` and `decode_into` check every message.

mod canonical;
mod check;
mod compatible;
mod id;
mod model;
mod packed;
mod parse;
mod source;
mod table;
mod text;
mod unit;
mod write;

pub use canonical::Fingerprint;
pub use check::{Checker, Side};
pub use compatible::Difference;
pub use id::{id_of, id_of_text};
pub use model::{Field, Kind, Length, Range, Schema, Type, Width};
pub use packed::{Layout, PackedField};
// For the tools that convert other files to schemas.
pub use text::read_text;

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use self::compatible::shown;
use crate::body::{Body, Placer};
use crate::codec::{self, EncodeOptions, Encoding};
use crate::error::{Error, ErrorKind, Result, quoted};
use crate::value::{Limits, Sink, Source};

/// The greatest length of an exchanged canonical form, in bytes.
#[doc(hidden)]
pub const MAX_CANONICAL: usize = 256 << 10;

/// A schema with its canonical form and fingerprint.
#[doc(hidden)]
pub struct PreparedSchema {
    schema: Schema,
    /// Empty if the schema has none; [`PreparedSchema::check_size`] then refuses it.
    form: Vec<u8>,
    fingerprint: [u8; 32],
}

/// The sides that read the other side's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub enum Readers {
    /// This side reads: a subscriber, a server.
    Local,
    /// The other side reads.
    Peer,
    /// Each side reads.
    Both,
}

impl PreparedSchema {
    /// Computes the canonical form and the fingerprint.
    ///
    /// Never fails: opening an object with a schema without a form does.
    pub fn new(schema: Schema) -> Arc<PreparedSchema> {
        let form = schema.to_bytes().unwrap_or_default();
        let fingerprint = Sha256::digest(&form).into();
        Arc::new(PreparedSchema { schema, form, fingerprint })
    }

    /// Returns the schema of an option: the path of a file, or the notation itself.
    ///
    /// A text with a line break is the notation. One line is a path if a file has it; otherwise it is the notation if
    /// it has a `=`.
    ///
    /// # Errors
    ///
    /// Those of [`Schema::from_file`] and [`Schema::parse`]. Blocks while a file is read.
    pub fn from_option(option: &str) -> Result<Arc<PreparedSchema>> {
        // A file whose name contains `=` is still a file.
        let schema = if option.contains('\n') || is_notation(option) && names_nothing(option) {
            Schema::parse(option)
        } else if option.contains('=') && names_nothing(option) {
            Schema::parse(option).map_err(|e| {
                let text = format!(
                    "no file is called {}, and as a schema in one line: {}",
                    quoted(option),
                    e.text()
                );
                e.in_words(text)
            })
        } else {
            Schema::from_file(option).map_err(|e| match e.kind() {
                ErrorKind::NotFound if !option.contains('=') && names_nothing(option) => {
                    let text = format!(
                        "{}; and it is not a schema in one line, which has a `=`, as in name = \"power.reading\"",
                        e.text()
                    );
                    e.in_words(text)
                }
                _ => e,
            })
        };
        schema.map(PreparedSchema::new)
    }

    /// Returns another program's schema from its canonical form.
    ///
    /// # Errors
    ///
    /// `Malformed` if the form lacks the peer's fingerprint; those of [`Schema::from_bytes`].
    pub fn from_peer(form: &[u8], fingerprint: &[u8; 32]) -> Result<Arc<PreparedSchema>> {
        let found: [u8; 32] = Sha256::digest(form).into();
        if found != *fingerprint {
            let hex = |bytes: &[u8; 32]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            let text = format!(
                "the peer sent the fingerprint {} for its schema, and a schema with {}: start it again with one version of its code",
                hex(fingerprint),
                hex(&found)
            );
            return Err(Error::new(ErrorKind::Malformed, text));
        }
        PreparedSchema::from_stored(form)
    }

    /// Returns the schema of this canonical form.
    pub fn from_stored(form: &[u8]) -> Result<Arc<PreparedSchema>> {
        Schema::from_bytes(form).map(PreparedSchema::new)
    }

    /// Checks that the canonical form exists and is short enough; else `TooLarge`.
    pub fn check_size(&self) -> Result<()> {
        if self.form.is_empty() {
            self.schema.to_bytes()?;
        }
        let size = self.form.len();
        if size <= MAX_CANONICAL {
            return Ok(());
        }
        let text = format!(
            "the canonical form of the schema {} has {size} bytes, and {MAX_CANONICAL} are exchanged at most",
            self.schema.name
        );
        Err(Error::new(ErrorKind::TooLarge, text))
    }

    /// Returns the canonical form.
    pub fn form(&self) -> &[u8] {
        &self.form
    }

    /// Returns the SHA-256 of the canonical form.
    pub fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }

    /// Returns the first 8 bytes of the fingerprint, which name the schema in journals; never 0.
    pub fn id(&self) -> u64 {
        id_of(&self.fingerprint)
    }

    /// Returns name and version, for texts.
    pub fn title(&self) -> String {
        format!("{} version {}", self.schema.name, self.schema.version)
    }

    /// Returns why one side cannot read the other, in the words of both; `title` names the schemas.
    pub fn differences(
        &self,
        peer: &PreparedSchema,
        reads: Readers,
        title: &str,
    ) -> Option<(String, String)> {
        let (mut here, mut there) = (Vec::new(), Vec::new());
        // This side reads, so its schema is "here".
        if reads != Readers::Peer {
            here.extend(self.schema.cannot_read_as(&peer.schema, Side::Reader));
            there.extend(self.schema.cannot_read_as(&peer.schema, Side::Writer));
        }
        if reads != Readers::Local {
            here.extend(peer.schema.cannot_read_as(&self.schema, Side::Writer));
            there.extend(peer.schema.cannot_read_as(&self.schema, Side::Reader));
        }
        // A difference of both directions, such as a unit, is reported once.
        for found in [&mut here, &mut there] {
            let mut seen = std::collections::HashSet::new();
            found.retain(|one| seen.insert((one.path.clone(), plain(&one.text))));
        }
        let describe = |local: &PreparedSchema, peer: &PreparedSchema, found: &[Difference]| {
            let (local, peer) = (&local.schema, &peer.schema);
            format!(
                "the {title} {} (version {} here, {} there) does not fit: {}",
                local.name,
                local.version,
                peer.version,
                shown(found)
            )
        };
        (!here.is_empty()).then(|| (describe(self, peer, &here), describe(peer, self, &there)))
    }

    /// Encodes a value that this side writes, and checks it on the way.
    pub fn encode_into<T: Source + ?Sized>(
        &self,
        value: &T,
        encoding: Encoding,
        options: &EncodeOptions,
        out: &mut Vec<u8>,
        placer: Option<&mut dyn Placer>,
    ) -> Result<()> {
        codec::encode_placed(&Checked { schema: &self.schema, value }, encoding, options, out, placer)
    }

    /// Decodes a message that this side reads into a sink, and checks it on the way.
    pub fn decode_into<S: Sink>(
        &self,
        body: &Body,
        encoding: Encoding,
        limits: &Limits,
        mut sink: S,
    ) -> Result<S> {
        self.decode_to_any(body, encoding, limits, &mut sink)?;
        Ok(sink)
    }

    /// Not generic, so only this crate compiles checkers and the decoders before them.
    fn decode_to_any(
        &self,
        body: &Body,
        encoding: Encoding,
        limits: &Limits,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        codec::decode_body(body, encoding, limits, self.schema.checker(Side::Reader, sink)).map(drop)
    }
}

fn plain(text: &str) -> String {
    let before = text.split(": 1 ").next().unwrap_or(text);
    let mut words: Vec<&str> = before.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    words.sort_unstable();
    words.join(" ")
}

fn is_notation(option: &str) -> bool {
    let is_key = |key: &str| {
        let key = key.trim();
        !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "_.-\"".contains(c))
    };
    option.split_once('=').is_some_and(|(key, value)| is_key(key) && value.starts_with([' ', '"', '\'']))
}

/// Returns whether no file has this path. A file that cannot be examined counts as present.
fn names_nothing(path: &str) -> bool {
    use std::io::ErrorKind::{InvalidFilename, InvalidInput, NotADirectory, NotFound};
    std::fs::symlink_metadata(path)
        .is_err_and(|e| matches!(e.kind(), NotFound | NotADirectory | InvalidFilename | InvalidInput))
}

impl fmt::Debug for PreparedSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.title())?;
        self.fingerprint.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

struct Checked<'a, T: ?Sized> {
    schema: &'a Schema,
    value: &'a T,
}

impl<T: Source + ?Sized> Source for Checked<'_, T> {
    fn walk<S: Sink + ?Sized>(&self, mut sink: &mut S) -> Result<()> {
        self.value.walk(&mut self.schema.checker(Side::Writer, &mut sink as &mut dyn Sink))
    }
}

#[cfg(test)]
mod tests;

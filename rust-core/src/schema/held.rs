//! The schema that an object is opened with: its canonical form and fingerprint, made once, and what sets it apart from another one.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::check::Side;
use super::compatible::shown;
use super::model::Schema;
use super::source::MAX_TEXT;
use crate::codec::{self, EncodeOptions, Encoding};
use crate::error::{Doing, Error, ErrorKind, Result, quoted};
use crate::value::{Limits, Sink, Source};

/// The longest canonical form that is exchanged, in bytes.
pub(crate) const LONGEST: usize = 256 << 10;

/// A schema with what is said of it at connect.
pub(crate) struct Held {
    schema: Schema,
    form: Vec<u8>,
    fingerprint: [u8; 32],
}

/// Who reads what the other one writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    /// This side: a subscriber, a server.
    We,
    /// The other side.
    They,
    /// Each side reads what the other one writes.
    Both,
}

impl Held {
    /// Computes the canonical form and the fingerprint.
    pub fn new(schema: Schema) -> Arc<Held> {
        let form = schema.to_bytes();
        let fingerprint = Sha256::digest(&form).into();
        Arc::new(Held { schema, form, fingerprint })
    }

    /// What the option says: the path of a file, or the notation itself. A text with a line break is the notation; of one line, what
    /// names a file is its path, and else what has a `=` is the notation.
    pub fn of_option(said: &str) -> Result<Arc<Held>> {
        let schema = if said.contains('\n') {
            Schema::parse(said)
        } else if said.contains('=') && names_nothing(said) {
            Schema::parse(said).map_err(|e| {
                let text =
                    format!("no file is called {}, and as a schema in one line: {}", quoted(said), e.text());
                e.in_words(text)
            })
        } else {
            Schema::load(said, &mut read_file).map_err(|e| match e.kind() {
                ErrorKind::NotFound if !said.contains('=') && names_nothing(said) => {
                    let text = format!(
                        "{}; and it is no schema in one line, which has a `=`, as in name = \"power.reading\"",
                        e.text()
                    );
                    e.in_words(text)
                }
                _ => e,
            })
        };
        schema.map(Held::new)
    }

    /// The schema of another program, from its canonical form. `Malformed` where that has another fingerprint than was said.
    pub fn of_peer(form: &[u8], fingerprint: &[u8; 32]) -> Result<Arc<Held>> {
        if <[u8; 32]>::from(Sha256::digest(form)) != *fingerprint {
            let text = "the fingerprint of the other side's schema is not that of the schema that it gives";
            return Err(Error::new(ErrorKind::Malformed, text));
        }
        Held::of_stored(form)
    }

    /// The schema of this canonical form.
    pub fn of_stored(form: &[u8]) -> Result<Arc<Held>> {
        Schema::from_bytes(form).map(Held::new)
    }

    /// Refuses a schema that is too long to be exchanged.
    pub fn check_size(&self) -> Result<()> {
        let size = self.form.len();
        if size <= LONGEST {
            return Ok(());
        }
        let text = format!(
            "the canonical form of the schema {} has {size} bytes, and {LONGEST} are exchanged at most",
            self.schema.name
        );
        Err(Error::new(ErrorKind::TooLarge, text))
    }

    /// The canonical form.
    pub fn form(&self) -> &[u8] {
        &self.form
    }

    /// Its SHA-256.
    pub fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }

    /// The first 8 bytes of the fingerprint, by which a record of a journal names it; 0 would be none.
    pub fn id(&self) -> u64 {
        let first = std::array::from_fn(|at| self.fingerprint[at]);
        u64::from_le_bytes(first).max(1)
    }

    /// The name and the version, for people.
    pub fn title(&self) -> String {
        format!("{} version {}", self.schema.name, self.schema.version)
    }

    /// What keeps the two sides from understanding each other, in the words of this side and in those of the other one; nothing
    /// where each can read what it is sent. `title` is how the schemas are called.
    pub fn differences(&self, theirs: &Held, reads: Reads, title: &str) -> Option<(String, String)> {
        let (mut here, mut there) = (Vec::new(), Vec::new());
        if reads != Reads::They {
            here.extend(self.schema.cannot_read_as(&theirs.schema, Side::Reader));
            there.extend(self.schema.cannot_read_as(&theirs.schema, Side::Writer));
        }
        if reads != Reads::We {
            here.extend(theirs.schema.cannot_read_as(&self.schema, Side::Writer));
            there.extend(theirs.schema.cannot_read_as(&self.schema, Side::Reader));
        }
        // What keeps each from reading the other, such as a unit, is said once.
        for found in [&mut here, &mut there] {
            let mut seen = std::collections::HashSet::new();
            found.retain(|one| seen.insert((one.path.clone(), plain(&one.text))));
        }
        let says = |ours: &Held, theirs: &Held, found: &[super::Difference]| {
            let (ours, theirs) = (&ours.schema, &theirs.schema);
            format!(
                "the {title} {} (version {} here, {} there) does not fit: {}",
                ours.name,
                ours.version,
                theirs.version,
                shown(found)
            )
        };
        (!here.is_empty()).then(|| (says(self, theirs, &here), says(theirs, self, &there)))
    }

    /// Encodes a value that this side writes, checked on the way.
    pub fn encode_into<T: Source + ?Sized>(
        &self,
        value: &T,
        encoding: Encoding,
        options: &EncodeOptions,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        codec::encode_into(&Checked { schema: &self.schema, value }, encoding, options, out)
    }

    /// Decodes what this side reads into a sink, checked on the way.
    pub fn decode_into<S: Sink>(
        &self,
        bytes: &[u8],
        encoding: Encoding,
        limits: &Limits,
        sink: S,
    ) -> Result<S> {
        let checker = self.schema.checker(Side::Reader, sink);
        Ok(codec::decode_into(bytes, encoding, limits, checker)?.into_inner())
    }
}

/// What tells one difference from another one, whichever of the two sides it was found from: the words in any order.
fn plain(text: &str) -> String {
    let before = text.split(": 1 ").next().unwrap_or(text);
    let mut words: Vec<&str> = before.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    words.sort_unstable();
    words.join(" ")
}

/// Whether no file has this path. What cannot be looked at is taken for one: reading it says why.
fn names_nothing(path: &str) -> bool {
    use std::io::ErrorKind::{InvalidFilename, InvalidInput, NotADirectory, NotFound};
    std::fs::symlink_metadata(path)
        .is_err_and(|e| matches!(e.kind(), NotFound | NotADirectory | InvalidFilename | InvalidInput))
}

/// The text of a file, as far as a schema may be long.
fn read_file(path: &str) -> Result<String> {
    let doing = || format!("reading the schema {}", quoted(path));
    let file = File::open(path).doing(doing())?;
    let mut text = String::new();
    match file.take(MAX_TEXT as u64 + 1).read_to_string(&mut text) {
        Err(e) if e.kind() == std::io::ErrorKind::InvalidData => {
            Err(Error::new(ErrorKind::Malformed, format!("{path}: the text is not UTF-8")))
        }
        read => read.doing(doing()).map(|_| text),
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.title())?;
        self.fingerprint.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A value that is checked as its writer's while it is walked.
struct Checked<'a, T: ?Sized> {
    schema: &'a Schema,
    value: &'a T,
}

impl<T: Source + ?Sized> Source for Checked<'_, T> {
    fn walk<S: Sink + ?Sized>(&self, sink: &mut S) -> Result<()> {
        self.value.walk(&mut self.schema.checker(Side::Writer, sink))
    }
}

//! Schemas that are stored in the directory of a spool or a journal, because nobody may be there to be asked.
//!
//! | file | holds |
//! |---|---|
//! | `.schema` | the schema of whoever served the spool or wrote the journal last |
//! | `.reply_schema` | of a spool, that of what its server replies |
//! | `0123456789abcdef.schema` | of a journal, each schema that its records were written with, under the first 8 bytes of its fingerprint |
//!
//! A record of a journal names its schema in its header. The file is on the disk before the first such record is written, and goes
//! once no segment has a record of it any more.

use std::sync::Arc;

use bytes::Bytes;

use super::{Describes, mismatch};
use crate::channel::greeting::Pattern;
use crate::channel::options::Options;
use crate::codec::{self, Encoding};
use crate::error::{Error, ErrorKind, Result, quoted};
use crate::frame::Header;
use crate::schema::{Held, LONGEST, Reads};
use crate::transport::attached;
use crate::transport::journal;
use crate::transport::place::Place;
use crate::value::Value;

/// Schemas that a reader of a journal has found to fit and remembers, at most.
const KNOWN: usize = 64;
/// What the file of a schema of a journal ends with.
const ENDING: &str = ".schema";

/// The file of the schema with this number in a journal.
fn file_of(id: u64) -> String {
    let digits: String = id.to_le_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    digits + ENDING
}

/// The number in the name of such a file; none where it is another one.
fn id_of(file: &str) -> Option<u64> {
    let digits = file.strip_suffix(ENDING).filter(|digits| digits.len() == 16)?;
    u64::from_str_radix(digits, 16).ok().map(u64::swap_bytes).filter(|id| file_of(*id) == file)
}

/// Compares our schemas with those that are stored in the place of a spool, for one who holds its name: what lies there has to be
/// readable with ours. Then ours are stored.
pub fn keep(options: &Options, place: &Place, pattern: Pattern) -> Result<()> {
    for describes in Describes::ALL {
        let Some(ours) = describes.of(options) else { continue };
        if let Some((_, stored)) = stored(place, describes.file())? {
            if stored.fingerprint() == ours.fingerprint() {
                continue;
            }
            // What a server has replied others read.
            if (pattern, describes) != (Pattern::Request, Describes::Replies) {
                check(ours, &stored, Reads::We, place, describes)?;
            }
        }
        write(place, describes.file(), ours, pattern)?;
    }
    Ok(())
}

/// The same for the writer of a journal: ours has to read what each record was written with that is still there.
pub fn keep_in_journal(options: &Options, place: &Place) -> Result<()> {
    let Some(ours) = &options.schema else { return Ok(()) };
    let used = journal::schemas(place)?;
    let is_used = |id: u64| used.iter().any(|(_, used)| *used == id);
    let newest = stored(place, Describes::Messages.file())?.map(|(_, stored)| stored);
    if let Some(newest) = &newest {
        check(ours, newest, Reads::We, place, Describes::Messages)?;
    }
    let mut is_there = false;
    let mut unused = Vec::new();
    for id in attached::names(place)?.iter().filter_map(|name| id_of(name)) {
        if id == ours.id() {
            is_there = named(place, id)?.is_some_and(|stored| stored.form() == ours.form());
        } else if is_used(id) {
            if let Some(stored) = named(place, id)? {
                check_record(ours, &stored, place, id)?;
            }
        } else {
            unused.push(id);
        }
    }
    // First the one that records name, then the one that others ask for.
    if !is_there {
        write(place, &file_of(ours.id()), ours, Pattern::Publish)?;
    }
    if newest.is_none_or(|newest| newest.fingerprint() != ours.fingerprint()) {
        write(place, Describes::Messages.file(), ours, Pattern::Publish)?;
    }
    for id in unused {
        attached::remove(place, &file_of(id))?;
    }
    Ok(())
}

/// Compares our schemas with those that are stored there, if some are, for anybody else.
pub fn check_kept(options: &Options, place: &Place) -> Result<()> {
    for describes in Describes::ALL {
        let Some(ours) = describes.of(options) else { continue };
        let Some((pattern, stored)) = stored(place, describes.file())? else { continue };
        if let Some(reads) = describes.reads(pattern) {
            check(ours, &stored, reads, place, describes)?;
        }
    }
    Ok(())
}

/// What a reader of a journal compares its schema with: that of each record.
pub struct RecordSchemas {
    place: Place,
    ours: Arc<Held>,
    /// The numbers of those that fit.
    fit: Vec<u64>,
}

impl RecordSchemas {
    /// None where the program has no schema.
    pub fn of(options: &Options, place: Place) -> Option<RecordSchemas> {
        let ours = options.schema.clone()?;
        Some(RecordSchemas { place, ours, fit: Vec::new() })
    }

    /// `SchemaMismatch` where ours cannot read what the schema of this record allows; `Corrupt` where that is not there any more. A
    /// record that names none was written by a program without one, or by an older version, for which the newest stands.
    pub fn check(&mut self, header: &Header) -> Result<()> {
        let id = header.schema;
        if self.fit.contains(&id) {
            return Ok(());
        }
        let describes = Describes::Messages;
        if id == 0 {
            if let Some((_, newest)) = stored(&self.place, describes.file())? {
                check(&self.ours, &newest, Reads::We, &self.place, describes)?;
            }
        } else {
            let stored = named(&self.place, id)?.ok_or_else(|| lost(&self.place, id, header.sequence))?;
            check_record(&self.ours, &stored, &self.place, id)?;
        }
        self.fit.truncate(KNOWN - 1);
        self.fit.insert(0, id);
        Ok(())
    }
}

fn lost(place: &Place, id: u64, sequence: u64) -> Error {
    let path = place.path().join(file_of(id));
    let text = format!(
        "message {sequence} was written with the schema {}, which is not there any more: put the file back from a copy, or read \
         without a schema",
        path.display()
    );
    Error::new(ErrorKind::Corrupt, text)
}

fn check(ours: &Held, stored: &Held, reads: Reads, place: &Place, describes: Describes) -> Result<()> {
    let what = match describes {
        Describes::Messages => "the schema of the messages that lie there",
        Describes::Replies => "the schema of the replies there",
    };
    check_with(ours, stored, reads, place, describes.file(), describes.title(), what)
}

fn check_record(ours: &Held, stored: &Held, place: &Place, id: u64) -> Result<()> {
    let (title, what) = (Describes::Messages.title(), "the schema that messages there were written with");
    check_with(ours, stored, Reads::We, place, &file_of(id), title, what)
}

fn check_with(
    ours: &Held,
    stored: &Held,
    reads: Reads,
    place: &Place,
    file: &str,
    title: &str,
    what: &str,
) -> Result<()> {
    if stored.fingerprint() == ours.fingerprint() {
        return Ok(());
    }
    let Some((here, _)) = ours.differences(stored, reads, title) else { return Ok(()) };
    let path = place.path().join(file);
    Err(mismatch(&format!("{here} (\"there\" is {}, {what})", path.display())))
}

/// The canonical form that is stored in a place; none where none is.
pub fn stored_form(place: &Place, describes: Describes) -> Result<Option<Vec<u8>>> {
    Ok(stored(place, describes.file())?.map(|(_, held)| held.form().to_vec()))
}

/// The names and versions of what is stored in a place: of the schema, and of that of replies.
pub fn titles(place: &Place) -> Result<[Option<String>; 2]> {
    let title = |describes: Describes| -> Result<Option<String>> {
        Ok(stored(place, describes.file())?.map(|(_, held)| held.title()))
    };
    Ok([title(Describes::Messages)?, title(Describes::Replies)?])
}

/// The canonical form of the schema that a record of a journal was written with; none where it names none.
pub fn form_of_record(place: &Place, header: &Header) -> Result<Option<Vec<u8>>> {
    let id = header.schema;
    if id == 0 {
        return Ok(None);
    }
    let stored = named(place, id)?.ok_or_else(|| lost(place, id, header.sequence))?;
    Ok(Some(stored.form().to_vec()))
}

/// Each schema of a journal's records, from the oldest record on: the number of the first record of it, and its canonical form.
pub fn forms_in_journal(place: &Place) -> Result<Vec<(u64, Vec<u8>)>> {
    let (mut found, mut before) = (Vec::new(), 0);
    for (first, id) in journal::schemas(place)? {
        if id != 0 && id != before {
            let stored = named(place, id)?.ok_or_else(|| lost(place, id, first))?;
            found.push((first, stored.form().to_vec()));
        }
        before = id;
    }
    Ok(found)
}

/// The schema with this number in a journal.
fn named(place: &Place, id: u64) -> Result<Option<Arc<Held>>> {
    let file = file_of(id);
    let Some((_, stored)) = stored(place, &file)? else { return Ok(None) };
    if stored.id() != id {
        let path = place.path().join(file);
        let text = format!("{} holds another schema than its name says; remove it", path.display());
        return Err(Error::new(ErrorKind::Corrupt, text));
    }
    Ok(Some(stored))
}

fn write(place: &Place, file: &str, schema: &Held, pattern: Pattern) -> Result<()> {
    let form = Value::Bytes(Bytes::copy_from_slice(schema.form()));
    let map = Value::map([("pattern", Value::from(pattern.name())), ("schema", form)]);
    attached::write(place, file, &codec::encode(&map, Encoding::Cbor)?)
}

/// The schema in a file of a place, and what the name is used for.
fn stored(place: &Place, file: &str) -> Result<Option<(Pattern, Arc<Held>)>> {
    let Some(bytes) = attached::read(place, file, LONGEST + 256)? else { return Ok(None) };
    let read = || {
        let map = codec::decode(&bytes, Encoding::Cbor)?;
        let form = map.at("schema")?.as_bytes()?;
        let word = map.at("pattern")?.as_text()?;
        let pattern = Pattern::from_name(word).ok_or_else(|| {
            Error::new(ErrorKind::Malformed, format!("no pattern is called {}", quoted(word)))
        })?;
        Ok((pattern, Held::of_stored(form)?))
    };
    read().map(Some).map_err(|e: Error| {
        let path = place.path().join(file);
        let text = format!("{} holds no schema: {}; remove it", path.display(), e.text());
        Error::new(ErrorKind::Corrupt, text)
    })
}

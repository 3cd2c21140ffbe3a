//! Schemas stored in the directory of a spool or a journal, because no program may be there to answer.
//!
//! | file | holds |
//! |---|---|
//! | `.schema` | the schema of the last program that served the spool or wrote the journal |
//! | `.reply_schema` | for a spool, the schema of its server's replies |
//! | `0123456789abcdef.schema` | for a journal, each schema of its records, by the first 8 bytes of the fingerprint |
//!
//! A record of a journal names its schema in its header. The file is on the disk before the first such record, and is
//! removed once no segment has such a record. Each file holds a CBOR map of `pattern` and `schema`, the canonical
//! form.

use std::sync::Arc;

use bytes::Bytes;

use super::{Describes, mismatch};
use crate::channel::options::Options;
use crate::channel::pattern::Pattern;
use crate::codec::{self, Encoding};
use crate::error::{Error, ErrorKind, Result, quoted};
use crate::frame::Header;
use crate::schema::{MAX_CANONICAL, PreparedSchema, Readers};
use crate::transport::attached;
use crate::transport::endpoint::Endpoint;
use crate::transport::place::Place;
use crate::value::Value;

const MAX_KNOWN: usize = 64;
const SUFFIX: &str = ".schema";

fn file_of(id: u64) -> String {
    let digits: String = id.to_le_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    digits + SUFFIX
}

fn id_of(file: &str) -> Option<u64> {
    let digits = file.strip_suffix(SUFFIX).filter(|digits| digits.len() == 16)?;
    u64::from_str_radix(digits, 16).ok().map(u64::swap_bytes).filter(|id| file_of(*id) == file)
}

/// Compares the program's schemas with those stored for a spool, then stores them on the disk.
///
/// The holder of the name calls it, because it must be able to read the stored messages.
pub fn keep(options: &Options, place: &Place, pattern: Pattern) -> Result<()> {
    let mut is_synced = true;
    for describes in Describes::ALL {
        let Some(own) = describes.of(options) else { continue };
        if let Some((_, stored)) = stored(place, describes.file())? {
            if stored.fingerprint() == own.fingerprint() {
                // The program that stored it may have been killed before its name was on the disk.
                is_synced = false;
                continue;
            }
            // A server writes replies and does not read them.
            if (pattern, describes) != (Pattern::Request, Describes::Replies) {
                check(own, &stored, Readers::Local, place, describes)?;
            }
        }
        write(place, describes.file(), own, pattern)?;
        // This has synced the directory, with every name in it.
        is_synced = true;
    }
    if is_synced { Ok(()) } else { attached::sync(place) }
}

/// [`keep`] for the writer of a journal: its schema must read every remaining record.
pub fn keep_of_history(options: &Options, endpoint: &Endpoint) -> Result<()> {
    let Some(own) = &options.schema else { return Ok(()) };
    let place = &Place::of(endpoint)?;
    let used = used(endpoint, place)?;
    let is_used = |id: u64| used.iter().any(|(_, used)| *used == id);
    let newest = stored(place, Describes::Messages.file())?.map(|(_, stored)| stored);
    if let Some(newest) = &newest {
        check(own, newest, Readers::Local, place, Describes::Messages)?;
    }
    let mut is_there = false;
    let mut unused = Vec::new();
    for id in attached::names(place)?.iter().filter_map(|name| id_of(name)) {
        if id == own.id() {
            is_there = named(place, id)?.is_some_and(|stored| stored.form() == own.form());
        } else if is_used(id) {
            if let Some(stored) = named(place, id)? {
                check_record(own, &stored, place, id)?;
            }
        } else {
            unused.push(file_of(id));
        }
    }
    // First the file that records will name, then the newest, which readers without a record use. The writer of an
    // existing file may have been killed before the name was on the disk.
    if is_there {
        attached::sync(place)?;
    } else {
        write(place, &file_of(own.id()), own, Pattern::Publish)?;
    }
    if newest.is_none_or(|newest| newest.fingerprint() != own.fingerprint()) {
        write(place, Describes::Messages.file(), own, Pattern::Publish)?;
    }
    attached::remove_unused(place, &unused)
}

/// Stores the schema of another machine's journal, under its number and as the newest.
pub fn keep_form(endpoint: &Endpoint, form: &[u8]) -> Result<()> {
    let (place, held) = (Place::of(endpoint)?, PreparedSchema::from_stored(form)?);
    write(&place, &file_of(held.id()), &held, Pattern::Publish)?;
    write(&place, Describes::Messages.file(), &held, Pattern::Publish)
}

/// Removes the schemas of a journal that no record names.
pub fn remove_unused(endpoint: &Endpoint) -> Result<()> {
    let place = &Place::of(endpoint)?;
    let used = used(endpoint, place)?;
    let all = attached::names(place)?;
    let is_unused = |name: &String| id_of(name).is_some_and(|id| !used.iter().any(|(_, used)| *used == id));
    let unused: Vec<String> = all.into_iter().filter(is_unused).collect();
    attached::remove_unused(place, &unused)
}

/// Compares the program's schemas with the stored ones, for all programs except the holder of the name.
pub fn check_kept(options: &Options, place: &Place) -> Result<()> {
    for describes in Describes::ALL {
        let Some(own) = describes.of(options) else { continue };
        let Some((pattern, stored)) = stored(place, describes.file())? else { continue };
        if let Some(reads) = describes.reads(pattern) {
            check(own, &stored, reads, place, describes)?;
        }
    }
    Ok(())
}

pub struct RecordSchemas {
    place: Place,
    own: Arc<PreparedSchema>,
    fit: Vec<u64>,
}

impl RecordSchemas {
    pub fn of(options: &Options, place: Place) -> Option<RecordSchemas> {
        let own = options.schema.clone()?;
        Some(RecordSchemas { place, own, fit: Vec::new() })
    }

    /// Compares the schema of this record.
    ///
    /// The newest stored schema stands for a missing one: the record was written without, or by an older version.
    ///
    /// # Errors
    /// `SchemaMismatch` if the reader's schema cannot read the record's; `Corrupt` if that schema is missing.
    pub fn check(&mut self, header: &Header) -> Result<()> {
        let id = header.schema;
        if self.fit.contains(&id) {
            return Ok(());
        }
        let describes = Describes::Messages;
        if id == 0 {
            if let Some((_, newest)) = stored(&self.place, describes.file())? {
                check(&self.own, &newest, Readers::Local, &self.place, describes)?;
            }
        } else {
            let stored =
                named(&self.place, id)?.ok_or_else(|| schema_missing(&self.place, id, header.sequence))?;
            check_record(&self.own, &stored, &self.place, id)?;
        }
        self.fit.truncate(MAX_KNOWN - 1);
        self.fit.insert(0, id);
        Ok(())
    }

    pub fn forget(&mut self) {
        self.fit.clear();
    }
}

fn schema_missing(place: &Place, id: u64, sequence: u64) -> Error {
    let path = place.path().join(file_of(id));
    let text = format!(
        "message {sequence} was written with the schema {}, whose file is missing: put it back from a copy, or read \
         without a schema",
        path.display()
    );
    Error::new(ErrorKind::Corrupt, text)
}

fn check(
    own: &PreparedSchema,
    stored: &PreparedSchema,
    reads: Readers,
    place: &Place,
    describes: Describes,
) -> Result<()> {
    let what = match describes {
        Describes::Messages => "the schema of the stored messages",
        Describes::Replies => "the schema of the stored replies",
    };
    check_with(own, stored, reads, place, describes.file(), describes.title(), what)
}

fn check_record(own: &PreparedSchema, stored: &PreparedSchema, place: &Place, id: u64) -> Result<()> {
    let (title, what) = (Describes::Messages.title(), "the schema that messages there were written with");
    check_with(own, stored, Readers::Local, place, &file_of(id), title, what)
}

fn check_with(
    own: &PreparedSchema,
    stored: &PreparedSchema,
    reads: Readers,
    place: &Place,
    file: &str,
    title: &str,
    what: &str,
) -> Result<()> {
    if stored.fingerprint() == own.fingerprint() {
        return Ok(());
    }
    let Some((here, _)) = own.differences(stored, reads, title) else { return Ok(()) };
    let path = place.path().join(file);
    Err(mismatch(&format!("{here} (\"there\" is {}, {what})", path.display())))
}

/// Returns the stored canonical form, if any.
pub fn stored_form(place: &Place, describes: Describes) -> Result<Option<Vec<u8>>> {
    Ok(stored(place, describes.file())?.map(|(_, held)| held.form().to_vec()))
}

/// Returns the names and versions of the stored schemas: of messages, and of replies.
pub fn titles(place: &Place) -> Result<[Option<String>; 2]> {
    let title = |describes: Describes| -> Result<Option<String>> {
        Ok(stored(place, describes.file())?.map(|(_, held)| held.title()))
    };
    Ok([title(Describes::Messages)?, title(Describes::Replies)?])
}

/// Returns the canonical form of a record's schema; none if the record names none.
pub fn form_of_record(place: &Place, header: &Header) -> Result<Option<Vec<u8>>> {
    let id = header.schema;
    if id == 0 {
        return Ok(None);
    }
    let stored = named(place, id)?.ok_or_else(|| schema_missing(place, id, header.sequence))?;
    Ok(Some(stored.form().to_vec()))
}

/// Returns the schemas of a journal's records in order: the first record's number and the canonical form.
pub fn forms_of_history(endpoint: &Endpoint) -> Result<Vec<(u64, Vec<u8>)>> {
    let place = &Place::of(endpoint)?;
    let (mut found, mut before) = (Vec::new(), 0);
    for (first, id) in used(endpoint, place)? {
        if id != 0 && id != before {
            let stored = named(place, id)?.ok_or_else(|| schema_missing(place, id, first))?;
            found.push((first, stored.form().to_vec()));
        }
        before = id;
    }
    Ok(found)
}

/// Returns the first record's number of each run of one schema, and the schema's number.
fn used(endpoint: &Endpoint, place: &Place) -> Result<Vec<(u64, u64)>> {
    endpoint.transport().driver().store().map_or_else(|| Ok(Vec::new()), |store| store.schemas(place))
}

/// Reads the schema with this number; `Corrupt` if the file holds another one.
fn named(place: &Place, id: u64) -> Result<Option<Arc<PreparedSchema>>> {
    let file = file_of(id);
    let Some((_, stored)) = stored(place, &file)? else { return Ok(None) };
    if stored.id() != id {
        let path = place.path().join(file);
        let text = format!("{} holds another schema than its name says; remove it", path.display());
        return Err(Error::new(ErrorKind::Corrupt, text));
    }
    Ok(Some(stored))
}

fn write(place: &Place, file: &str, schema: &PreparedSchema, pattern: Pattern) -> Result<()> {
    let form = Value::Bytes(Bytes::copy_from_slice(schema.form()));
    let map = Value::map([("pattern", Value::from(pattern.name())), ("schema", form)]);
    attached::write(place, file, &codec::encode(&map, Encoding::Cbor)?)
}

fn stored(place: &Place, file: &str) -> Result<Option<(Pattern, Arc<PreparedSchema>)>> {
    let Some(bytes) = attached::read(place, file, MAX_CANONICAL + 256)? else { return Ok(None) };
    let read = || {
        let map = codec::decode(&bytes, Encoding::Cbor)?;
        let form = map.at("schema")?.as_bytes()?;
        let word = map.at("pattern")?.as_text()?;
        let pattern = Pattern::from_name(word).ok_or_else(|| {
            Error::new(ErrorKind::Malformed, format!("no pattern is called {}", quoted(word)))
        })?;
        Ok((pattern, PreparedSchema::from_stored(form)?))
    };
    read().map(Some).map_err(|e: Error| {
        let path = place.path().join(file);
        let text = format!("{} holds no schema: {}; remove it", path.display(), e.text());
        Error::new(ErrorKind::Corrupt, text)
    })
}

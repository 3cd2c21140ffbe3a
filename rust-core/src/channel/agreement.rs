//! Schemas at connect: each side says the fingerprint of its own, and whoever calls compares before it is let in.
//!
//! A caller says the fingerprint of its schema, and those of other schemas that it has found to fit. A listener with a schema that is
//! not among them lets it in nowhere: it answers with its own fingerprint. Then the caller asks for that schema in parts, compares, and
//! calls again; or it says what differs, and its program gets `SchemaMismatch`. So the one thread that answers newcomers never reads
//! a schema of a stranger's. A side without a schema says nothing of this, and neither do older versions: they are let in as ever.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::greeting::{Greeting, Part, Pattern};
use super::options::Options;
use crate::codec::{self, Encoding};
use crate::error::{Error, ErrorKind, Result, quoted};
use crate::schema::{Held, LONGEST, Reads};
use crate::transport::attached;
use crate::transport::endpoint::Transport;
use crate::transport::harbour::Answer;
use crate::transport::place::Place;
use crate::value::Value;

/// Schemas of others that one caller remembers, at most.
const KNOWN: usize = 8;

/// What one who calls knows of the schemas at a name.
pub struct Agreement {
    ours: Arc<Held>,
    /// How the program is called where it says what differs.
    client_id: Option<String>,
    /// Schemas that were met, by their fingerprints, the last one first; with an error where they do not fit ours.
    known: Mutex<Vec<([u8; 32], Option<Error>)>>,
}

impl Agreement {
    /// None where the program has no schema.
    pub fn of(options: &Options) -> Option<Agreement> {
        let ours = options.schema.clone()?;
        Some(Agreement { ours, client_id: options.client_id.clone(), known: Mutex::default() })
    }

    fn known(&self) -> MutexGuard<'_, Vec<([u8; 32], Option<Error>)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The hello with the fingerprints: ours first, then those that fit.
    pub fn say(&self, hello: &Greeting) -> Greeting {
        let mut hello = hello.clone();
        let known = self.known();
        let fitting = known.iter().filter(|(_, error)| error.is_none()).map(|(fingerprint, _)| *fingerprint);
        hello.schemas = [*self.ours.fingerprint()].into_iter().chain(fitting).collect();
        hello
    }

    /// Whether a listener's schema is known to fit, or it has none; false where they have to be compared. `SchemaMismatch` where it
    /// is known not to fit.
    pub fn fits(&self, theirs: &Greeting) -> Result<bool> {
        let Some(fingerprint) = theirs.schemas.first() else { return Ok(true) };
        if fingerprint == self.ours.fingerprint() || reads(theirs.pattern).is_none() {
            return Ok(true);
        }
        match self.known().iter().find(|(known, _)| known == fingerprint) {
            Some((_, None)) => Ok(true),
            Some((_, Some(error))) => Err(error.clone()),
            None => Ok(false),
        }
    }

    /// Asks for the schema of a listener, compares, and remembers what came of it. `SchemaMismatch` where it does not fit, which the
    /// listener is told, too. `ask` gives the answer to a hello that only asks, or none where nobody could answer just now: then nothing is known yet.
    pub fn compare(
        &self,
        theirs: &Greeting,
        mut ask: impl FnMut(&Greeting) -> Result<Option<Greeting>>,
    ) -> Result<()> {
        let (Some(fingerprint), Some(reads)) = (theirs.schemas.first(), reads(theirs.pattern)) else {
            return Ok(());
        };
        let mut asking = Greeting::new(theirs.pattern, self.client_id.clone(), 0)?;
        asking.ask = true;
        let Some(form) = fetch(&mut asking, Some(fingerprint), &mut ask)? else { return Ok(()) };
        let found = Held::of_peer(&form, fingerprint)
            .map_err(|e| Error::new(ErrorKind::Malformed, format!("the other side's schema is none: {e}")))?;
        let error = match self.ours.differences(&found, reads) {
            None => None,
            Some((here, there)) => {
                asking.schema_at = None;
                asking.mismatch = Some(there);
                // It hears what differs if it still can; ours is the one who has to know.
                let _ = ask(&asking);
                Some(mismatch(&here))
            }
        };
        let mut known = self.known();
        known.insert(0, (*fingerprint, error.clone()));
        known.truncate(KNOWN);
        error.map_or(Ok(()), Err)
    }
}

/// The canonical form of a listener's schema, asked for in parts: of the schema with this fingerprint, or of the one that it has. None
/// where nobody could answer just now, or it has another one meanwhile.
pub fn fetch(
    asking: &mut Greeting,
    fingerprint: Option<&[u8; 32]>,
    ask: &mut impl FnMut(&Greeting) -> Result<Option<Greeting>>,
) -> Result<Option<Vec<u8>>> {
    let wrong = |text: &str| Err(Error::new(ErrorKind::Malformed, text));
    let (mut form, mut fingerprint) = (Vec::new(), fingerprint.copied());
    loop {
        asking.schema_at = Some(form.len() as u64);
        let Some(answer) = ask(asking)? else { return Ok(None) };
        let (Some(said), Some(part)) = (answer.schemas.first(), answer.schema_part) else {
            return Ok(None);
        };
        if *fingerprint.get_or_insert(*said) != *said {
            return Ok(None);
        }
        let size = usize::try_from(part.size).unwrap_or(usize::MAX);
        if size > LONGEST {
            let text = format!("the other side's schema has {size} bytes, and {LONGEST} are taken at most");
            return Err(Error::new(ErrorKind::TooLarge, text));
        }
        if part.at != form.len() as u64 || part.bytes.is_empty() || part.bytes.len() > size - form.len() {
            return wrong("the other side gave another part of its schema than was asked for");
        }
        form.extend_from_slice(&part.bytes);
        if form.len() >= size {
            return Ok(Some(form));
        }
    }
}

/// Compares our schema with the one that is stored in the place of a spool or a journal, for one who holds its name: what lies there has
/// to be readable with ours. Then ours is stored.
pub fn keep(options: &Options, place: &Place, pattern: Pattern) -> Result<()> {
    let Some(ours) = &options.schema else { return Ok(()) };
    if let Some((_, stored)) = stored(place)? {
        if stored.fingerprint() == ours.fingerprint() {
            return Ok(());
        }
        check_stored(ours, &stored, Reads::We, place)?;
    }
    let form = Value::Bytes(Bytes::copy_from_slice(ours.form()));
    let map = Value::map([("pattern", Value::from(pattern.name())), ("schema", form)]);
    attached::write(place, &codec::encode(&map, Encoding::Cbor)?)
}

/// Compares our schema with the one that is stored there, if one is, for anybody else.
pub fn check_kept(options: &Options, place: &Place) -> Result<()> {
    let Some(ours) = &options.schema else { return Ok(()) };
    let Some((pattern, stored)) = stored(place)? else { return Ok(()) };
    match reads(pattern) {
        Some(reads) if stored.fingerprint() != ours.fingerprint() => {
            check_stored(ours, &stored, reads, place)
        }
        _ => Ok(()),
    }
}

fn check_stored(ours: &Held, stored: &Held, reads: Reads, place: &Place) -> Result<()> {
    let Some((here, _)) = ours.differences(stored, reads) else { return Ok(()) };
    let path = place.path().join(attached::NAME);
    Err(mismatch(&format!(
        "{here} (\"there\" is {}, the schema of the messages that lie there)",
        path.display()
    )))
}

/// The canonical form that is stored in a place; none where none is.
pub fn stored_form(place: &Place) -> Result<Option<Vec<u8>>> {
    Ok(stored(place)?.map(|(_, held)| held.form().to_vec()))
}

/// The schema that is stored in a place, and what the name is used for.
fn stored(place: &Place) -> Result<Option<(Pattern, Arc<Held>)>> {
    let Some(bytes) = attached::read(place, LONGEST + 256)? else { return Ok(None) };
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
        let path = place.path().join(attached::NAME);
        let text = format!("{} holds no schema: {}; remove it", path.display(), e.text());
        Error::new(ErrorKind::Corrupt, text)
    })
}

/// Who reads what the other one writes at a name of this pattern, for one who calls there; none where no schemas are compared.
fn reads(name: Pattern) -> Option<Reads> {
    match name {
        Pattern::Publish => Some(Reads::We),
        Pattern::Request => Some(Reads::They),
        Pattern::Channel => Some(Reads::Both),
        Pattern::Controller | Pattern::Service => None,
    }
}

fn mismatch(differences: &str) -> Error {
    Error::new(ErrorKind::SchemaMismatch, differences)
}

/// Puts into a listener's answer what a caller has to know of its schema. False where the caller has to compare first: it is given the
/// answer, and is let in nowhere.
pub fn meet(options: &Options, transport: Transport, theirs: &Greeting, ours: &mut Greeting) -> bool {
    let Some(held) = &options.schema else { return true };
    ours.schemas = vec![*held.fingerprint()];
    if theirs.ask {
        ours.schema_part = theirs.schema_at.and_then(|at| part(held, at, transport));
        return true;
    }
    theirs.schemas.is_empty() || theirs.schemas.contains(held.fingerprint())
}

/// The part of the canonical form that begins there; none behind its end.
fn part(held: &Held, at: u64, transport: Transport) -> Option<Part> {
    // A hello has 16 KiB, and over a pipe 4 KiB.
    let most = if transport == Transport::Fifo { 2 << 10 } else { 8 << 10 };
    let form = held.form();
    let rest = form.get(usize::try_from(at).ok()?..).filter(|rest| !rest.is_empty())?;
    let bytes = Bytes::copy_from_slice(&rest[..rest.len().min(most)]);
    Some(Part { at, size: form.len() as u64, bytes })
}

/// The answer that tells a caller to compare first; nobody is let in.
pub fn told(greeting: &Greeting) -> Result<Answer> {
    Ok(Answer { frame: greeting.to_frame()?, descriptors: Vec::new(), admitted: Box::new(|| {}) })
}

/// What a caller says that differs, for the program and for terminals: its text is a stranger's.
pub fn said_mismatch(theirs: &Greeting, source: &str) -> Option<String> {
    /// Characters of it that are shown.
    const SHOWN: usize = 1024;
    let said = theirs.mismatch.as_deref()?;
    let plain = |c: char| if c.is_control() || is_direction(c) { '\u{fffd}' } else { c };
    let text: String = said.chars().take(SHOWN).map(plain).collect();
    Some(format!("{}: {text}", quoted(source)))
}

/// Whether a character changes the direction of those that follow.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The error of a channel with one peer, which called with another schema.
pub fn refused(said: &str) -> Error {
    mismatch(&format!("the other side called and its schema does not fit; it says of ours: {said}"))
}

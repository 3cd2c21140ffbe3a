//! Schemas at connect: each side says the fingerprint of its own, and whoever calls compares before it is let in.
//!
//! A caller says the fingerprint of its schema, and those of other schemas that it has found to fit. A listener with a schema that is
//! not among them lets it in nowhere: it answers with its own fingerprint. Then the caller asks for that schema in parts, compares, and
//! calls again; or it says what differs, and its program gets `SchemaMismatch`. So the one thread that answers newcomers never reads
//! a schema of a stranger's. A side without a schema says nothing of this, and neither do older versions: they are let in as ever.

pub mod stored;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::greeting::{Fingerprint, Greeting, Part, Pattern};
use super::options::Options;
use crate::error::{Error, ErrorKind, Result, quoted};
use crate::schema::{Held, LONGEST, Reads};
use crate::transport::acceptor::Answer;
use crate::transport::attached;
use crate::transport::endpoint::Transport;
use crate::value::Map;

/// Schemas of others that one caller remembers, at most.
const KNOWN: usize = 8;

/// Which values at a name a schema describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Describes {
    /// Messages: what is sent, published, or asked.
    Messages,
    /// What is replied to requests.
    Replies,
}

impl Describes {
    pub const ALL: [Describes; 2] = [Describes::Messages, Describes::Replies];

    /// The schema of these values that a program has given, if it has.
    fn of(self, options: &Options) -> Option<&Arc<Held>> {
        match self {
            Describes::Messages => options.schema.as_ref(),
            Describes::Replies => options.reply_schema.as_ref(),
        }
    }

    /// What a hello says of it.
    fn fingerprints(self, hello: &Greeting) -> &[Fingerprint] {
        match self {
            Describes::Messages => &hello.schemas,
            Describes::Replies => &hello.reply_schemas,
        }
    }

    fn fingerprints_mut(self, hello: &mut Greeting) -> &mut Vec<Fingerprint> {
        match self {
            Describes::Messages => &mut hello.schemas,
            Describes::Replies => &mut hello.reply_schemas,
        }
    }

    /// From where on one who asks is to be given its canonical form.
    fn wanted(self, asking: &mut Greeting) -> &mut Option<u64> {
        match self {
            Describes::Messages => &mut asking.schema_at,
            Describes::Replies => &mut asking.reply_schema_at,
        }
    }

    /// How it is called in errors, behind "the".
    pub fn title(self) -> &'static str {
        match self {
            Describes::Messages => "schema",
            Describes::Replies => "reply schema",
        }
    }

    /// The file in which it is stored in the place of a spool or a journal.
    fn file(self) -> &'static str {
        match self {
            Describes::Messages => attached::SCHEMA,
            Describes::Replies => attached::REPLY_SCHEMA,
        }
    }

    /// Who reads what the other one writes at a name of this pattern, for one who calls there; none where nothing is compared.
    fn reads(self, name: Pattern) -> Option<Reads> {
        match (name, self) {
            (Pattern::Publish, Describes::Messages) | (Pattern::Request, Describes::Replies) => {
                Some(Reads::We)
            }
            (Pattern::Request, Describes::Messages) => Some(Reads::They),
            (Pattern::Channel, _) => Some(Reads::Both),
            (Pattern::Publish, Describes::Replies) | (Pattern::Controller | Pattern::Service, _) => None,
        }
    }
}

/// What one who calls knows of the schemas at a name.
pub struct Agreement {
    /// How the program is called where it says what differs.
    client_id: Option<String>,
    /// One for each schema that the program has.
    sides: Vec<Side>,
}

/// One schema of the program, and what is known of those that others have for the same values.
struct Side {
    describes: Describes,
    ours: Arc<Held>,
    /// Schemas that were met, by their fingerprints, the last one first; with an error where they do not fit ours.
    known: Mutex<Vec<(Fingerprint, Option<Error>)>>,
}

impl Side {
    fn known(&self) -> MutexGuard<'_, Vec<(Fingerprint, Option<Error>)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// See [`Agreement::fits`].
    fn fits(&self, theirs: &Greeting) -> Result<bool> {
        let Some(fingerprint) = self.describes.fingerprints(theirs).first() else { return Ok(true) };
        if fingerprint == self.ours.fingerprint() || self.describes.reads(theirs.pattern).is_none() {
            return Ok(true);
        }
        match self.known().iter().find(|(known, _)| known == fingerprint) {
            Some((_, None)) => Ok(true),
            Some((_, Some(error))) => Err(error.clone()),
            None => Ok(false),
        }
    }
}

impl Agreement {
    /// None where the program has no schema.
    pub fn of(options: &Options) -> Option<Agreement> {
        let side = |describes: Describes| {
            Some(Side { describes, ours: describes.of(options)?.clone(), known: Mutex::default() })
        };
        let sides: Vec<Side> = Describes::ALL.into_iter().filter_map(side).collect();
        (!sides.is_empty()).then(|| Agreement { client_id: options.client_id.clone(), sides })
    }

    /// The hello with the fingerprints: ours first, then those that fit.
    pub fn say(&self, hello: &Greeting) -> Greeting {
        let mut hello = hello.clone();
        for side in &self.sides {
            let known = side.known();
            let fitting =
                known.iter().filter(|(_, error)| error.is_none()).map(|(fingerprint, _)| *fingerprint);
            let all = [*side.ours.fingerprint()].into_iter().chain(fitting).collect();
            *side.describes.fingerprints_mut(&mut hello) = all;
        }
        hello
    }

    /// Whether a listener's schemas are known to fit, or it has none; false where they have to be compared. `SchemaMismatch` where
    /// one is known not to fit.
    pub fn fits(&self, theirs: &Greeting) -> Result<bool> {
        let mut fits = true;
        for side in &self.sides {
            fits &= side.fits(theirs)?;
        }
        Ok(fits)
    }

    /// Asks for the schemas of a listener, compares, and remembers what came of it. `SchemaMismatch` where one does not fit, which the
    /// listener is told, too. `ask` gives the answer to a hello that only asks, or none where nobody could answer just now: then nothing is known yet.
    pub fn compare(
        &self,
        theirs: &Greeting,
        mut ask: impl FnMut(&Greeting) -> Result<Option<Greeting>>,
    ) -> Result<()> {
        for side in &self.sides {
            if !side.fits(theirs)? {
                self.compare_one(side, theirs, &mut ask)?;
            }
        }
        Ok(())
    }

    fn compare_one(
        &self,
        side: &Side,
        theirs: &Greeting,
        ask: &mut impl FnMut(&Greeting) -> Result<Option<Greeting>>,
    ) -> Result<()> {
        let describes = side.describes;
        let found = (describes.fingerprints(theirs).first(), describes.reads(theirs.pattern));
        let (Some(fingerprint), Some(reads)) = found else { return Ok(()) };
        let mut asking = Greeting::new(theirs.pattern, self.client_id.clone(), 0)?;
        asking.ask = true;
        let Some(form) = fetch(&mut asking, describes, Some(fingerprint), ask)? else { return Ok(()) };
        let found = Held::of_peer(&form, fingerprint).map_err(|e| {
            let text = format!("the other side's {} is none: {e}", describes.title());
            Error::new(ErrorKind::Malformed, text)
        })?;
        let error = match side.ours.differences(&found, reads, describes.title()) {
            None => None,
            Some((here, there)) => {
                *describes.wanted(&mut asking) = None;
                asking.mismatch = Some(there);
                // It hears what differs if it still can; ours is the one who has to know.
                let _ = ask(&asking);
                Some(mismatch(&here))
            }
        };
        let mut known = side.known();
        known.insert(0, (*fingerprint, error.clone()));
        known.truncate(KNOWN);
        error.map_or(Ok(()), Err)
    }
}

/// The canonical form of a listener's schema, asked for in parts: of the schema with this fingerprint, or of the one that it has. None
/// where nobody could answer just now, or it has another one meanwhile.
pub fn fetch(
    asking: &mut Greeting,
    describes: Describes,
    fingerprint: Option<&[u8; 32]>,
    ask: &mut impl FnMut(&Greeting) -> Result<Option<Greeting>>,
) -> Result<Option<Vec<u8>>> {
    let wrong = |text: &str| Err(Error::new(ErrorKind::Malformed, text));
    let (mut form, mut fingerprint) = (Vec::new(), fingerprint.copied());
    loop {
        *describes.wanted(asking) = Some(form.len() as u64);
        let Some(mut answer) = ask(asking)? else { return Ok(None) };
        let part = answer.schema_part.take();
        let (Some(said), Some(part)) = (describes.fingerprints(&answer).first(), part) else {
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

fn mismatch(differences: &str) -> Error {
    Error::new(ErrorKind::SchemaMismatch, differences)
}

/// Puts into a listener's answer what a caller has to know of its schemas. False where the caller has to compare first: it is given the
/// answer, and is let in nowhere.
pub fn meet(options: &Options, transport: Transport, theirs: &Greeting, ours: &mut Greeting) -> bool {
    let mut meets = true;
    for describes in Describes::ALL {
        let Some(held) = describes.of(options) else { continue };
        *describes.fingerprints_mut(ours) = vec![*held.fingerprint()];
        if theirs.ask {
            if let Some(at) = *describes.wanted(&mut theirs.clone()) {
                ours.schema_part = part(held, at, transport);
            }
            continue;
        }
        let said = describes.fingerprints(theirs);
        meets &= said.is_empty() || said.contains(held.fingerprint());
    }
    meets
}

/// Puts the names and versions of the schemas into what a listing is told.
pub fn add_titles(options: &Options, state: &mut Map) {
    for (describes, key) in Describes::ALL.into_iter().zip(["schema", "reply_schema"]) {
        if let Some(held) = describes.of(options) {
            state.insert(key.into(), held.title().into());
        }
    }
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

//! Schemas at connect: each side sends the fingerprint of its own, and the caller compares before it
//! is admitted.
//!
//! A caller sends the fingerprint of its schema, and those of other schemas that it has found to
//! fit. A listener whose schema is not among them does not admit it, and answers with its own
//! fingerprint. Then the caller queries that schema in parts, compares, and calls again; or it
//! reports to the listener what differs, and its program gets `SchemaMismatch`. So the one thread
//! that answers all connections of the listener's process never parses a schema of a peer. A side
//! without a schema sends no fingerprint, and neither do older versions: they are admitted without
//! a comparison.
//!
//! [`negotiate`] is the listener's part, [`SchemaNegotiation`] the caller's; `stored` replaces both
//! where no program answers.

pub mod stored;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::handshake::{Fingerprint, Hello, SchemaPart};
use super::options::Options;
use super::pattern::Pattern;
use crate::error::{Error, ErrorKind, Result, one_line, quoted};
use crate::schema::{MAX_CANONICAL, PreparedSchema, Readers};
use crate::transport::acceptor::HandshakeAnswer;
use crate::transport::attached;
use crate::transport::kind::Transport;
use crate::value::Map;

/// Comparisons that a caller remembers, at most.
const MAX_KNOWN: usize = 8;

/// Which values at a name a schema describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Describes {
    /// Messages that are sent, published, or requested.
    Messages,
    /// Replies to requests.
    Replies,
}

impl Describes {
    const ALL: [Describes; 2] = [Describes::Messages, Describes::Replies];

    /// Returns the schema of these values in the options.
    fn of(self, options: &Options) -> Option<&Arc<PreparedSchema>> {
        match self {
            Describes::Messages => options.schema.as_ref(),
            Describes::Replies => options.reply_schema.as_ref(),
        }
    }

    /// Returns the fingerprints of that schema in a hello.
    fn fingerprints(self, hello: &Hello) -> &[Fingerprint] {
        match self {
            Describes::Messages => &hello.schemas,
            Describes::Replies => &hello.reply_schemas,
        }
    }

    /// The same, to be set.
    fn fingerprints_mut(self, hello: &mut Hello) -> &mut Vec<Fingerprint> {
        match self {
            Describes::Messages => &mut hello.schemas,
            Describes::Replies => &mut hello.reply_schemas,
        }
    }

    /// Returns the field of a query with the offset from which it requests the canonical form.
    fn wanted(self, query: &mut Hello) -> &mut Option<u64> {
        match self {
            Describes::Messages => &mut query.schema_at,
            Describes::Replies => &mut query.reply_schema_at,
        }
    }

    /// Returns the name in errors, behind "the".
    pub fn title(self) -> &'static str {
        match self {
            Describes::Messages => "schema",
            Describes::Replies => "reply schema",
        }
    }

    /// Returns the file that stores it in the directory of a spool or a journal.
    fn file(self) -> &'static str {
        match self {
            Describes::Messages => attached::SCHEMA,
            Describes::Replies => attached::REPLY_SCHEMA,
        }
    }

    /// Returns which side reads the other's messages, for a caller of a name of this pattern; none if nothing
    /// is compared.
    fn reads(self, name: Pattern) -> Option<Readers> {
        match (name, self) {
            (Pattern::Publish, Describes::Messages) | (Pattern::Request, Describes::Replies) => {
                Some(Readers::Local)
            }
            (Pattern::Request, Describes::Messages) => Some(Readers::Peer),
            (Pattern::Channel, _) => Some(Readers::Both),
            (Pattern::Publish, Describes::Replies) | (Pattern::Controller | Pattern::Service, _) => None,
        }
    }
}

/// A caller's memory of the schemas of its listeners.
pub struct SchemaNegotiation {
    /// The name under which it reports a mismatch.
    client_id: Option<String>,
    /// One for each schema of the program.
    sides: Vec<ProgramSchema>,
}

/// One schema of the program.
struct ProgramSchema {
    describes: Describes,
    own: Arc<PreparedSchema>,
    /// Schemas of listeners that were compared with it, by fingerprint, the newest first; with an
    /// error if they do not fit.
    compared: Mutex<Vec<(Fingerprint, Option<Error>)>>,
}

impl ProgramSchema {
    fn compared(&self) -> MutexGuard<'_, Vec<(Fingerprint, Option<Error>)>> {
        self.compared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// See [`SchemaNegotiation::fits`].
    fn fits(&self, peer_hello: &Hello) -> Result<bool> {
        let Some(fingerprint) = self.describes.fingerprints(peer_hello).first() else { return Ok(true) };
        if fingerprint == self.own.fingerprint() || self.describes.reads(peer_hello.pattern).is_none() {
            return Ok(true);
        }
        match self.compared().iter().find(|(compared, _)| compared == fingerprint) {
            Some((_, None)) => Ok(true),
            Some((_, Some(error))) => Err(error.clone()),
            None => Ok(false),
        }
    }
}

impl SchemaNegotiation {
    /// Returns the negotiation for these options; none without a schema.
    pub fn of(options: &Options) -> Option<SchemaNegotiation> {
        let side = |describes: Describes| {
            Some(ProgramSchema { describes, own: describes.of(options)?.clone(), compared: Mutex::default() })
        };
        let sides: Vec<ProgramSchema> = Describes::ALL.into_iter().filter_map(side).collect();
        (!sides.is_empty()).then(|| SchemaNegotiation { client_id: options.client_id.clone(), sides })
    }

    /// Returns the hello with the fingerprints: its own first, then those that fit.
    pub fn with_fingerprints(&self, hello: &Hello) -> Hello {
        let mut hello = hello.clone();
        for side in &self.sides {
            let compared = side.compared();
            let fitting =
                compared.iter().filter(|(_, error)| error.is_none()).map(|(fingerprint, _)| *fingerprint);
            let all = [*side.own.fingerprint()].into_iter().chain(fitting).collect();
            *side.describes.fingerprints_mut(&mut hello) = all;
        }
        hello
    }

    /// Returns whether the listener's schemas are known to fit, or it has none. False if they have
    /// to be compared.
    ///
    /// # Errors
    /// `SchemaMismatch` if one is known not to fit.
    pub fn fits(&self, peer_hello: &Hello) -> Result<bool> {
        let mut fits = true;
        for side in &self.sides {
            fits &= side.fits(peer_hello)?;
        }
        Ok(fits)
    }

    /// Queries the schemas of a listener, compares them, and stores the result. `ask` returns the answer to a
    /// query, or none if the listener could not answer; then the result is still unknown.
    ///
    /// # Errors
    /// `SchemaMismatch` if one does not fit; the listener gets it as well.
    pub fn compare(
        &self,
        peer_hello: &Hello,
        mut ask: impl FnMut(&Hello) -> Result<Option<Hello>>,
    ) -> Result<()> {
        for side in &self.sides {
            if !side.fits(peer_hello)? {
                self.compare_one(side, peer_hello, &mut ask)?;
            }
        }
        Ok(())
    }

    /// The same for one schema.
    fn compare_one(
        &self,
        side: &ProgramSchema,
        peer_hello: &Hello,
        ask: &mut impl FnMut(&Hello) -> Result<Option<Hello>>,
    ) -> Result<()> {
        let describes = side.describes;
        let found = (describes.fingerprints(peer_hello).first(), describes.reads(peer_hello.pattern));
        let (Some(fingerprint), Some(reads)) = found else { return Ok(()) };
        let mut query = Hello::new(peer_hello.pattern, self.client_id.clone(), 0)?;
        query.ask = true;
        let Some(form) = fetch(&mut query, describes, Some(fingerprint), ask)? else { return Ok(()) };
        let found = PreparedSchema::from_peer(&form, fingerprint).map_err(|e| {
            let text = format!("the peer's {} is none: {e}", describes.title());
            Error::new(ErrorKind::Malformed, text)
        })?;
        let error = match side.own.differences(&found, reads, describes.title()) {
            None => None,
            Some((here, there)) => {
                *describes.wanted(&mut query) = None;
                query.mismatch = Some(there);
                // A failure to report the difference to the listener is ignored: this side's program gets the
                // error.
                let _ = ask(&query);
                Some(mismatch(&here))
            }
        };
        let mut compared = side.compared();
        compared.insert(0, (*fingerprint, error.clone()));
        compared.truncate(MAX_KNOWN);
        error.map_or(Ok(()), Err)
    }
}

/// Queries the canonical form of a listener's schema in parts: of the schema with this fingerprint,
/// or of whichever it has. None if the listener could not answer, or has another schema meanwhile.
///
/// # Errors
/// `Malformed` for an answer that is not the part that was requested; `TooLarge`.
pub fn fetch(
    query: &mut Hello,
    describes: Describes,
    fingerprint: Option<&[u8; 32]>,
    ask: &mut impl FnMut(&Hello) -> Result<Option<Hello>>,
) -> Result<Option<Vec<u8>>> {
    let wrong = |text: &str| Err(Error::new(ErrorKind::Malformed, text));
    let (mut form, mut fingerprint) = (Vec::new(), fingerprint.copied());
    loop {
        *describes.wanted(query) = Some(form.len() as u64);
        let Some(mut answer) = ask(query)? else { return Ok(None) };
        let part = answer.schema_part.take();
        let (Some(stated), Some(part)) = (describes.fingerprints(&answer).first(), part) else {
            return Ok(None);
        };
        if *fingerprint.get_or_insert(*stated) != *stated {
            return Ok(None);
        }
        let size = usize::try_from(part.size).unwrap_or(usize::MAX);
        if size > MAX_CANONICAL {
            let text = format!("the peer's schema has {size} bytes, and {MAX_CANONICAL} are taken at most");
            return Err(Error::new(ErrorKind::TooLarge, text));
        }
        if part.at != form.len() as u64 || part.bytes.is_empty() || part.bytes.len() > size - form.len() {
            return wrong("the peer sent another part of its schema than was requested");
        }
        form.extend_from_slice(&part.bytes);
        if form.len() >= size {
            return Ok(Some(form));
        }
    }
}

/// Returns the error for schemas that do not fit.
fn mismatch(differences: &str) -> Error {
    Error::new(ErrorKind::SchemaMismatch, differences)
}

/// Puts into a listener's answer what a caller needs of its schemas. False if the caller has to compare
/// first: it gets the answer and is not admitted.
pub fn negotiate(options: &Options, transport: Transport, peer_hello: &Hello, own: &mut Hello) -> bool {
    let mut fits = true;
    for describes in Describes::ALL {
        let Some(held) = describes.of(options) else { continue };
        *describes.fingerprints_mut(own) = vec![*held.fingerprint()];
        if peer_hello.ask {
            if let Some(at) = *describes.wanted(&mut peer_hello.clone()) {
                own.schema_part = part(held, at, transport);
            }
            continue;
        }
        let accepted = describes.fingerprints(peer_hello);
        fits &= accepted.is_empty() || accepted.contains(held.fingerprint());
    }
    fits
}

/// Adds the names and versions of the schemas to what listings show.
pub fn add_titles(options: &Options, state: &mut Map) {
    for (describes, key) in Describes::ALL.into_iter().zip(["schema", "reply_schema"]) {
        if let Some(held) = describes.of(options) {
            state.insert(key.into(), held.title().into());
        }
    }
}

/// Returns the part of the canonical form from this offset on, as long as the transport allows; none
/// behind its end.
fn part(held: &PreparedSchema, at: u64, transport: Transport) -> Option<SchemaPart> {
    let most = transport.capabilities().schema_part;
    let form = held.form();
    let rest = form.get(usize::try_from(at).ok()?..).filter(|rest| !rest.is_empty())?;
    let bytes = Bytes::copy_from_slice(&rest[..rest.len().min(most)]);
    Some(SchemaPart { at, size: form.len() as u64, bytes })
}

/// Returns the answer that makes a caller compare first; it admits no peer.
pub fn answer(hello: &Hello) -> Result<HandshakeAnswer> {
    Ok(HandshakeAnswer { frame: hello.to_frame()?, descriptors: Vec::new(), admitted: Box::new(|| {}) })
}

/// Returns the difference that a caller reports, on one line. The text comes from a peer, so it is cut.
pub fn reported_mismatch(peer_hello: &Hello, source: &str) -> Option<String> {
    /// Characters of it that are shown.
    const MAX_SHOWN: usize = 1024;
    let reported = peer_hello.mismatch.as_deref()?;
    let end = reported.char_indices().nth(MAX_SHOWN).map_or(reported.len(), |(end, _)| end);
    Some(format!("{}: {}", quoted(source), one_line(&reported[..end])))
}

/// Returns the error of a channel whose single peer called with a schema that does not fit.
pub fn refused(reported: &str) -> Error {
    mismatch(&format!("the peer connected and its schema does not fit; it reports of ours: {reported}"))
}

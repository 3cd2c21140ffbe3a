//! Schemas at connect: each side sends its fingerprint, and the caller compares before it is admitted.
//!
//! A caller sends the fingerprints of its schema and of others that it found to fit. A listener with another schema
//! answers with its own fingerprint. The caller then queries that schema in parts, compares, and calls again. After a
//! mismatch it reports the difference to the listener, and its program gets `SchemaMismatch`. So the single thread
//! that answers all connections of a process never parses a peer's schema. A side without a schema, or of an older
//! version, sends no fingerprint and is admitted without a comparison.
//!
//! [`negotiate`] is the listener's part, [`SchemaNegotiation`] the caller's. If no program answers, `stored` replaces
//! both.

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

const MAX_KNOWN: usize = 8;

/// The values at a name that a schema describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Describes {
    /// Messages that are sent, published, or requested.
    Messages,
    /// Replies to requests.
    Replies,
}

impl Describes {
    const ALL: [Describes; 2] = [Describes::Messages, Describes::Replies];

    fn of(self, options: &Options) -> Option<&Arc<PreparedSchema>> {
        match self {
            Describes::Messages => options.schema.as_ref(),
            Describes::Replies => options.reply_schema.as_ref(),
        }
    }

    fn fingerprints(self, hello: &Hello) -> &[Fingerprint] {
        match self {
            Describes::Messages => &hello.schemas,
            Describes::Replies => &hello.reply_schemas,
        }
    }

    fn fingerprints_mut(self, hello: &mut Hello) -> &mut Vec<Fingerprint> {
        match self {
            Describes::Messages => &mut hello.schemas,
            Describes::Replies => &mut hello.reply_schemas,
        }
    }

    fn wanted(self, query: &mut Hello) -> &mut Option<u64> {
        match self {
            Describes::Messages => &mut query.schema_at,
            Describes::Replies => &mut query.reply_schema_at,
        }
    }

    /// Returns the name in errors, after "the".
    pub fn title(self) -> &'static str {
        match self {
            Describes::Messages => "schema",
            Describes::Replies => "reply schema",
        }
    }

    fn file(self) -> &'static str {
        match self {
            Describes::Messages => attached::SCHEMA,
            Describes::Replies => attached::REPLY_SCHEMA,
        }
    }

    /// Returns which side of a name of this pattern reads the messages; none without a comparison.
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

pub struct SchemaNegotiation {
    client_id: Option<String>,
    sides: Vec<ProgramSchema>,
}

struct ProgramSchema {
    describes: Describes,
    own: Arc<PreparedSchema>,
    /// Compared schemas of listeners, the newest first; with an error after a mismatch.
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
    pub fn of(options: &Options) -> Option<SchemaNegotiation> {
        let side = |describes: Describes| {
            Some(ProgramSchema { describes, own: describes.of(options)?.clone(), compared: Mutex::default() })
        };
        let sides: Vec<ProgramSchema> = Describes::ALL.into_iter().filter_map(side).collect();
        (!sides.is_empty()).then(|| SchemaNegotiation { client_id: options.client_id.clone(), sides })
    }

    /// Returns the hello with its own fingerprint first, then the fitting ones.
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

    /// Returns whether the listener's schemas are known to fit. If false, they must be compared.
    ///
    /// # Errors
    /// `SchemaMismatch` for a known mismatch.
    pub fn fits(&self, peer_hello: &Hello) -> Result<bool> {
        let mut fits = true;
        for side in &self.sides {
            fits &= side.fits(peer_hello)?;
        }
        Ok(fits)
    }

    /// Queries a listener's schemas, compares them, and stores the result.
    ///
    /// If `ask` returns none, the listener could not answer, and the result stays unknown.
    ///
    /// # Errors
    /// `SchemaMismatch`, which is also reported to the listener.
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
                // A failed report is ignored: this side's program gets the error.
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

/// Queries the canonical form of a listener's schema in parts, of any schema or of this fingerprint.
///
/// Returns none if the listener could not answer, or has another schema by now.
///
/// # Errors
/// `Malformed` if the answer is another part than requested; `TooLarge`.
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

fn mismatch(differences: &str) -> Error {
    Error::new(ErrorKind::SchemaMismatch, differences)
}

/// Adds the listener's schemas to its answer. False if the caller must compare before it is admitted.
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

pub fn add_titles(options: &Options, state: &mut Map) {
    for (describes, key) in Describes::ALL.into_iter().zip(["schema", "reply_schema"]) {
        if let Some(held) = describes.of(options) {
            state.insert(key.into(), held.title().into());
        }
    }
}

/// Returns the part of the canonical form at this offset, as long as the transport allows.
fn part(held: &PreparedSchema, at: u64, transport: Transport) -> Option<SchemaPart> {
    let most = transport.capabilities().schema_part;
    let form = held.form();
    let rest = form.get(usize::try_from(at).ok()?..).filter(|rest| !rest.is_empty())?;
    let bytes = Bytes::copy_from_slice(&rest[..rest.len().min(most)]);
    Some(SchemaPart { at, size: form.len() as u64, bytes })
}

pub fn answer(hello: &Hello) -> Result<HandshakeAnswer> {
    Ok(HandshakeAnswer { frame: hello.to_frame()?, descriptors: Vec::new(), admitted: Box::new(|| {}) })
}

/// Returns a caller's reported difference on one line, cut because a peer sent it.
pub fn reported_mismatch(peer_hello: &Hello, source: &str) -> Option<String> {
    const MAX_SHOWN: usize = 1024;
    let reported = peer_hello.mismatch.as_deref()?;
    let end = reported.char_indices().nth(MAX_SHOWN).map_or(reported.len(), |(end, _)| end);
    Some(format!("{}: {}", quoted(source), one_line(&reported[..end])))
}

pub fn refused(reported: &str) -> Error {
    mismatch(&format!("the peer connected and its schema does not fit; it reports of ours: {reported}"))
}

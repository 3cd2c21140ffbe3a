//! What only the programs know that publish: their schemas, and the machine that a bridge has a name from.

use std::collections::HashMap;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use linkspan::schema::Schema;
use linkspan::{Error, ErrorKind, Result, registry};

use super::publisher::Origin;

/// Asks programs. One that does not answer costs the writing thread time, of which there is a little each second.
pub struct Asking {
    left: Duration,
    since: Instant,
    /// Schemas that were received, by the beginnings of their fingerprints.
    known: HashMap<String, Schema>,
}

/// The time that answers may take together: one program may take 3 s for its schema.
const PATIENCE: Duration = Duration::from_secs(4);
/// The part of the time that passes by which that grows again.
const REGAIN: u32 = 10;
/// With less than that no publisher is asked.
const LEAST: Duration = Duration::from_secs(1);
/// Schemas that are kept.
const KNOWN: usize = 256;

impl Asking {
    pub fn new() -> Asking {
        Asking { left: PATIENCE, since: Instant::now(), known: HashMap::new() }
    }

    /// Returns the machine that a name belongs to, if it stands for a name of another machine.
    pub fn machine(&mut self, name: &str) -> Option<String> {
        self.ask(|| registry::machine(name)).ok().flatten()
    }

    /// Returns the schema of the messages of an origin; none where their sender gave none.
    ///
    /// # Errors
    /// A text, where they have one that was not received: the program that listens at the name may have ended, and
    /// another one may have come, which has a schema of its own.
    pub fn schema(&mut self, origin: &Origin) -> std::result::Result<Option<Schema>, String> {
        let name = &*origin.publisher.endpoint.name;
        if origin.publisher.is_stored {
            let first = origin.first.lock().unwrap_or_else(PoisonError::into_inner).take();
            let form = self.ask(|| match &first {
                Some(first) => registry::schema_of(name, first),
                None => registry::schema(name),
            });
            return Ok(form.and_then(|form| Schema::from_bytes(&form)).ok());
        }
        let Some(id) = &origin.schema_id else { return Ok(None) };
        if let Some(known) = self.known.get(id) {
            return Ok(Some(known.clone()));
        }
        let why = match self.ask(|| registry::schema(name)).and_then(|form| Schema::from_bytes(&form)) {
            Ok(schema) if has_id(&schema, id) => {
                if self.known.len() < KNOWN {
                    self.known.insert(id.clone(), schema.clone());
                }
                return Ok(Some(schema));
            }
            Ok(_) => "the program that is there now has another one".to_owned(),
            Err(error) => error.to_string(),
        };
        Err(format!(
            "the schema of these messages, whose fingerprint begins with {id}, is not in the recording, since their publisher had ended \
             or did not answer when it was asked for it: {why}"
        ))
    }

    /// Asks, where there is time.
    fn ask<T>(&mut self, question: impl FnOnce() -> Result<T>) -> Result<T> {
        let regained = self.since.elapsed().checked_div(REGAIN).unwrap_or_default();
        self.left = self.left.saturating_add(regained).min(PATIENCE);
        self.since = Instant::now();
        if self.left < LEAST {
            let text = "others took too long to answer, and the recorder has messages to write";
            return Err(Error::new(ErrorKind::Timeout, text));
        }
        let answer = question();
        self.left = self.left.saturating_sub(self.since.elapsed());
        self.since = Instant::now();
        answer
    }
}

/// Whether the fingerprint of a schema begins so.
fn has_id(schema: &Schema, id: &str) -> bool {
    schema.fingerprint().is_ok_and(|fingerprint| fingerprint.to_string().starts_with(id))
}

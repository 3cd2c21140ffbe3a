//! The type of a name's messages: declared by their schema or inferred. Misfits become JSON.

use std::sync::Arc;

use linkspan::schema::{Kind, Schema, Type};
use linkspan::{Error, ErrorKind, Result, Value};
use linkspan_schema_infer::{Evidence, propose};

use crate::Encoder;
use crate::keys::Keys;
use crate::length::most_by_default;

/// The most changes of an inferred type. Each restarts a viewer's channel; later messages become JSON.
const MOST: u32 = 16;

/// The messages of a name.
#[derive(Debug)]
pub struct Messages {
    name: String,
    /// The encoder of the declared type.
    declared: Option<Arc<Encoder>>,
    evidence: Evidence,
    inferred: Option<Arc<Encoder>>,
    /// The encoder for other messages.
    json: Option<Arc<Encoder>>,
    changes: u32,
    /// Substituted keys in the evidence.
    keys: Keys,
    /// The most bytes of an encoded message.
    most: u64,
}

/// Returns whether a message exceeds the limit in every encoding.
fn is_final(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::TooLarge | ErrorKind::OutOfMemory)
}

impl Messages {
    /// Begins with a name and its schema, if there is one.
    pub fn new(name: &str, schema: Option<&Schema>) -> Messages {
        Messages {
            name: name.to_owned(),
            declared: schema.map(|schema| Arc::new(Encoder::new(schema))),
            evidence: Evidence::default(),
            inferred: None,
            json: None,
            changes: 0,
            keys: Keys::default(),
            most: most_by_default(),
        }
    }

    /// Sets the most bytes of an encoded message.
    #[must_use]
    pub fn within(self, most: u64) -> Messages {
        Messages { most, ..self }
    }

    /// Adds a message to the evidence for the type.
    fn add(&mut self, value: &Value) {
        match self.keys.replaced(value) {
            Some(replaced) => self.evidence.add(&replaced),
            None => self.evidence.add(value),
        }
    }

    /// Examines a message. Messages are encoded after all were examined.
    pub fn look(&mut self, value: &Value, sent: i64) {
        let has_form = |declared: &Arc<Encoder>| declared.encode(value, sent, self.most).is_ok();
        if !self.declared.as_ref().is_some_and(has_form) {
            self.add(value);
            self.inferred = None;
        }
    }

    /// Returns the probable encoder of the next message.
    pub fn encoder(&self) -> Option<&Arc<Encoder>> {
        self.declared.as_ref().or(self.inferred.as_ref()).or(self.json.as_ref())
    }

    fn infer(&mut self) -> Arc<Encoder> {
        // The name is valid for a type after its dots are restored.
        let name = self.name.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        let proposed = propose(&format!("m{name}").chars().take(60).collect::<String>(), &self.evidence);
        let schema = proposed.ok().map(|proposal| {
            let mut schema = proposal.schema;
            schema.name = self.name.clone();
            mark_empty(&mut schema.root, "", &proposal.empty_lists);
            self.keys.restore(&mut schema.root);
            schema
        });
        Arc::new(match &schema {
            Some(schema) if self.changes < MOST => Encoder::new(schema),
            schema => Encoder::json(schema.as_ref(), &self.name),
        })
    }

    /// Encodes an examined message: in the declared type, or in the type that fits all misfits.
    ///
    /// # Errors
    /// `TooLarge` beyond the limit. JSON accepts every other value.
    pub fn encode(&mut self, value: &Value, sent: i64) -> Result<(Arc<Encoder>, Vec<u8>)> {
        if let Some(declared) = &self.declared {
            match declared.encode(value, sent, self.most) {
                Ok(bytes) => return Ok((declared.clone(), bytes)),
                Err(error) if is_final(&error) => return Err(error),
                Err(_) => {}
            }
        }
        if self.inferred.is_none() && self.evidence.seen > 0 {
            self.inferred = Some(self.infer());
        }
        if let Some(inferred) = &self.inferred
            && let Ok(bytes) = inferred.encode(value, sent, self.most)
        {
            return Ok((inferred.clone(), bytes));
        }
        let json = self.json.get_or_insert_with(|| Arc::new(Encoder::json(None, &self.name))).clone();
        let bytes = json.encode(value, sent, self.most)?;
        Ok((json, bytes))
    }

    /// Encodes a message without examining all first. A misfit replaces the type by a wider inferred one.
    ///
    /// # Errors
    /// As for [`Messages::encode`].
    pub fn encode_next(&mut self, value: &Value, sent: i64) -> Result<(Arc<Encoder>, Vec<u8>)> {
        if let Some(encoder) = self.encoder() {
            match encoder.encode(value, sent, self.most) {
                Ok(bytes) => return Ok((encoder.clone(), bytes)),
                // Another type does not shorten it.
                Err(error) if is_final(&error) => return Err(error),
                Err(_) => {}
            }
        }
        self.declared = None;
        self.add(value);
        self.inferred = Some(self.infer());
        self.changes = self.changes.saturating_add(1);
        self.encode(value, sent)
    }
}

/// Marks lists that were empty in every message as always empty.
fn mark_empty(of: &mut Type, path: &str, empty: &[String]) {
    let below = |part: &str| if path.is_empty() { part.to_owned() } else { format!("{path}.{part}") };
    match &mut of.kind {
        Kind::List(_, most) if empty.iter().any(|one| one == path) => *most = Some(0),
        Kind::List(of, _) | Kind::Map(of) => mark_empty(of, &below("of"), empty),
        Kind::Record(fields) => {
            for field in fields {
                let path = below(&format!("fields.{}", field.name));
                mark_empty(&mut field.of, &path, empty);
            }
        }
        _ => {}
    }
}

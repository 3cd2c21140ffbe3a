//! Which type the messages of a name have: that of their schema, or one that is inferred from them; where they do not
//! fit it, JSON.

use std::sync::Arc;

use linkspan::schema::Schema;
use linkspan::{Result, Value};
use linkspan_schema_infer::{Evidence, propose};

use crate::Encoder;

/// Types that are inferred one after the other, each wider than the one before, until messages are written in JSON: a
/// viewer begins anew with each.
const MOST: u32 = 16;

/// The messages of a name.
#[derive(Debug)]
pub struct Messages {
    name: String,
    /// The type of the schema.
    declared: Option<Arc<Encoder>>,
    evidence: Evidence,
    inferred: Option<Arc<Encoder>>,
    /// For what fits neither.
    json: Option<Arc<Encoder>>,
    changes: u32,
}

impl Messages {
    /// Begins with what is known before the first message: the name, and the schema where there is one.
    pub fn new(name: &str, schema: Option<&Schema>) -> Messages {
        Messages {
            name: name.to_owned(),
            declared: schema.map(|schema| Arc::new(Encoder::new(schema))),
            evidence: Evidence::default(),
            inferred: None,
            json: None,
            changes: 0,
        }
    }

    /// Looks at a message that will be written later, once all were looked at.
    pub fn look(&mut self, value: &Value, sent: i64) {
        if self.declared.as_ref().is_none_or(|declared| declared.encode(value, sent).is_err()) {
            self.evidence.add(value);
            self.inferred = None;
        }
    }

    /// Returns the type that the next message has, as far as it is known.
    pub fn encoder(&self) -> Option<&Arc<Encoder>> {
        self.declared.as_ref().or(self.inferred.as_ref()).or(self.json.as_ref())
    }

    fn infer(&mut self) -> Arc<Encoder> {
        // A name is a valid one for the type, once its dots are in place.
        let name = self.name.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        let proposed = propose(&format!("m{name}").chars().take(60).collect::<String>(), &self.evidence);
        let mut schema = proposed.map(|proposal| proposal.schema).ok();
        if let Some(schema) = &mut schema {
            schema.name = self.name.clone();
        }
        Arc::new(match &schema {
            Some(schema) if self.changes < MOST => Encoder::new(schema),
            schema => Encoder::json(schema.as_ref(), &self.name),
        })
    }

    /// Writes a message that was looked at before: in the type of the schema, else in the one that fits all messages
    /// that do not fit that.
    ///
    /// # Errors
    /// None today: JSON takes every value.
    pub fn encode(&mut self, value: &Value, sent: i64) -> Result<(Arc<Encoder>, Vec<u8>)> {
        if let Some(declared) = &self.declared
            && let Ok(bytes) = declared.encode(value, sent)
        {
            return Ok((declared.clone(), bytes));
        }
        if self.inferred.is_none() && self.evidence.seen > 0 {
            self.inferred = Some(self.infer());
        }
        if let Some(inferred) = &self.inferred
            && let Ok(bytes) = inferred.encode(value, sent)
        {
            return Ok((inferred.clone(), bytes));
        }
        let json = self.json.get_or_insert_with(|| Arc::new(Encoder::json(None, &self.name))).clone();
        let bytes = json.encode(value, sent)?;
        Ok((json, bytes))
    }

    /// Writes a message while others come: one that does not fit the type so far widens it, and the type of its schema
    /// is given up then.
    ///
    /// # Errors
    /// As for [`Messages::encode`].
    pub fn encode_next(&mut self, value: &Value, sent: i64) -> Result<(Arc<Encoder>, Vec<u8>)> {
        if let Some(encoder) = self.encoder()
            && let Ok(bytes) = encoder.encode(value, sent)
        {
            return Ok((encoder.clone(), bytes));
        }
        self.declared = None;
        self.evidence.add(value);
        self.inferred = Some(self.infer());
        self.changes += 1;
        self.encode(value, sent)
    }
}

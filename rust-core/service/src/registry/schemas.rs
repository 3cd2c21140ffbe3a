//! The schemas of an endpoint: from the program that holds its name, or from their files.
//!
//! A listener is queried in parts; a spool and a journal have schemas in files with the messages.

use std::time::Duration;

use super::answer;
use crate::deadline::{Deadline, Waiting};
use crate::engine::Message;
use crate::engine::service_side::handshake::Hello;
use crate::engine::service_side::schema_negotiation::{self, Describes, stored};
use crate::engine::service_side::{self, Pattern};
use crate::error::{Error, ErrorKind, Result};
use crate::transport::endpoint::Endpoint;
use crate::transport::kind::NameDirectory;
use crate::transport::place::Place;

const TIMEOUT: Duration = Duration::from_secs(3);

/// Returns the canonical form of an endpoint's schema.
///
/// # Errors
///
/// `NotFound` if no program listens; `Missing` without a schema.
pub fn schema(endpoint: &str) -> Result<Vec<u8>> {
    let endpoint: Endpoint = endpoint.parse()?;
    find_schema(&endpoint, Describes::Messages).map_err(|e| e.on(&endpoint))
}

/// Returns the canonical form of the schema of replies, the option `reply_schema`.
///
/// Errors as for [`schema`].
pub fn reply_schema(endpoint: &str) -> Result<Vec<u8>> {
    let endpoint: Endpoint = endpoint.parse()?;
    find_schema(&endpoint, Describes::Replies).map_err(|e| e.on(&endpoint))
}

/// Returns the canonical form of the schema that a message of an endpoint was written with.
///
/// In a journal each record names its schema. Elsewhere, and for records without one, it is [`schema`].
///
/// # Errors
///
/// As for [`schema`]; `Corrupt` if a journal has lost the schema.
pub fn schema_of(endpoint: &str, message: &Message) -> Result<Vec<u8>> {
    let parsed: Endpoint = endpoint.parse()?;
    if parsed.transport().capabilities().history {
        let place = Place::of(&parsed)?;
        let form =
            stored::form_of_record(&place, service_side::header(message)).map_err(|e| e.on(&parsed))?;
        if let Some(form) = form {
            return Ok(form);
        }
    }
    schema(endpoint)
}

/// Returns each schema of a journal's records, in order: the first record's number, and the form.
///
/// Elsewhere, and in a journal whose records name no schema, it is [`schema`] with the number 0.
pub fn schemas(endpoint: &str) -> Result<Vec<(u64, Vec<u8>)>> {
    let parsed: Endpoint = endpoint.parse()?;
    if parsed.transport().capabilities().history {
        let found = stored::forms_of_history(&parsed).map_err(|e| e.on(&parsed))?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(vec![(0, schema(endpoint)?)])
}

/// Finds the schema of these values. Its errors lack the endpoint.
fn find_schema(endpoint: &Endpoint, describes: Describes) -> Result<Vec<u8>> {
    let transport = endpoint.transport();
    let mut waiting = Waiting::until(Deadline::after(TIMEOUT));
    let none = || {
        let title = describes.title();
        let text = format!("no {title} was given for this endpoint by the program that holds it");
        Error::new(ErrorKind::Missing, text)
    };
    if transport.names() != NameDirectory::Runtime {
        let durable = transport.driver().durable_place(endpoint);
        let place = durable.map_or_else(|| Place::of(endpoint), Ok)?;
        return stored::stored_form(&place, describes)?.ok_or_else(none);
    }
    let Some(connections) = transport.driver().connections() else {
        return Err(transport.unsupported_because("a schema", "no program answers there"));
    };
    let target = connections.target(endpoint)?;
    let mut ask = |query: &Hello| answer::ask(endpoint, &*target, query, &mut waiting).map(Some);
    let mut query = Hello::new(Pattern::Channel, None, 0)?;
    query.ask = true;
    schema_negotiation::fetch(&mut query, describes, None, &mut ask)?.ok_or_else(none)
}

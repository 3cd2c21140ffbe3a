//! `linkspan schema export`: prints a schema in another notation, and its limits on standard error.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use linkspan_program::exit::{Exit, write};
use linkspan_program::{schema_argument, stderr};
use linkspan_schema_export::{Change, Notation, Note, export};

/// `linkspan schema export`
#[derive(Args, Debug)]
pub struct Export {
    /// The notation
    #[arg(long, value_enum)]
    pub to: To,
    /// The schema: a file, or an endpoint
    #[arg(value_name = "FILE|NAME")]
    pub file: PathBuf,
}

/// The notations, with their names on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum To {
    /// CDDL (RFC 8610) of the messages in CBOR
    Cddl,
    /// JSON Schema 2020-12 of the messages in JSON
    JsonSchema,
    /// JSON Schema for viewers, with one type per property: without null, NaN and infinities
    ViewerSchema,
    /// Protocol Buffers, proto3
    Proto,
    /// Apache Arrow, a schema message of its IPC format (binary)
    Arrow,
}

impl From<To> for Notation {
    fn from(to: To) -> Notation {
        match to {
            To::Cddl => Notation::Cddl,
            To::JsonSchema => Notation::JsonSchema,
            To::ViewerSchema => Notation::ViewerSchema,
            To::Proto => Notation::Proto,
            To::Arrow => Notation::Arrow,
        }
    }
}

pub fn print(args: &Export) -> Result<(), Exit> {
    let exported = export(&schema_argument::load(&args.file)?, args.to.into())?;
    for line in grouped(&exported.notes) {
        stderr::print_note(&line);
    }
    write(&exported.bytes)
}

/// Returns one line for each inexpressible feature, with its fields.
fn grouped(notes: &[Note]) -> Vec<String> {
    let mut groups: Vec<(Change, &str, Vec<&str>)> = Vec::new();
    for note in notes {
        let path = if note.path.is_empty() { "the message" } else { &note.path };
        match groups.iter_mut().find(|(change, text, _)| *change == note.change && *text == note.text) {
            Some((.., paths)) => paths.push(path),
            None => groups.push((note.change, &note.text, vec![path])),
        }
    }
    let line = |(change, text, paths): &(Change, &str, Vec<&str>)| {
        let change = if *change == Change::Looser { "looser" } else { "narrower" };
        format!("{change} than the schema: {text} ({})", paths.join(", "))
    };
    groups.iter().map(line).collect()
}

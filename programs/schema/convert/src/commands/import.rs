//! `linkspan schema import`: converts another notation to a schema.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use linkspan_program::exit::{Exit, write};
use linkspan_program::schema_argument::missing;
use linkspan_program::stderr;
use linkspan_schema_convert::import::{Notation, Options, import};

/// `linkspan schema import`
#[derive(Args, Debug)]
pub struct Import {
    /// The notation
    #[arg(long, value_enum)]
    pub from: From,
    /// The file
    pub file: PathBuf,
    /// The message or class, if a file defines several
    #[arg(long, visible_alias = "class", value_name = "NAME")]
    pub message: Option<String>,
    /// A directory to search for included files; may be repeated
    #[arg(long, value_name = "DIR")]
    pub include: Vec<PathBuf>,
}

/// The notations, with their names on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum From {
    /// Protocol Buffers, .proto
    Proto,
    /// ROS 1 and 2, .msg
    Ros,
    /// JSON Schema, the everyday subset
    JsonSchema,
    /// Python dataclasses and TypedDicts; the file is parsed but not run
    Python,
}

impl std::convert::From<From> for Notation {
    fn from(from: From) -> Notation {
        match from {
            From::Proto => Notation::Proto,
            From::Ros => Notation::Ros,
            From::JsonSchema => Notation::JsonSchema,
            From::Python => Notation::Python,
        }
    }
}

/// Prints the schema. Standard error lists the places that accept more than the file.
pub fn print(args: &Import) -> Result<(), Exit> {
    let mut options = Options::default();
    options.message.clone_from(&args.message);
    options.include.clone_from(&args.include);
    let imported = import(args.from.into(), &args.file, &options).map_err(|e| missing(e, &args.file))?;
    for remark in &imported.remarks {
        stderr::print_note(&format!("{}: {}", remark.place, remark.text));
    }
    write(imported.schema.to_toml().as_bytes())
}

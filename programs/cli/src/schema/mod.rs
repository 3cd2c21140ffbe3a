//! `linkspan schema`: checks, shows and compares schemas, generates code, and validates values.
//!
//! `linkspan-schema` provides the conversions.

mod diff;
mod generate;

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use linkspan::schema::{Difference, Schema};

use crate::exit::Exit;
use crate::schema_argument::{load, load_all, load_reply};
use crate::signals::Signals;
use crate::{companion, input, output};

/// The commands for schemas.
#[derive(Subcommand, Debug)]
pub enum What {
    /// Check a schema file, or the compatibility of two schema files
    #[command(
        after_help = "With one file: prints nothing and ends with 0, or prints file, line and column of the first error and ends with 1.
With two files: prints `backward` if programs with NEW can read messages of programs with OLD, and `forward` if programs with OLD can read
messages of programs with NEW. For an incompatible direction it prints the differences. Ends with 1 if a direction of --require is incompatible, as a commit hook needs.

Examples:
  linkspan schema check power.schema.toml
  git show HEAD:power.schema.toml > /tmp/old && linkspan schema check /tmp/old power.schema.toml --require backward"
    )]
    Check {
        /// The schema, or the older of two schemas
        file: PathBuf,
        /// The newer schema
        new: Option<PathBuf>,
        /// Direction that must be compatible
        #[arg(long, value_enum, default_value = "both", requires = "new")]
        require: Direction,
    },

    /// Print the schema of a file or an endpoint, with every name resolved
    #[command(
        after_help = "An argument that is not a file and does not end in .toml is an endpoint. The listener of the endpoint sends the schema; a spool or
a journal has stored it. All schema commands take an endpoint instead of a file.

Examples:
  linkspan schema show power.schema.toml
  linkspan schema show lab/power
  linkspan schema show lab/tank --reply
  linkspan schema show journal:orders --all
  linkspan schema diff lab/power power.schema.toml"
    )]
    Show {
        /// The schema: a file, or an endpoint
        #[arg(value_name = "FILE|NAME")]
        file: PathBuf,
        /// Print the schema of an endpoint's replies
        #[arg(long, conflicts_with = "all")]
        reply: bool,
        /// Print all schemas of a journal's records, the oldest first, one TOML file after another
        #[arg(long)]
        all: bool,
    },

    /// Print the differences between two schemas, in both directions
    #[command(
        after_help = "Prints each line of the notation that differs, below its table, with - for the old schema and + for the new schema. Then it prints, for each direction, the differences that prevent reading. Ends with 0 if the differences do not affect programs that exchange messages, else with 1.

Examples:
  linkspan schema diff old.schema.toml new.schema.toml
  linkspan schema diff lab/power power.schema.toml"
    )]
    Diff {
        /// The older schema
        old: PathBuf,
        /// The newer schema
        new: PathBuf,
    },

    /// Print the fingerprint of a schema: SHA-256 of its canonical form, in hexadecimal digits
    #[command(
        after_help = "The fingerprint covers units, ranges, defaults and aliases, but not descriptions (`doc`) or the layout of the file.

Examples:
  linkspan schema fingerprint power.schema.toml
  test \"$(linkspan schema fingerprint old.schema.toml)\" = \"$(linkspan schema fingerprint new.schema.toml)\""
    )]
    Fingerprint {
        /// The schema
        file: PathBuf,
    },

    #[command(flatten)]
    Convert(companion::Conversion),

    /// Write the types of a schema in a programming language, with encoding and decoding
    #[command(
        after_help = "The files are named after the schema. With `--output -` the command prints them to standard output.

With --check it writes nothing. It prints each missing or changed file in DIR with the first line that differs, and ends with 1 if there
is such a file, as a commit hook needs.

Examples:
  linkspan schema generate --lang rust power.schema.toml --output src
  linkspan schema generate --check --lang rust power.schema.toml --output src
  linkspan schema generate --lang python lab/power --output -"
    )]
    Generate {
        /// The language
        #[arg(long, value_parser = generate::language())]
        lang: linkspan_schema::generate::Language,
        /// Directory for the files, made if it is missing; `-` for standard output
        #[arg(long, value_name = "DIR|-", default_value = ".")]
        output: PathBuf,
        /// Print the files in the directory that differ from the generated files, and write nothing
        #[arg(long)]
        check: bool,
        /// The schema: a file, or an endpoint
        #[arg(value_name = "FILE|NAME")]
        file: PathBuf,
    },

    /// Check values from standard input, one JSON text per line, against a schema
    #[command(
        after_help = "Prints an error for each value that does not match: the line, the path, the expected type and the value found. Ends with 1 after such an error.

Examples:
  linkspan sub lab/power --json | linkspan schema validate power.schema.toml
  linkspan schema validate power.schema.toml < readings.jsonl"
    )]
    Validate {
        /// The schema
        file: PathBuf,
    },
}

/// The program that has the newer schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Direction {
    /// New programs can read messages of old programs
    Backward,
    /// Old programs can read messages of new programs
    Forward,
    /// Both
    Both,
    /// None: prints the result, and ends with 0
    None,
}

pub fn schema(what: What, signals: &Signals) -> Result<(), Exit> {
    match what {
        What::Check { file, new: None, .. } => {
            load(&file)?;
            Ok(())
        }
        What::Check { file, new: Some(new), require } => compare(&load(&file)?, &load(&new)?, require),
        What::Show { file, all: true, .. } => show_all(&file),
        What::Show { file, reply: true, .. } => output::write(load_reply(&file)?.to_toml().as_bytes()),
        What::Show { file, .. } => output::write(load(&file)?.to_toml().as_bytes()),
        What::Diff { old, new } => diff(&load(&old)?, &load(&new)?),
        What::Fingerprint { file } => output::write(format!("{}\n", load(&file)?.fingerprint()?).as_bytes()),
        What::Convert(command) => companion::convert(command),
        What::Generate { lang, output, check: true, file } => generate::check(&load(&file)?, lang, &output),
        What::Generate { lang, output, file, .. } => generate::generate(&load(&file)?, lang, &output),
        What::Validate { file } => validate(&load(&file)?, signals),
    }
}

fn show_all(name: &std::path::Path) -> Result<(), Exit> {
    let mut out = String::new();
    for (first, schema) in load_all(name)? {
        if !out.is_empty() {
            out += "\n";
        }
        if first > 0 {
            out += &format!("# from message {first} on\n");
        }
        out += &format!("# fingerprint {}\n{}", schema.fingerprint()?, schema.to_toml());
    }
    output::write(out.as_bytes())?;
    Ok(())
}

fn compare(old: &Schema, new: &Schema, require: Direction) -> Result<(), Exit> {
    let (backward, forward) = (new.cannot_read(old), old.cannot_read(new));
    let mut out = direction("backward", "programs with the new schema", "old", &backward);
    out += &direction("forward", "programs with the old schema", "new", &forward);
    output::write(out.as_bytes())?;
    let holds = match require {
        Direction::Backward => backward.is_empty(),
        Direction::Forward => forward.is_empty(),
        Direction::Both => backward.is_empty() && forward.is_empty(),
        Direction::None => true,
    };
    if holds { Ok(()) } else { Err(Exit::ProblemFound) }
}

fn direction(name: &str, readers: &str, writers: &str, found: &[Difference]) -> String {
    if found.is_empty() {
        return format!("{name}: {readers} read what {writers} ones write\n");
    }
    let mut out = format!("not {name}: {readers} cannot read all that {writers} ones write\n");
    for difference in found {
        out += &format!("  {difference}\n");
    }
    out
}

fn diff(old: &Schema, new: &Schema) -> Result<(), Exit> {
    if old == new {
        return Ok(());
    }
    let (backward, forward) = (new.cannot_read(old), old.cannot_read(new));
    let mut out = diff::lines(&old.to_toml(), &new.to_toml());
    if backward.is_empty() && forward.is_empty() {
        out += "each reads all that the other one writes\n";
        return output::write(out.as_bytes());
    }
    for (found, sides) in [(&backward, "new reads old"), (&forward, "old reads new")] {
        for difference in found {
            out += &format!("{sides}: {difference}\n");
        }
    }
    output::write(out.as_bytes())?;
    Err(Exit::ProblemFound)
}

fn validate(schema: &Schema, signals: &Signals) -> Result<(), Exit> {
    let mut lines = input::Lines::new(signals);
    while let Some(value) = lines.next_value()? {
        schema
            .check(&value)
            .map_err(|error| error.on(format_args!("standard input, line {}", lines.number())))?;
    }
    Ok(())
}

//! `linkspan schema generate`: writes generated code, or compares it with existing files.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use linkspan::files::{self, Links};
use linkspan::schema::Schema;
use linkspan::{Error, ErrorKind};
use linkspan_schema::generate::{Language, generate as generated};

use crate::exit::Exit;
use crate::output;

pub fn language() -> impl TypedValueParser<Value = Language> {
    PossibleValuesParser::new(Language::ALL.map(Language::name)).map(|name| {
        let known = Language::ALL.into_iter().find(|language| language.name() == name);
        known.unwrap_or(Language::ALL[0])
    })
}

pub fn generate(schema: &Schema, language: Language, to: &Path) -> Result<(), Exit> {
    let generated = generated(schema, language)?;
    if to == Path::new("-") {
        for file in generated {
            output::write(file.text.as_bytes())?;
        }
        return Ok(());
    }
    let refused = |what: &str, path: &Path, why: std::io::Error| {
        let doing = format!("{what} {}", path.display());
        let error = Error::os(&doing, why.raw_os_error().unwrap_or(0));
        if error.kind() == ErrorKind::Internal {
            return Error::new(ErrorKind::Unsupported, format!("{doing}: {why}"));
        }
        error
    };
    std::fs::create_dir_all(to).map_err(|why| refused("making the directory", to, why))?;
    for file in generated {
        let path = to.join(&file.name);
        let open = files::open_to_write(&path, 0o666, Links::Followed)?;
        write(open, &file.text).map_err(|why| refused("writing the file", &path, why))?;
    }
    Ok(())
}

fn write(mut file: File, text: &str) -> std::io::Result<()> {
    file.set_len(0)?;
    file.write_all(text.as_bytes())
}

/// Reports differences, and writes nothing.
pub fn check(schema: &Schema, language: Language, within: &Path) -> Result<(), Exit> {
    if within == Path::new("-") {
        let text = "--check compares with files in a directory: name it with --output";
        return Err(Error::new(ErrorKind::Unsupported, text).into());
    }
    let mut out = String::new();
    for file in generated(schema, language)? {
        let path = within.join(&file.name);
        let shown = path.display();
        if !path.exists() {
            out += &format!("{shown}: does not exist\n");
            continue;
        }
        // The rest is not read, because the file differs in any case.
        let most = file.text.len() as u64 + LONGEST as u64;
        let found = files::read(files::open_or_descriptor(&path)?, &path, most)?;
        if let Some((line, stands, expected)) = difference(&found, file.text.as_bytes()) {
            out += &format!("{shown}:{line}: found {}, expected {}\n", quoted(stands), quoted(expected));
        }
    }
    if out.is_empty() {
        return Ok(());
    }
    output::write(out.as_bytes())?;
    Err(Exit::ProblemFound)
}

/// The most characters of a line that are printed.
const LONGEST: usize = 100;

type Line<'t> = Option<&'t [u8]>;

/// The first different line, from 1, in both texts.
fn difference<'t>(found: &'t [u8], expected: &'t [u8]) -> Option<(usize, Line<'t>, Line<'t>)> {
    let lines = |text: &'t [u8]| text.split_inclusive(|byte| *byte == b'\n');
    let (mut found, mut expected) = (lines(found), lines(expected));
    (1..).map(|line| (line, found.next(), expected.next())).find_map(|(line, stands, wanted)| {
        match (stands, wanted) {
            (None, None) => Some(None),
            (stands, wanted) if stands != wanted => Some(Some((line, stands, wanted))),
            _ => None,
        }
    })?
}

fn quoted(line: Line<'_>) -> String {
    let Some(line) = line else { return "the end of the file".to_owned() };
    let text = String::from_utf8_lossy(line);
    let cut: String = text.trim_end_matches('\n').chars().take(LONGEST).collect();
    format!("{cut:?}")
}

//! `linkspan schema generate`: source text from a schema, into a directory or to standard output.

use std::path::Path;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use linkspan::schema::Schema;
use linkspan::{Error, ErrorKind};
use linkspan_schema::generate::{Language, generate as files};

use crate::exit::Exit;
use crate::output;

/// The option `--lang`: the name of a language.
pub fn language() -> impl TypedValueParser<Value = Language> {
    PossibleValuesParser::new(Language::ALL.map(Language::name)).map(|name| {
        let known = Language::ALL.into_iter().find(|language| language.name() == name);
        // Clap has compared the name with the same list.
        known.unwrap_or(Language::ALL[0])
    })
}

/// Writes the files of a schema in a language.
pub fn generate(schema: &Schema, language: Language, to: &Path) -> Result<(), Exit> {
    let files = files(schema, language)?;
    if to == Path::new("-") {
        for file in files {
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
    for file in files {
        let path = to.join(&file.name);
        std::fs::write(&path, file.text).map_err(|why| refused("writing the file", &path, why))?;
    }
    Ok(())
}

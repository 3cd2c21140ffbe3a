//! Reads schemas from files and from standard input.

use std::path::Path;

use linkspan::schema::Schema;
use linkspan::{Error, ErrorKind, registry};

use crate::exit::Exit;

/// Returns the schema in a file and its includes, or the schema of an endpoint.
///
/// A missing file is an error in the command line, as in `--schema`. An endpoint with a transport may get a listener
/// later.
pub fn load(file: &Path) -> Result<Schema, Exit> {
    let name = utf8(file)?;
    if file.symlink_metadata().is_err() && file.extension().is_none_or(|extension| extension != "toml") {
        let form = registry::schema(name).map_err(|error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::InvalidEndpoint => {
                let text = format!("it is neither a file nor an endpoint with a schema: {}", error.text());
                let named = Error::new(ErrorKind::NotFound, text).on(name);
                let is_endpoint = error.kind() == ErrorKind::NotFound && name.contains(':');
                if is_endpoint { Exit::Error(named) } else { Exit::Usage(named) }
            }
            _ => error.into(),
        })?;
        return Ok(of_form(&form, name)?);
    }
    Schema::from_file(name).map_err(|error| missing(error, file))
}

/// Returns the exit for an error about a file. A missing file counts as a wrong command line.
pub fn missing(error: Error, file: &Path) -> Exit {
    if error.kind() == ErrorKind::NotFound && file.symlink_metadata().is_err() {
        Exit::Usage(error)
    } else {
        error.into()
    }
}

/// Returns the schema of the replies at an endpoint.
pub fn load_reply(name: &Path) -> linkspan::Result<Schema> {
    if name.exists() {
        let text = format!("{} is a file: only an endpoint has a schema of replies", name.display());
        return Err(Error::new(ErrorKind::Unsupported, text));
    }
    let name = utf8(name)?;
    of_form(&registry::reply_schema(name)?, name)
}

/// Returns each schema in a journal with the number of its first record. A schema from elsewhere has the number 0.
pub fn load_all(name: &Path) -> Result<Vec<(u64, Schema)>, Exit> {
    if name.exists() {
        return Ok(vec![(0, load(name)?)]);
    }
    let name = utf8(name)?;
    let forms = registry::schemas(name)?;
    forms.into_iter().map(|(first, form)| Ok((first, of_form(&form, name)?))).collect()
}

fn of_form(form: &[u8], name: &str) -> linkspan::Result<Schema> {
    Schema::from_bytes(form).map_err(|error| error.on(name))
}

fn utf8(path: &Path) -> linkspan::Result<&str> {
    path.to_str().ok_or_else(|| {
        Error::new(ErrorKind::Unsupported, format!("the path {} is not UTF-8", path.display()))
    })
}

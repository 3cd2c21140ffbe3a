//! Reads schemas from files and from standard input.

use std::fs::File;
use std::io::Read;

use linkspan::schema::Schema;
use linkspan::{Error, ErrorKind, registry};

/// No file of a schema is longer; the library says so, too, and says it better once it has one byte more.
const MOST: u64 = (256 << 10) + 1;

/// The schema in a file and in those that it includes, or the one of an endpoint.
pub fn load(file: &std::path::Path) -> linkspan::Result<Schema> {
    let name = file.to_str().ok_or_else(|| {
        Error::new(ErrorKind::Unsupported, format!("the path {} is not UTF-8", file.display()))
    })?;
    if !file.exists() && file.extension().is_none_or(|extension| extension != "toml") {
        let form = registry::schema(name).map_err(|error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::InvalidEndpoint => {
                let text =
                    format!("no file is called so, and it is no endpoint with a schema: {}", error.text());
                Error::new(ErrorKind::NotFound, text).on(name)
            }
            _ => error,
        })?;
        return Schema::from_bytes(&form).map_err(|error| error.on(name));
    }
    Schema::load(name, &mut text)
}

fn text(path: &str) -> linkspan::Result<String> {
    let refused = |why: std::io::Error| {
        let error = Error::os(format_args!("reading the schema {path}"), why.raw_os_error().unwrap_or(0));
        if error.kind() == ErrorKind::Internal {
            return Error::new(ErrorKind::Unsupported, format!("reading the schema {path}: {why}"));
        }
        error
    };
    let file = File::open(path).map_err(refused)?;
    if file.metadata().map_err(refused)?.is_dir() {
        let text = format!("the schema {path} is a directory: name a file in it");
        return Err(Error::new(ErrorKind::Unsupported, text));
    }
    let mut bytes = Vec::new();
    file.take(MOST).read_to_end(&mut bytes).map_err(refused)?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Error::new(ErrorKind::Malformed, format!("the schema {path} is not UTF-8")).at(at)
    })
}

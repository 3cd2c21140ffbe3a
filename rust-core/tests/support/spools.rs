//! Spools for tests: a name and its directory, the files there, options.

use std::fs;
use std::path::{Path, PathBuf};

use linkspan::{Options, Server, Value};

use super::{SOON, name};

/// Returns a unique name, and its directory.
pub fn place() -> (String, PathBuf) {
    let endpoint = name("spool");
    let file = endpoint.strip_prefix("spool:").unwrap().replace('/', "@") + ".spool";
    (endpoint, PathBuf::from(std::env::var("LINKSPAN_DIR").unwrap()).join(file))
}

/// Returns the names in a directory that are not hidden.
pub fn names(folder: &Path) -> Vec<String> {
    let mut names = all_names(folder);
    names.retain(|name| !name.starts_with('.'));
    names
}

pub fn all_names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

pub fn json() -> Options {
    let mut options = Options::default();
    options.set("encoding", &"json".into()).unwrap();
    options
}

pub fn called(client_id: &str) -> Options {
    let mut options = json();
    options.set("client_id", &client_id.into()).unwrap();
    options
}

/// Serves one request with its value twice in a list; returns the value.
pub fn serve_one(server: &Server) -> Value {
    let request = server.next(SOON).unwrap().unwrap();
    let value = request.value().unwrap().clone();
    request.reply(&Value::Array(vec![value.clone(), value.clone()])).unwrap();
    value
}

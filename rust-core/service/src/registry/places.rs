//! The names in the runtime directory and in the state directory.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{ErrorKind, Result};
use crate::sys::directory::{Directory, state_path};
use crate::transport::endpoint::Endpoint;
use crate::transport::kind::{NameDirectory, Transport};
use crate::transport::place::{self, Place};
use crate::transport::{owner, table};

/// A name in a directory, at the time the directory was read.
pub(super) struct ListedName {
    pub(super) endpoint: Endpoint,
    pub(super) place: Place,
    /// Whether a temporary file exists for the name, which a dead process may have left.
    pub(super) has_temporary: bool,
}

/// The names, or beginnings of names, in the runtime directory.
pub(super) fn places() -> Result<Vec<ListedName>> {
    places_in(Directory::runtime()?, |transport| transport.names() != NameDirectory::State)
}

/// The journals and spools in the state directory, which is not created for that.
pub(super) fn places_in_state_directory() -> Result<Vec<ListedName>> {
    // Without that directory there are neither.
    if !state_path().is_ok_and(|(path, _)| path.is_dir()) {
        return Ok(Vec::new());
    }
    match Directory::state() {
        // The doctor reports a directory of another user.
        Err(e) if e.kind() == ErrorKind::PermissionDenied => Ok(Vec::new()),
        directory => places_in(directory?, |transport| transport.names() != NameDirectory::Runtime),
    }
}

/// The names in a directory whose transport is `wanted`.
fn places_in(directory: Directory, wanted: fn(Transport) -> bool) -> Result<Vec<ListedName>> {
    let directory = Arc::new(directory);
    // Each name, with whether it has a temporary file.
    let mut files: BTreeMap<String, bool> = BTreeMap::new();
    for file in directory.names()? {
        *files.entry(named(&file).to_owned()).or_default() |= place::of_temporary(&file).is_some();
    }
    let found = |(file, has_temporary): (String, bool)| {
        let endpoint = Endpoint::from_file_name(&file)?;
        Some(ListedName { endpoint, place: Place { directory: directory.clone(), file }, has_temporary })
    };
    Ok(files.into_iter().filter_map(found).filter(|found| wanted(found.endpoint.transport())).collect())
}

/// Returns the name that a file belongs to: its own, or that of the temporary file or record beside
/// it.
pub(crate) fn named(file: &str) -> &str {
    let file = place::of_temporary(file).unwrap_or(file);
    let file = owner::file_of_record(file).unwrap_or(file);
    table::name_of(file)
}

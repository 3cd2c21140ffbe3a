//! The names in the runtime directory and in the state directory.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{ErrorKind, Result};
use crate::sys::directory::Directory;
use crate::transport::endpoint::Endpoint;
use crate::transport::kind::{NameDirectory, Transport};
use crate::transport::place::{self, Place};
use crate::transport::{owner, table};

pub(super) struct ListedName {
    pub(super) endpoint: Endpoint,
    pub(super) place: Place,
    pub(super) files: Vec<String>,
}

impl ListedName {
    pub(super) fn has_temporary(&self) -> bool {
        self.files.iter().any(|file| place::of_temporary(file).is_some())
    }
}

/// Returns the names in the existing directories, without creating one, for an examination.
pub(super) fn existing_places() -> Result<Vec<ListedName>> {
    let mut found = places_in_state_directory()?;
    if let Some(directory) = Directory::find_runtime()? {
        found.extend(places_in(directory, |transport| transport.names() != NameDirectory::State)?);
    }
    Ok(found)
}

pub(super) fn places() -> Result<Vec<ListedName>> {
    places_in(Directory::runtime()?, |transport| transport.names() != NameDirectory::State)
}

/// Returns the journals and spools in the state directory, without creating it.
pub(super) fn places_in_state_directory() -> Result<Vec<ListedName>> {
    match Directory::find_state() {
        Ok(Some(directory)) => places_in(directory, |transport| transport.names() != NameDirectory::Runtime),
        Ok(None) => Ok(Vec::new()),
        // The doctor reports a directory of another user, a file in its place, and a user without a home.
        Err(e)
            if matches!(
                e.kind(),
                ErrorKind::PermissionDenied | ErrorKind::InvalidState | ErrorKind::NotFound
            ) =>
        {
            Ok(Vec::new())
        }
        Err(e) => Err(e),
    }
}

fn places_in(directory: Directory, wanted: fn(Transport) -> bool) -> Result<Vec<ListedName>> {
    let directory = Arc::new(directory);
    let mut files: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in directory.names()? {
        files.entry(named(&file).to_owned()).or_default().push(file);
    }
    let found = |(file, files): (String, Vec<String>)| {
        let endpoint = Endpoint::from_file_name(&file)?;
        Some(ListedName { endpoint, place: Place { directory: directory.clone(), file }, files })
    };
    Ok(files.into_iter().filter_map(found).filter(|found| wanted(found.endpoint.transport())).collect())
}

pub(crate) fn named(file: &str) -> &str {
    let file = place::of_temporary(file).unwrap_or(file);
    let file = owner::file_of_record(file).unwrap_or(file);
    table::name_of(file)
}

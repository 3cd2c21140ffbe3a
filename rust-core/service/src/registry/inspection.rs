//! A listing that changes nothing, for the doctor: open names, and files of dead processes.

use std::path::PathBuf;
use std::sync::Arc;

use super::examine_all;
use super::listed::Listed;
use super::places::{ListedName, existing_places};
use super::query::Stale;
use crate::error::Result;
use crate::sys::beneath::is_ours;
use crate::sys::directory::Directory;
use crate::transport::driver::ListingSource;
use crate::transport::endpoint::Endpoint;
use crate::transport::owner;
use crate::transport::place::{self, Place};

pub(crate) struct Inspection {
    pub(crate) listed: Vec<Listed>,
    pub(crate) left: Vec<Leftover>,
}

pub(crate) struct Leftover {
    pub(crate) endpoint: String,
    pub(crate) ours: Vec<PathBuf>,
    /// The paths of other users' files, with the numbers of these users.
    pub(crate) of_others: Vec<(PathBuf, u32)>,
}

pub(crate) fn inspect() -> Result<Inspection> {
    inspect_places(&existing_places()?)
}

pub(crate) fn inspect_name(endpoint: &Endpoint) -> Result<Inspection> {
    let Some((directory, file)) = endpoint.absolute() else {
        let mut found = existing_places()?;
        found.retain(|found| found.endpoint == *endpoint);
        return inspect_places(&found);
    };
    let place = Place { directory: Arc::new(Directory::existing(directory)?), file: file.to_owned() };
    let is_there = place.directory.beneath().facts(file)?.is_some();
    let files = if is_there { vec![file.to_owned()] } else { Vec::new() };
    let found = ListedName { endpoint: endpoint.clone(), place, files };
    inspect_places(if is_there { std::slice::from_ref(&found) } else { &[] })
}

fn inspect_places(found: &[ListedName]) -> Result<Inspection> {
    let listed = examine_all(found, Stale::Keep)?;
    let is_live = |found: &&ListedName| {
        let endpoint = found.endpoint.to_string();
        listed.iter().any(|listed| listed.live && listed.endpoint == endpoint)
    };
    let left = found.iter().filter(|found| !is_live(found)).filter_map(leftover).collect();
    Ok(Inspection { listed, left })
}

fn leftover(found: &ListedName) -> Option<Leftover> {
    let owned = match found.endpoint.transport().driver().listing_source() {
        // A writer takes no lock, so nobody knows whether it lives.
        ListingSource::Files { owned: false } => return None,
        ListingSource::Files { owned: true } => true,
        _ => false,
    };
    // A process may have taken the name since the listing.
    if found.place.is_bound().unwrap_or(true) {
        return None;
    }
    let mut left = Leftover { endpoint: found.endpoint.to_string(), ours: Vec::new(), of_others: Vec::new() };
    let beneath = found.place.directory.beneath();
    for file in &found.files {
        // The messages of a store are not stale.
        let is_beside = place::of_temporary(file).is_some() || owner::file_of_record(file).is_some();
        if owned && !is_beside {
            continue;
        }
        let Ok(Some(facts)) = beneath.facts(file) else { continue };
        let path = beneath.shown(file);
        match is_ours(&facts) {
            true => left.ours.push(path),
            false => left.of_others.push((path, facts.st_uid)),
        }
    }
    (!left.ours.is_empty() || !left.of_others.is_empty()).then_some(left)
}

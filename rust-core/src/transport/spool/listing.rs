//! What a listing shows of a spool: how many messages wait in it for its server, whether anybody serves it or not.

use std::ops::ControlFlow;
use std::os::fd::AsFd;

use super::folder::Folder;
use super::layout::{self, FOLDERS};
use super::name::is_hidden;
use crate::error::Result;
use crate::sys::beneath::{Beneath, Owner};
use crate::transport::place::Place;

/// What is known of a spool without taking part in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listing {
    /// Messages and requests that its server has still to take.
    pub waiting: u64,
    /// Whose it is.
    pub uid: u32,
}

/// Looks at the spool at a place, and changes nothing; none where there is none, or one that an earlier life of the machine has
/// left, which whoever comes next wipes.
pub fn listing(place: &Place) -> Result<Option<Listing>> {
    let path = place.path();
    let Some(opened) = place.directory.beneath().directory(&place.file, Owner::Anybody)? else {
        return Ok(None);
    };
    let root = Beneath::new(opened.fd.as_fd(), &path);
    if layout::is_of_earlier_boot(root, &opened.facts)? {
        return Ok(None);
    }
    let Some(server) = Folder::open(root, FOLDERS[0], None, false)? else { return Ok(None) };
    let mut waiting = 0;
    server.each_name(|name| {
        waiting += u64::from(!is_hidden(name));
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(Some(Listing { waiting, uid: opened.facts.st_uid }))
}

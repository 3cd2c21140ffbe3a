//! The listing of a spool: the number of messages that wait for its server, whether a server lives
//! or not.
//!
//! It opens only what it reads, takes no lock, and changes nothing.

use std::ops::ControlFlow;
use std::os::fd::AsFd;

use super::folder::Folder;
use super::layout::{self, FOLDERS};
use super::name::is_hidden;
use crate::error::Result;
use crate::sys::beneath::{Beneath, Owner};
use crate::transport::driver::Listing;
use crate::transport::place::Place;

/// Returns the listing of the spool at a place; `None` where there is none, or one from before the
/// machine's last start, which the next program that uses it wipes.
///
/// # Errors
/// Those of reading the directory.
pub fn listing(place: &Place) -> Result<Option<Listing>> {
    let path = place.path();
    let Some(opened) = place.directory.beneath().directory(&place.file, Owner::AnyUser)? else {
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
    Ok(Some(Listing { waiting: Some(waiting), uid: Some(opened.facts.st_uid), ..Listing::default() }))
}

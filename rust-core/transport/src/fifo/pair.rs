//! Two unused pipes, and the names that they get.
//!
//! The reply pipe gets its name first. A client that opens the request pipe therefore finds the reply pipe of
//! this pair, or a later one.

use rustix::fs::FileType;

use crate::error::{Error, ErrorKind, Result};
use crate::place::Place;
use crate::sys::beneath::RequiredOwner;
use crate::sys::fifo::{self, PipeEnd, PipeInfo};
use crate::sys::fork::Guarded;
use crate::sys::lock::Lock;
use crate::sys::staging::{self, Staging, Swept};

/// The ending of the name of a reply pipe.
const REPLY: &str = ".reply";
/// The ending of the names of pipes in the runtime directory.
const KIND: &str = ".fifo";

pub fn reply(file: &str) -> String {
    [file, REPLY].concat()
}

pub fn of_reply(file: &str) -> Option<&str> {
    file.strip_suffix(REPLY).filter(|name| name.ends_with(KIND))
}

/// The server's ends of a request pipe and its reply pipe.
#[derive(Debug)]
pub struct Pair {
    pub requests: Guarded,
    /// While this writing end is open, clients may open and close the pipe without ending it.
    pub anchor: Guarded,
    pub answers: Guarded,
    /// The private directory of the pipes; `None` after they have got their names.
    staging: Option<Staging>,
}

const ENTRIES: [&str; 2] = ["reply", "request"];

#[derive(Clone, Copy, Debug)]
pub struct PipeAccess {
    pub mode: u32,
    pub group: Option<u32>,
}

impl PipeAccess {
    /// Returns the requested mode and group, else the found pipe's, else the directory's.
    pub fn of(place: &Place, mode: Option<u32>, group: Option<u32>, found: Option<PipeInfo>) -> PipeAccess {
        let own = place.directory.file_mode();
        PipeAccess {
            mode: mode.or(found.map(|t| t.mode)).unwrap_or(own),
            group: group.or(found.map(|t| t.group)),
        }
    }
}

impl Pair {
    /// Makes two pipes without names. The caller holds the lock of the name.
    ///
    /// # Errors
    /// `NoSpace`, `PermissionDenied`; `Internal` if another process removes them at once.
    pub fn make(place: &Place, access: PipeAccess) -> Result<Pair> {
        let staging = Staging::new(&place.directory, &place.file)?;
        let [answer, request] = ENTRIES.map(|entry| staging.entry(entry));
        for (entry, name) in [(&answer, reply(&place.file)), (&request, place.file.clone())] {
            let shown = place.directory.path().join(name);
            fifo::make(&staging, entry, access.mode, access.group, &shown)?;
        }
        let gone = || {
            let text = format!("{} was removed as soon as it was made", place.path().display());
            Error::new(ErrorKind::Internal, text)
        };
        let requests = fifo::open(staging.inside(), &request, PipeEnd::Read)?.ok_or_else(gone)?;
        let anchor = fifo::again(&requests, PipeEnd::Write)?.ok_or_else(gone)?;
        let answers = fifo::open(staging.inside(), &answer, PipeEnd::Both)?.ok_or_else(gone)?;
        Ok(Pair { requests, anchor, answers, staging: Some(staging) })
    }

    pub fn is_published(&self) -> bool {
        self.staging.is_none()
    }

    /// Gives the pipes their names, if they do not have them yet.
    ///
    /// # Errors
    /// `PermissionDenied` if another user has a name.
    pub fn publish(&mut self, place: &Place) -> Result<()> {
        let Some(staging) = &self.staging else { return Ok(()) };
        for (entry, name) in ENTRIES.into_iter().zip([reply(&place.file), place.file.clone()]) {
            let entry = staging.entry(entry);
            // If the second rename failed before, the first pipe already has its name.
            if staging.inside().beneath().facts(&entry)?.is_some() {
                staging.publish(&place.directory, &entry, &name)?;
            }
        }
        self.staging = None;
        Ok(())
    }
}

/// Returns the pipe at a place, if it exists.
///
/// # Errors
/// `InvalidEndpoint` if anything else has one of its names.
pub fn find(place: &Place) -> Result<Option<PipeInfo>> {
    fifo::find(&place.directory, &reply(&place.file))?;
    fifo::find(&place.directory, &place.file)
}

/// Refuses a name if another user's pipe has it: see [`Place::check_ours`].
pub fn check_ours(place: &Place, lock: &Lock) -> Result<()> {
    place.check_ours(&place.file, lock)?;
    place.check_ours(&reply(&place.file), lock)
}

/// Refuses pipes of an untrusted user: not this one, root, or the owner of the directory.
pub fn check_trusted(place: &Place) -> Result<()> {
    let beneath = place.directory.beneath();
    for name in [place.file.clone(), reply(&place.file)] {
        if let Some(facts) = beneath.facts(&name)? {
            beneath.check(&name, &facts, FileType::Fifo, RequiredOwner::Trusted)?;
        }
    }
    Ok(())
}

/// Removes the pipes of a name, and with `begun` also temporary ones. The caller holds the lock of the name.
///
/// Other files, and another user's pipes, stay.
pub fn sweep(place: &Place, begun: bool) -> Result<Swept> {
    let mut swept = if begun { sweep_temporary(place)? } else { Swept::default() };
    for name in [place.file.clone(), reply(&place.file)] {
        if matches!(fifo::find(&place.directory, &name), Ok(Some(_))) {
            swept.note(place.directory.beneath().remove(&name))?;
        }
    }
    Ok(swept)
}

pub fn sweep_temporary(place: &Place) -> Result<Swept> {
    staging::sweep(&place.directory, &[&place.file, &reply(&place.file)])
}

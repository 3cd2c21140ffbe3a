//! Two pipes that were never used, and the names that they get.
//!
//! Both are made in a private directory with their final mode, and renamed to their names: the
//! reply pipe first, so that a client which opens the request pipe finds the reply pipe that
//! belongs to it, or a later one.

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

/// Returns the name of the reply pipe.
pub fn reply(file: &str) -> String {
    [file, REPLY].concat()
}

/// Returns the name that a reply pipe belongs to; `None` for any other file.
pub fn of_reply(file: &str) -> Option<&str> {
    file.strip_suffix(REPLY).filter(|name| name.ends_with(KIND))
}

/// The server's ends of a request pipe and its reply pipe.
#[derive(Debug)]
pub struct Pair {
    /// The end that is read.
    pub requests: Guarded,
    /// A writing end of the same pipe: while it is open, clients that open and close the pipe do
    /// not end it.
    pub anchor: Guarded,
    /// The end that is written.
    pub answers: Guarded,
    /// The private directory in which they are; `None` once they have their names.
    staging: Option<Staging>,
}

/// The names of the two pipes in the private directory.
const ENTRIES: [&str; 2] = ["reply", "request"];

/// Mode and group of the pipes.
#[derive(Clone, Copy, Debug)]
pub struct PipeAccess {
    /// The mode.
    pub mode: u32,
    /// The group; `None` for that of the process or the directory.
    pub group: Option<u32>,
}

impl PipeAccess {
    /// Returns the requested mode and group, else those of a pipe that was found there, else those
    /// of the directory.
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
    /// `NoSpace`, `PermissionDenied`; `Internal` where another process removes them at once.
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

    /// Returns whether the pipes have their names.
    pub fn is_published(&self) -> bool {
        self.staging.is_none()
    }

    /// Gives the pipes their names, unless they have them.
    ///
    /// # Errors
    /// `PermissionDenied` where another user has a name.
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

/// Returns the pipe at a place; `None` where there is none.
///
/// # Errors
/// `InvalidEndpoint` where anything else is at one of its names.
pub fn find(place: &Place) -> Result<Option<PipeInfo>> {
    fifo::find(&place.directory, &reply(&place.file))?;
    fifo::find(&place.directory, &place.file)
}

/// Refuses to take a name where another user's pipe is: see [`Place::check_ours`].
pub fn check_ours(place: &Place, lock: &Lock) -> Result<()> {
    place.check_ours(&place.file, lock)?;
    place.check_ours(&reply(&place.file), lock)
}

/// Refuses to read pipes that were made by a user who is not trusted: neither this one, nor root,
/// nor the owner of the directory.
pub fn check_trusted(place: &Place) -> Result<()> {
    let beneath = place.directory.beneath();
    for name in [place.file.clone(), reply(&place.file)] {
        if let Some(facts) = beneath.facts(&name)? {
            beneath.check(&name, &facts, FileType::Fifo, RequiredOwner::Trusted)?;
        }
    }
    Ok(())
}

/// Removes the pipes of a name, and with `begun` also temporary ones. The caller holds the lock of
/// the name. Files that are no pipes stay, and so do those of another user.
pub fn sweep(place: &Place, begun: bool) -> Result<Swept> {
    let mut swept = if begun { sweep_temporary(place)? } else { Swept::default() };
    for name in [place.file.clone(), reply(&place.file)] {
        if matches!(fifo::find(&place.directory, &name), Ok(Some(_))) {
            swept.note(place.directory.beneath().remove(&name))?;
        }
    }
    Ok(swept)
}

/// Removes the temporary files of a name, and no more.
pub fn sweep_temporary(place: &Place) -> Result<Swept> {
    staging::sweep(&place.directory, &[&place.file, &reply(&place.file)])
}

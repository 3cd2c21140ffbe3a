//! Two pipes that nobody has used yet, and the names that they get.

use rustix::fs::FileType;

use crate::error::{Error, ErrorKind, Result};
use crate::sys::beneath::Owner;
use crate::sys::fifo::{self, End, Found};
use crate::sys::fork::Guarded;
use crate::sys::lock::Lock;
use crate::sys::staging::{self, Staging, Swept};
use crate::transport::place::Place;

/// What the answer pipe has behind the name.
const REPLY: &str = ".reply";
/// How the names of pipes in the runtime directory end.
const KIND: &str = ".fifo";

/// The name of the answer pipe.
pub fn reply(file: &str) -> String {
    [file, REPLY].concat()
}

/// The name whose answer pipe this is.
pub fn of_reply(file: &str) -> Option<&str> {
    file.strip_suffix(REPLY).filter(|name| name.ends_with(KIND))
}

/// The server's ends of a request pipe and its answer pipe.
#[derive(Debug)]
pub struct Pair {
    /// What is read.
    pub requests: Guarded,
    /// The other end of it: as long as we hold it, clients that come and go end nothing.
    pub anchor: Guarded,
    /// What is written.
    pub answers: Guarded,
    /// Where they lie until they get their names.
    staging: Option<Staging>,
}

/// What the two pipes are called there.
const ENTRIES: [&str; 2] = ["reply", "request"];

/// Mode and group of the pipes.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    /// The mode.
    pub mode: u32,
    /// The group; none for that of the process or the directory.
    pub group: Option<u32>,
}

impl Access {
    /// What was asked for, else what a pipe has that was found there, else what the directory says.
    pub fn of(place: &Place, mode: Option<u32>, group: Option<u32>, there: Option<Found>) -> Access {
        let own = place.directory.file_mode();
        Access {
            mode: mode.or(there.map(|t| t.mode)).unwrap_or(own),
            group: group.or(there.map(|t| t.group)),
        }
    }
}

impl Pair {
    /// Makes two pipes that have no names yet. Only under the name's lock.
    pub fn make(place: &Place, access: Access) -> Result<Pair> {
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
        let requests = fifo::open(staging.inside(), &request, End::Read)?.ok_or_else(gone)?;
        let anchor = fifo::again(&requests, End::Write)?.ok_or_else(gone)?;
        let answers = fifo::open(staging.inside(), &answer, End::Both)?.ok_or_else(gone)?;
        Ok(Pair { requests, anchor, answers, staging: Some(staging) })
    }

    /// Whether the pipes have their names.
    pub fn is_published(&self) -> bool {
        self.staging.is_none()
    }

    /// Gives the pipes their names, unless they have them; whoever opens the request pipe first finds the answer pipe that
    /// belongs to it, or a later one. `PermissionDenied` where another user has a name.
    pub fn publish(&mut self, place: &Place) -> Result<()> {
        let Some(staging) = &self.staging else { return Ok(()) };
        for (entry, name) in ENTRIES.into_iter().zip([reply(&place.file), place.file.clone()]) {
            let entry = staging.entry(entry);
            // Where the second failed before, the first has its name already.
            if staging.inside().beneath().facts(&entry)?.is_some() {
                staging.publish(&place.directory, &entry, &name)?;
            }
        }
        self.staging = None;
        Ok(())
    }
}

/// The pipe that lies at a place, if one does. Anything else at its names is an error.
pub fn find(place: &Place) -> Result<Option<Found>> {
    fifo::look(&place.directory, &reply(&place.file))?;
    fifo::look(&place.directory, &place.file)
}

/// Refuses to take a name where a pipe of another user lies, or one of its answers: see [`Place::check_ours`].
pub fn check_ours(place: &Place, lock: &Lock) -> Result<()> {
    place.check_ours(&place.file, lock)?;
    place.check_ours(&reply(&place.file), lock)
}

/// Refuses to read at pipes that somebody has made ready whom we do not trust: neither we, nor root, nor whose directory it is.
pub fn check_trusted(place: &Place) -> Result<()> {
    let beneath = place.directory.beneath();
    for name in [place.file.clone(), reply(&place.file)] {
        if let Some(facts) = beneath.facts(&name)? {
            beneath.check(&name, &facts, FileType::Fifo, Owner::Trusted)?;
        }
    }
    Ok(())
}

/// Removes the pipes of a name, and what was to become its pipes. Only under the name's lock. What is no pipe stays, and
/// so does what is another user's.
pub fn sweep(place: &Place, begun: bool) -> Result<Swept> {
    let mut swept = if begun { sweep_temporary(place)? } else { Swept::default() };
    for name in [place.file.clone(), reply(&place.file)] {
        if matches!(fifo::look(&place.directory, &name), Ok(Some(_))) {
            swept.note(place.directory.beneath().remove(&name))?;
        }
    }
    Ok(swept)
}

/// Removes what was to become the pipes of a name, and no more.
pub fn sweep_temporary(place: &Place) -> Result<Swept> {
    staging::sweep(&place.directory, &[&place.file, &reply(&place.file)])
}

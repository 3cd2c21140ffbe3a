//! Two pipes that nobody has used yet, and the names that they get.

use rustix::fs::AtFlags;
use rustix::io::Errno;

use crate::error::{Doing, Error, ErrorKind, Result};
use crate::sys::fifo::{self, End, Found};
use crate::sys::fork::Guarded;
use crate::transport::place::{Place, temporary};

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
}

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
    /// Makes two pipes under temporary names. Only under the name's lock.
    pub fn make(place: &Place, access: Access) -> Result<Pair> {
        let (directory, file) = (&place.directory, temporary(&place.file));
        let answer = temporary(&reply(&place.file));
        for name in [&file, &answer] {
            remove(place, name)?;
            fifo::make(directory, name, access.mode, access.group)?;
        }
        let gone = || {
            let text =
                format!("{} was removed as soon as it was made", directory.path().join(&file).display());
            Error::new(ErrorKind::Internal, text)
        };
        let requests = fifo::open(directory, &file, End::Read)?.ok_or_else(gone)?;
        let anchor = fifo::again(&requests, End::Write)?.ok_or_else(gone)?;
        let answers = fifo::open(directory, &answer, End::Both)?.ok_or_else(gone)?;
        Ok(Pair { requests, anchor, answers })
    }

    /// Gives the pipes made last their names; whoever opens the request pipe first finds the answer pipe that belongs to
    /// it, or a later one.
    pub fn publish(place: &Place) -> Result<()> {
        for name in [reply(&place.file), place.file.clone()] {
            let directory = &*place.directory;
            rustix::fs::renameat(directory, temporary(&name), directory, &name)
                .doing(format_args!("giving a pipe its name {}", directory.path().join(&name).display()))?;
        }
        Ok(())
    }
}

fn remove(place: &Place, name: &str) -> Result<bool> {
    match rustix::fs::unlinkat(&*place.directory, name, AtFlags::empty()) {
        Ok(()) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(e) => Err(e).doing(format_args!("removing {}", place.directory.path().join(name).display())),
    }
}

/// The pipe that lies at a place, if one does. Anything else at its names is an error.
pub fn find(place: &Place) -> Result<Option<Found>> {
    fifo::look(&place.directory, &reply(&place.file))?;
    fifo::look(&place.directory, &place.file)
}

/// Removes the pipes of a name, and what was to become its pipes; true where there was something. Only under the name's
/// lock. What is no pipe stays.
pub fn sweep(place: &Place) -> Result<bool> {
    let mut any = sweep_temporary(place)?;
    for name in [place.file.clone(), reply(&place.file)] {
        if matches!(fifo::look(&place.directory, &name), Ok(Some(_))) {
            any |= remove(place, &name)?;
        }
    }
    Ok(any)
}

/// Removes what was to become the pipes of a name, and no more.
pub fn sweep_temporary(place: &Place) -> Result<bool> {
    Ok(remove(place, &temporary(&place.file))? | remove(place, &temporary(&reply(&place.file)))?)
}

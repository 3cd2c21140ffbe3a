//! Removal from a spool: files of dead clients, unfetched answers, old rejected files, and unused spools.
//!
//! A sweep removes files of its own user, even if it runs as root, and reports another user's files that are
//! due (`Swept::remaining`). Requests in `server/` are never swept: they wait for the next server.
//!
//! | caller | lock | swept files |
//! |---|---|---|
//! | a server that opens the spool | the spool's | all ([`sweep`]) |
//! | a client that joins | none | files of nameless dead clients ([`sweep_dead_clients`]) |
//! | `ls` and `clean` next to a living server | none | also files that have waited too long ([`sweep_beside`]) |
//! | `ls` and `clean` without a server | the spool's | all; also the spool if it is unused |

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::ops::ControlFlow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::folder::{SERVER, SpoolFolder, known_clients, living_clients};
use super::layout::{self, SpoolDirectory};
use super::name::{MessageFileName, is_hidden, is_nameless};
use crate::error::{ErrorKind, Result};
use crate::frame::Kind;
use crate::place::Place;
use crate::sys::beneath;
use crate::sys::lock;
use crate::sys::staging::Swept;

/// How long files that no client fetches are kept.
const AGE: Duration = Duration::from_secs(24 * 3600);
/// How many files without a waiting client are kept: the newest ones.
const COUNT: usize = 4096;
const MAX_REPORTED: usize = 16;

fn recipient(name: &str) -> Option<String> {
    let name = name.strip_suffix(super::name::FAILED).unwrap_or(name);
    MessageFileName::parse(name, Kind::Reply).numbered.map(|(_, who)| who)
}

/// Removes a file of this user; anything else stays and is reported.
fn remove_own(folder: &SpoolFolder, name: &str, swept: &mut Swept) -> Result<()> {
    match folder.beneath().remove(name) {
        Err(e) if matches!(e.kind(), ErrorKind::PermissionDenied | ErrorKind::Corrupt) => {
            if swept.remaining.len() < MAX_REPORTED {
                swept.remaining.push(e);
            }
            Ok(())
        }
        removed => swept.note(removed),
    }
}

/// Removes the answers to a client that will not return, except those that another user's server wrote.
pub fn remove_answers(layout: &SpoolDirectory, who: &str) -> Result<()> {
    layout.client.each_name(|name| {
        if recipient(name).is_some_and(|recipient| recipient == who) {
            remove_own(&layout.client, name, &mut Swept::default())?;
        }
        Ok(ControlFlow::Continue(()))
    })
}

/// Removes files of dead processes, and files that have waited too long. The caller holds the spool's lock.
pub fn sweep(layout: &SpoolDirectory) -> Result<Swept> {
    let mut swept = sweep_clients(layout)?;
    sweep_staged(layout, &living_clients(&layout.locks, &layout.hello)?, &mut swept)?;
    Ok(swept)
}

/// Like [`sweep`], also next to a living server.
pub fn sweep_clients(layout: &SpoolDirectory) -> Result<Swept> {
    let mut swept = Swept::default();
    let alive: HashSet<String> = living_clients(&layout.locks, &layout.hello)?.into_iter().collect();
    for who in known_clients(&layout.hello)? {
        // The lock keeps other processes from taking this name.
        if alive.contains(&who) {
            continue;
        }
        let Some(_lock) = lock::try_lock(&layout.locks, &who)? else { continue };
        if is_nameless(&who) || is_older(&layout.hello, &who, AGE) {
            remove_own(&layout.hello, &who, &mut swept)?;
        }
    }
    let remaining: HashSet<String> = known_clients(&layout.hello)?.into_iter().collect();
    let mut kept = BinaryHeap::new();
    layout.client.each_name(|name| {
        let whom = recipient(name);
        if whom.as_ref().is_some_and(|who| alive.contains(who)) {
            return Ok(ControlFlow::Continue(()));
        }
        let nobody_comes = whom.as_ref().is_some_and(|who| is_nameless(who) && !remaining.contains(who));
        if nobody_comes || is_older(&layout.client, name, AGE) {
            remove_own(&layout.client, name, &mut swept)?;
        } else if !is_hidden(name) {
            // The newest are kept: the heap returns the oldest first.
            kept.push(Reverse((changed(&layout.client, name), name.to_owned())));
            if kept.len() > COUNT
                && let Some(Reverse((_, oldest))) = kept.pop()
            {
                remove_own(&layout.client, &oldest, &mut swept)?;
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    layout.rejected.each_name(|name| {
        if is_older(&layout.rejected, name, AGE) {
            remove_own(&layout.rejected, name, &mut swept)?;
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(swept)
}

/// Returns the modification time, in seconds and nanoseconds since 1970; zeros if the file is gone.
fn changed(folder: &SpoolFolder, name: &str) -> (i64, i64) {
    folder.facts(name).map_or((0, 0), |f| (f.st_mtime, f.st_mtime_nsec as i64))
}

/// Removes files of dead nameless clients.
///
/// Each new client does this, so a long-running server has only the files of its living clients.
pub fn sweep_dead_clients(layout: &SpoolDirectory) -> Result<Swept> {
    let mut swept = Swept::default();
    let is_of_nameless = |name: &str| is_nameless(staged_name(name).unwrap_or(name));
    for name in layout.hello.names(is_of_nameless)? {
        let who = staged_name(&name).unwrap_or(&name);
        if let Some(_lock) = lock::try_lock(&layout.locks, who)? {
            remove_answers(layout, who)?;
            remove_own(&layout.hello, &name, &mut swept)?;
        }
    }
    Ok(swept)
}

/// Removes unfinished files of a killed program under this name, which the caller now holds.
pub fn remove_staged(layout: &SpoolDirectory, who: &str) -> Result<()> {
    for name in layout.hello.names(|name| staged_name(name) == Some(who))? {
        remove_own(&layout.hello, &name, &mut Swept::default())?;
    }
    Ok(())
}

fn staged_name(name: &str) -> Option<&str> {
    beneath::of_staged(name).map(|(name, _)| name)
}

pub fn sweep_beside(place: &Place) -> Result<Swept> {
    match SpoolDirectory::open(place)? {
        Some(layout) if !layout.is_stale()? => {
            let mut swept = sweep_dead_clients(&layout)?;
            swept.and(sweep_clients(&layout)?);
            Ok(swept)
        }
        _ => Ok(Swept::default()),
    }
}

/// Removes unfinished files of a dead sender, on a file system that needs names for them.
fn sweep_staged(layout: &SpoolDirectory, alive: &[String], swept: &mut Swept) -> Result<()> {
    for name in layout.hello.names(|name| staged_name(name).is_some())? {
        let Some(who) = staged_name(&name) else { continue };
        if let Some(_lock) = lock::try_lock(&layout.locks, who)? {
            remove_own(&layout.hello, &name, swept)?;
        }
    }
    for (folder, usual) in [(&layout.server, Kind::Request), (&layout.client, Kind::Reply)] {
        folder.each_name(|name| {
            let Some(staged) = staged_name(name) else { return Ok(ControlFlow::Continue(())) };
            let whose = MessageFileName::parse(staged, usual).numbered.map(|(_, who)| who);
            let is_in_hand = usual == Kind::Request && whose.is_some_and(|who| alive.contains(&who));
            if !is_in_hand {
                remove_own(folder, name, swept)?;
            }
            Ok(ControlFlow::Continue(()))
        })?;
    }
    Ok(())
}

fn is_older(folder: &SpoolFolder, name: &str, age: Duration) -> bool {
    let Some(facts) = folder.facts(name) else { return false };
    let since = Duration::from_secs(u64::try_from(facts.st_mtime).unwrap_or(0));
    let changed = UNIX_EPOCH.checked_add(since);
    changed.is_some_and(|changed| SystemTime::now().duration_since(changed).is_ok_and(|past| past > age))
}

/// Removes files of dead processes at a place without a server. The caller holds the spool's lock.
pub fn sweep_unserved(place: &Place) -> Result<Swept> {
    let mut swept = Swept::default();
    layout::sweep_staged(place, &mut swept)?;
    if let Some(layout) = SpoolDirectory::open(place)? {
        if let Err(e) = layout.boot_made() {
            swept.remaining.push(e);
        }
        if layout.is_stale()? {
            layout.wipe()?;
            swept.any = true;
        }
        remove_own(&layout.hello, SERVER, &mut swept)?;
        swept.and(sweep(&layout)?);
    }
    Ok(swept)
}

/// Removes an empty, unused, volatile spool of this user. The caller holds the spool's lock.
///
/// Returns whether it was removed.
pub fn remove_if_unused(place: &Place) -> Result<bool> {
    let Some(layout) = SpoolDirectory::open(place)? else { return Ok(false) };
    let is_empty = |folder: &SpoolFolder| folder.is_empty().unwrap_or(false);
    let unused = layout.is_volatile()
        && known_clients(&layout.hello)?.is_empty()
        && [&layout.server, &layout.client, &layout.rejected].into_iter().all(is_empty);
    if unused { layout.remove() } else { Ok(false) }
}

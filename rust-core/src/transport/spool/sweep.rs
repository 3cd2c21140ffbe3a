//! What is taken away, and when: what dead clients left, answers that nobody fetches, spools that are empty and nobody's.
//!
//! Whoever sweeps takes away what is its user's own, root's programs included: in a spool that several users share, each
//! one's files are for that user's programs to sweep. What was due and is another user's is told.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::ops::ControlFlow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::folder::Folder;
use super::layout::{self, Layout};
use super::name::{Name, is_hidden, is_nameless};
use super::presence::{known, living};
use crate::error::{ErrorKind, Result};
use crate::frame::Kind;
use crate::sys::beneath;
use crate::sys::lock;
use crate::sys::staging::Swept;
use crate::transport::place::Place;

/// How long what nobody fetches is kept.
const AGE: Duration = Duration::from_secs(24 * 3600);
/// How many files nobody has to fetch are kept, at most: the newest.
const COUNT: usize = 4096;
/// How many of the files that were left are told of.
const TOLD: usize = 16;

/// Whom an answer is for; none where the request was a script's.
fn receiver(name: &str) -> Option<String> {
    let name = name.strip_suffix(super::name::FAILED).unwrap_or(name);
    Name::parse(name, Kind::Reply).numbered.map(|(_, who)| who)
}

/// Removes what is ours; what is another user's, or no file at all, stays and is told.
fn take_away(folder: &Folder, name: &str, swept: &mut Swept) -> Result<()> {
    match folder.beneath().remove(name) {
        Err(e) if matches!(e.kind(), ErrorKind::PermissionDenied | ErrorKind::Corrupt) => {
            if swept.left.len() < TOLD {
                swept.left.push(e);
            }
            Ok(())
        }
        removed => swept.note(removed),
    }
}

/// Removes the answers to a client that will not come back. What another user's server has written is left to that user.
pub fn forget_answers(layout: &Layout, who: &str) -> Result<()> {
    layout.client.each_name(|name| {
        if receiver(name).is_some_and(|receiver| receiver == who) {
            take_away(&layout.client, name, &mut Swept::default())?;
        }
        Ok(ControlFlow::Continue(()))
    })
}

/// Takes away what dead clients and servers have left, and what has waited too long. Only under the place's lock.
pub fn sweep(layout: &Layout) -> Result<Swept> {
    let mut swept = sweep_clients(layout)?;
    sweep_beginnings(layout, &living(&layout.locks, &layout.hello)?, &mut swept)?;
    Ok(swept)
}

/// The same where a server may live: what dead clients have left, and what has waited too long.
pub fn sweep_clients(layout: &Layout) -> Result<Swept> {
    let mut swept = Swept::default();
    let alive: HashSet<String> = living(&layout.locks, &layout.hello)?.into_iter().collect();
    for who in known(&layout.hello)? {
        // Under its lock, so that nobody comes back as that in the middle.
        if alive.contains(&who) {
            continue;
        }
        let Some(_lock) = lock::try_lock(&layout.locks, &who)? else { continue };
        if is_nameless(&who) || is_older(&layout.hello, &who, AGE) {
            take_away(&layout.hello, &who, &mut swept)?;
        }
    }
    let remaining: HashSet<String> = known(&layout.hello)?.into_iter().collect();
    let mut kept = BinaryHeap::new();
    layout.client.each_name(|name| {
        let whom = receiver(name);
        if whom.as_ref().is_some_and(|who| alive.contains(who)) {
            return Ok(ControlFlow::Continue(()));
        }
        let nobody_comes = whom.as_ref().is_some_and(|who| is_nameless(who) && !remaining.contains(who));
        if nobody_comes || is_older(&layout.client, name, AGE) {
            take_away(&layout.client, name, &mut swept)?;
        } else if !is_hidden(name) {
            // The newest are kept, so that the oldest of them is the first to go.
            kept.push(Reverse((changed(&layout.client, name), name.to_owned())));
            if kept.len() > COUNT
                && let Some(Reverse((_, oldest))) = kept.pop()
            {
                take_away(&layout.client, &oldest, &mut swept)?;
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    layout.rejected.each_name(|name| {
        if is_older(&layout.rejected, name, AGE) {
            take_away(&layout.rejected, name, &mut swept)?;
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(swept)
}

/// When a file was changed, in seconds and nanoseconds.
fn changed(folder: &Folder, name: &str) -> (i64, i64) {
    folder.facts(name).map_or((0, 0), |f| (f.st_mtime, f.st_mtime_nsec as i64))
}

/// Takes away what clients have left that are dead and never come back; whoever serves may live. Each newcomer does so, and a
/// server that runs for months has no more than its living clients' files.
pub fn forget_the_dead(layout: &Layout) -> Result<Swept> {
    let mut swept = Swept::default();
    let is_of_nameless = |name: &str| is_nameless(begun(name).unwrap_or(name));
    for name in layout.hello.names(is_of_nameless)? {
        let who = begun(&name).unwrap_or(&name);
        // Under its lock, so that nobody is just beginning to be that.
        if let Some(_lock) = lock::try_lock(&layout.locks, who)? {
            forget_answers(layout, who)?;
            take_away(&layout.hello, &name, &mut swept)?;
        }
    }
    Ok(swept)
}

/// Removes what somebody of this name had begun to say of itself when it was killed. For one who holds the name now.
pub fn forget_beginnings(layout: &Layout, who: &str) -> Result<()> {
    for name in layout.hello.names(|name| begun(name) == Some(who))? {
        take_away(&layout.hello, &name, &mut Swept::default())?;
    }
    Ok(())
}

/// The name that a file is to get.
fn begun(name: &str) -> Option<&str> {
    beneath::of_staged(name).map(|(name, _)| name)
}

/// What `ls` and `clean` do where a server lives: the same, and what has waited too long goes.
pub fn tidy_beside(place: &Place) -> Result<Swept> {
    match Layout::open(place)? {
        Some(layout) if !layout.is_stale()? => {
            let mut swept = forget_the_dead(&layout)?;
            swept.and(sweep_clients(&layout)?);
            Ok(swept)
        }
        _ => Ok(Swept::default()),
    }
}

/// Removes the beginnings of files that a dead sender left on a file system that knows no files without a name.
fn sweep_beginnings(layout: &Layout, alive: &[String], swept: &mut Swept) -> Result<()> {
    for name in layout.hello.names(|name| begun(name).is_some())? {
        let Some(who) = begun(&name) else { continue };
        if let Some(_lock) = lock::try_lock(&layout.locks, who)? {
            take_away(&layout.hello, &name, swept)?;
        }
    }
    for (folder, usual) in [(&layout.server, Kind::Request), (&layout.client, Kind::Reply)] {
        folder.each_name(|name| {
            let Some(begun) = begun(name) else { return Ok(ControlFlow::Continue(())) };
            let whose = Name::parse(begun, usual).numbered.map(|(_, who)| who);
            let is_in_hand = usual == Kind::Request && whose.is_some_and(|who| alive.contains(&who));
            if !is_in_hand {
                take_away(folder, name, swept)?;
            }
            Ok(ControlFlow::Continue(()))
        })?;
    }
    Ok(())
}

fn is_older(folder: &Folder, name: &str, age: Duration) -> bool {
    let Some(facts) = folder.facts(name) else { return false };
    let since = Duration::from_secs(u64::try_from(facts.st_mtime).unwrap_or(0));
    let changed = UNIX_EPOCH.checked_add(since);
    changed.is_some_and(|changed| SystemTime::now().duration_since(changed).is_ok_and(|past| past > age))
}

/// Takes away what the dead have left at a place where no server lives. Only under the place's lock.
pub fn tidy(place: &Place) -> Result<Swept> {
    let mut swept = Swept::default();
    layout::sweep_beginnings(place, &mut swept)?;
    if let Some(layout) = Layout::open(place)? {
        if let Err(e) = layout.boot_made() {
            swept.left.push(e);
        }
        if layout.is_stale()? {
            layout.wipe()?;
            swept.any = true;
        }
        take_away(&layout.hello, super::presence::SERVER, &mut swept)?;
        swept.and(sweep(&layout)?);
    }
    Ok(swept)
}

/// Removes a spool that is empty, that nobody uses, that is ours and that would not outlive the machine's next start anyway.
/// Only under the place's lock.
pub fn remove_if_unused(place: &Place) -> Result<bool> {
    let Some(layout) = Layout::open(place)? else { return Ok(false) };
    let is_empty = |folder: &Folder| folder.is_empty().unwrap_or(false);
    let unused = layout.is_volatile()
        && known(&layout.hello)?.is_empty()
        && [&layout.server, &layout.client, &layout.rejected].into_iter().all(is_empty);
    if unused { layout.take_away() } else { Ok(false) }
}

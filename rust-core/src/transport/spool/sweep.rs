//! What is taken away, and when: what dead clients left, answers that nobody fetches, spools that are empty and nobody's.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::folder::Folder;
use super::layout::{self, Layout};
use super::name::{Name, is_hidden, is_nameless};
use super::presence::{known, living};
use crate::error::Result;
use crate::frame::Kind;
use crate::sys::lock;
use crate::transport::place::{Place, temporary};

/// How long what nobody fetches is kept.
const AGE: Duration = Duration::from_secs(24 * 3600);
/// How many files nobody has to fetch are kept, at most: the newest.
const COUNT: usize = 4096;

/// Whom an answer is for; none where the request was a script's.
fn receiver(name: &str) -> Option<String> {
    let name = name.strip_suffix(super::name::FAILED).unwrap_or(name);
    Name::parse(name, Kind::Reply).numbered.map(|(_, who)| who)
}

/// Removes the answers to a client that will not come back.
pub fn forget_answers(layout: &Layout, who: &str) -> Result<()> {
    for name in layout.client.names()? {
        if receiver(&name).is_some_and(|receiver| receiver == who) {
            layout.client.remove(&name)?;
        }
    }
    Ok(())
}

/// Takes away what dead clients and servers have left, and what has waited too long. True where there was something.
/// Only under the place's lock.
pub fn sweep(layout: &Layout) -> Result<bool> {
    let any = sweep_clients(layout)?;
    Ok(any | sweep_beginnings(layout, &living(&layout.locks, &layout.hello)?)?)
}

/// The same where a server may live: what dead clients have left, and what has waited too long.
pub fn sweep_clients(layout: &Layout) -> Result<bool> {
    let mut any = false;
    let alive = living(&layout.locks, &layout.hello)?;
    for who in known(&layout.hello)? {
        // Under its lock, so that nobody comes back as that in the middle.
        if alive.contains(&who) {
            continue;
        }
        let Some(_lock) = lock::try_lock(&layout.locks, &who)? else { continue };
        if is_nameless(&who) || is_older(&layout.hello, &who, AGE) {
            any |= layout.hello.remove(&who)?;
        }
    }
    let remaining = known(&layout.hello)?;
    let is_waited_for = |who: &String| remaining.contains(who);
    let mut kept = Vec::new();
    for name in layout.client.names()? {
        let whom = receiver(&name);
        if whom.as_ref().is_some_and(|who| alive.contains(who)) {
            continue;
        }
        let nobody_comes = whom.as_ref().is_some_and(|who| is_nameless(who) && !is_waited_for(who));
        if nobody_comes || is_older(&layout.client, &name, AGE) {
            any |= layout.client.remove(&name)?;
        } else if !is_hidden(&name) {
            kept.push(name);
        }
    }
    any |= keep_newest(&layout.client, kept)?;
    let rejected = layout.rejected.names()?;
    for name in rejected.iter().filter(|name| is_older(&layout.rejected, name, AGE)) {
        any |= layout.rejected.remove(name)?;
    }
    Ok(any)
}

/// Takes away what clients have left that are dead and never come back; whoever serves may live. True where there was
/// something. Each newcomer does so, and a server that runs for months has no more than its living clients' files.
pub fn forget_the_dead(layout: &Layout) -> Result<bool> {
    let mut any = false;
    for name in layout.hello.names()? {
        let who = name.strip_prefix(".new.").unwrap_or(&name);
        // Under its lock, so that nobody is just beginning to be that.
        if is_nameless(who)
            && let Some(_lock) = lock::try_lock(&layout.locks, who)?
        {
            forget_answers(layout, who)?;
            any |= layout.hello.remove(&name)?;
        }
    }
    Ok(any)
}

/// What `ls` and `clean` do where a server lives: the same, and what has waited too long goes.
pub fn tidy_beside(place: &Place) -> Result<bool> {
    match Layout::open(place)? {
        Some(layout) if !layout.is_stale()? => Ok(forget_the_dead(&layout)? | sweep_clients(&layout)?),
        _ => Ok(false),
    }
}

/// Removes the beginnings of files that a dead sender left on a file system that knows no files without a name.
fn sweep_beginnings(layout: &Layout, alive: &[String]) -> Result<bool> {
    let mut any = false;
    for name in layout.hello.names()? {
        let Some(who) = name.strip_prefix(".new.") else { continue };
        if let Some(_lock) = lock::try_lock(&layout.locks, who)? {
            any |= layout.hello.remove(&name)?;
        }
    }
    for (folder, usual) in [(&layout.server, Kind::Request), (&layout.client, Kind::Reply)] {
        for name in folder.names()? {
            let Some(begun) = name.strip_prefix(".new.") else { continue };
            let whose = Name::parse(begun, usual).numbered.map(|(_, who)| who);
            let is_in_hand = usual == Kind::Request && whose.is_some_and(|who| alive.contains(&who));
            if !is_in_hand {
                any |= folder.remove(&name)?;
            }
        }
    }
    Ok(any)
}

fn keep_newest(folder: &Folder, mut names: Vec<String>) -> Result<bool> {
    let too_many = names.len().saturating_sub(COUNT);
    if too_many == 0 {
        return Ok(false);
    }
    names.sort_by_cached_key(|name| {
        folder.facts(name).map_or((0, 0), |f| (f.st_mtime, f.st_mtime_nsec as i64))
    });
    for name in &names[..too_many] {
        folder.remove(name)?;
    }
    Ok(true)
}

fn is_older(folder: &Folder, name: &str, age: Duration) -> bool {
    let Some(facts) = folder.facts(name) else { return false };
    let changed = UNIX_EPOCH + Duration::from_secs(u64::try_from(facts.st_mtime).unwrap_or(0));
    SystemTime::now().duration_since(changed).is_ok_and(|past| past > age)
}

/// Takes away what the dead have left at a place where no server lives. Only under the place's lock.
pub fn tidy(place: &Place) -> Result<bool> {
    let begun = temporary(&place.file);
    let mut any = place.directory.path().join(&begun).exists();
    layout::remove(&place.directory, &begun);
    if let Some(layout) = Layout::open(place)? {
        if layout.is_stale()? {
            layout.wipe()?;
            any = true;
        }
        any |= layout.hello.remove(super::presence::SERVER)?;
        any |= sweep(&layout)?;
    }
    Ok(any)
}

/// Removes a spool that is empty, that nobody uses, and that would not outlive the machine's next start anyway. Only
/// under the place's lock.
pub fn remove_if_unused(place: &Place) -> Result<bool> {
    let Some(layout) = Layout::open(place)? else { return Ok(false) };
    let is_empty = |folder: &Folder| folder.names().is_ok_and(|names| names.is_empty());
    let unused = layout.is_volatile()
        && known(&layout.hello)?.is_empty()
        && [&layout.server, &layout.client, &layout.rejected].into_iter().all(is_empty);
    if unused { layout.take_away() } else { Ok(false) }
}

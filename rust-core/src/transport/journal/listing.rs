//! What a listing shows of a journal: how far it is, and how far each of its readers is.

use super::committed::Word;
use super::consumer;
use super::folder::Folder;
use crate::error::Result;
use crate::transport::place::{Access, Place};

/// What is known of a journal without opening it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The number of the last message.
    pub last: u64,
    /// Those who read it under a name of their own.
    pub consumers: Vec<Reading>,
}

/// One who reads a journal under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The name.
    pub name: String,
    /// How many messages it has still to consume.
    pub behind: u64,
    /// Whether it reads just now.
    pub live: bool,
}

/// Looks at the journal at a place; none where there is none.
pub fn listing(place: &Place) -> Result<Option<Listing>> {
    let Some(folder) = Folder::open(place, Access::default())? else { return Ok(None) };
    let Some(last) = folder.segments()?.last().copied() else { return Ok(None) };
    let Some((_, segment)) = folder.segment(last, false)? else { return Ok(None) };
    let word = Word::open(&folder, segment.id)?;
    let committed = word.map_or(Ok(None), |word| word.read())?;
    let last = committed.map_or(0, |committed| committed.sequence);
    let mut consumers = Vec::new();
    for name in folder.consumers()? {
        let Some(position) = consumer::look(&folder, &name, false)? else { continue };
        let live = consumer::is_live(&folder, &name)?;
        consumers.push(Reading { name, behind: last.saturating_sub(position.sequence), live });
    }
    Ok(Some(Listing { last, consumers }))
}

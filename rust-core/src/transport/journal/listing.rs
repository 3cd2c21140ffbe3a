//! The listing of a journal: the number of its messages, and how far each named reader is behind.
//!
//! It takes no lock and changes nothing; without a writer that has written the committed word it
//! shows 0 messages.

use super::committed::Word;
use super::consumer;
use super::folder::Folder;
use crate::error::Result;
use crate::transport::driver::{Consumer, Listing};
use crate::transport::place::{Access, Place};

/// Returns the listing of the journal at a place; `None` where there is none.
///
/// # Errors
/// `Corrupt` where the page of the last segment or a consumer's file is damaged.
pub fn listing(place: &Place) -> Result<Option<Listing>> {
    let Some(folder) = Folder::open(place, Access::default())? else { return Ok(None) };
    let Some(last) = folder.segments()?.last().copied() else { return Ok(None) };
    let Some((_, segment)) = folder.segment(last, false)? else { return Ok(None) };
    let word = Word::open(&folder, segment.id)?;
    let committed = word.map_or(Ok(None), |word| word.read())?;
    let last = committed.map_or(0, |committed| committed.sequence);
    let mut consumers = Vec::new();
    for name in folder.consumers()? {
        let Some(position) = consumer::position(&folder, &name, false)? else { continue };
        let live = consumer::is_live(&folder, &name)?;
        consumers.push(Consumer { name, behind: last.saturating_sub(position.sequence), live });
    }
    let identity = segment.id.first_chunk().map(|first| u64::from_le_bytes(*first).max(1));
    Ok(Some(Listing { identity, messages: Some(last), consumers: Some(consumers), ..Listing::default() }))
}

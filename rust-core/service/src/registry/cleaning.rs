//! Removes the stale files of this user's dead processes.

use super::places::{ListedName, existing_places, places, places_in_state_directory};
use crate::error::{Error, Result};
use crate::sys::staging::Swept;
use crate::transport::kind::NameDirectory;
use crate::transport::place::Place;
use crate::transport::sweep;

/// The result of [`clean`].
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Cleaned {
    /// The endpoints whose stale files are all removed.
    pub removed: Vec<String>,
    /// The endpoints that still exist, such as a spool with messages, but lost stale files.
    pub tidied: Vec<String>,
    /// The endpoints with remaining files, and why: another user's, or not removable.
    pub left: Vec<(String, Error)>,
}

/// Removes stale files of this user's dead processes, and empty unused spools.
///
/// Files of other users stay and are reported, also for root.
pub fn clean() -> Result<Cleaned> {
    let mut found = places()?;
    found.extend(places_in_state_directory()?);
    Ok(remove_stale(found, sweep::clean))
}

/// Removes only stale files of this user's dead processes, and creates no directory.
///
/// A spool stays, because its next sender looks for it.
pub(crate) fn tidy() -> Result<Cleaned> {
    Ok(remove_stale(existing_places()?, sweep::sweep))
}

fn remove_stale(found: Vec<ListedName>, remove: fn(&Place, bool) -> Result<Swept>) -> Cleaned {
    let mut cleaned = Cleaned::default();
    // All files of a journal are kept.
    let found = found.into_iter().filter(|one| one.endpoint.transport().names() != NameDirectory::State);
    for one in found {
        let has_temporary = one.has_temporary();
        let ListedName { endpoint, place, .. } = one;
        let endpoint = endpoint.to_string();
        match remove(&place, has_temporary) {
            Ok(swept) => {
                cleaned.left.extend(swept.remaining.into_iter().map(|why| (endpoint.clone(), why)));
                if swept.any {
                    // A file that cannot be examined counts as existing.
                    let is_there =
                        place.directory.beneath().facts(&place.file).map_or(true, |it| it.is_some())
                            || place.is_bound().unwrap_or(true);
                    let list = if is_there { &mut cleaned.tidied } else { &mut cleaned.removed };
                    list.push(endpoint);
                }
            }
            Err(e) => cleaned.left.push((endpoint, e)),
        }
    }
    cleaned
}

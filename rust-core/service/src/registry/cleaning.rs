//! Removal of what dead processes of this user left in the directories.

use super::places::{ListedName, places, places_in_state_directory};
use crate::error::{Error, Result};
use crate::transport::kind::NameDirectory;
use crate::transport::sweep;

/// The result of [`clean`].
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Cleaned {
    /// The endpoints of which everything that was left is removed.
    pub removed: Vec<String>,
    /// The endpoints that still exist, such as a spool with messages, and beside which stale files
    /// were removed.
    pub tidied: Vec<String>,
    /// The endpoints of which something is left, and why: it belongs to another user, or could not
    /// be removed.
    pub left: Vec<(String, Error)>,
}

/// Removes stale files of this user's dead processes in the runtime directory. Files of other users
/// stay and are reported, also for root.
pub fn clean() -> Result<Cleaned> {
    let mut cleaned = Cleaned::default();
    let spools = places_in_state_directory()?
        .into_iter()
        .filter(|found| found.endpoint.transport().names() == NameDirectory::RuntimeOrState);
    for ListedName { endpoint, place, has_temporary } in places()?.into_iter().chain(spools) {
        let endpoint = endpoint.to_string();
        match sweep::clean(&place, has_temporary) {
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
    Ok(cleaned)
}

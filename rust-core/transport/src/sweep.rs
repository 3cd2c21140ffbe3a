//! Removal of the stale files of dead processes at a name. `place` finds the owner of a name.
//!
//! The caller of a sweep holds the lock of the name, so no process takes the name at that time. A sweep
//! removes only files of this user.

use super::driver::{Driver, ListingSource};
use super::endpoint::Endpoint;
use super::place::Place;
use super::{owner, table};
use crate::error::Result;
use crate::sys::lock::{self, Lock};
use crate::sys::staging::Swept;

fn driver_of(place: &Place) -> &'static dyn Driver {
    let transport = Endpoint::from_file_name(&place.file).map(|endpoint| endpoint.transport());
    let by_ending = || {
        let ending = place.file.rsplit_once('.').map(|(_, ending)| ending);
        table::drivers().find(|driver| ending == Some(driver.kind().name))
    };
    transport.map(|transport| transport.driver()).or_else(by_ending).unwrap_or_else(table::default_driver)
}

/// Tries to take the lock for removing stale files. Several users of a place share a lock.
fn try_lock(place: &Place, driver: &dyn Driver) -> Result<Option<Lock>> {
    if matches!(driver.listing_source(), ListingSource::Files { .. }) {
        lock::try_lock(&place.directory, &place.file)
    } else {
        lock::try_own(&place.directory, &place.file)
    }
}

/// Removes the stale files of this user, and reports the stale files of others.
///
/// Pass `begun` as false if the name lacks a temporary file. Each search for one reads the whole directory, which would
/// be quadratic in the number of names.
pub fn sweep(place: &Place, begun: bool) -> Result<Swept> {
    let driver = driver_of(place);
    let mut swept = Swept::default();
    let Some(lock) = try_lock(place, driver)? else { return driver.sweep_beside(place) };
    if begun {
        swept.and(place.sweep_beginnings()?);
    } else {
        swept.note(owner::remove(place))?;
    }
    swept.and(driver.sweep(place, begun)?);
    if !lock.is_visible() {
        // Another user holds the byte of the name, so that owner may live.
        swept.remaining.clear();
    }
    Ok(swept)
}

/// Like [`sweep`], and also removes a place that keeps no message any more.
pub fn clean(place: &Place, begun: bool) -> Result<Swept> {
    let driver = driver_of(place);
    let mut swept = sweep(place, begun)?;
    if driver.kind().capabilities.keeps
        && let Some(_lock) = try_lock(place, driver)?
    {
        swept.note(driver.remove_unused(place))?;
    }
    Ok(swept)
}

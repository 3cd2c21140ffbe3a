//! The owner record: a short file that names the process that owns a name, for listings and for people.
//!
//! It exists if the owner cannot be asked (a pipe, a spool, a mailslot), and for TCP, whose address has no
//! file. Layout: one JSON map in `.owner.NAME` with `pid`, `program`, `uid`, `pattern` and the transport's
//! additions. It is written and removed under the lock of the name. A reader trusts only the file's user,
//! which the kernel provides.

use std::fmt;
use std::path::PathBuf;
use std::sync::Mutex;

use super::place::Place;
use crate::codec::{self, Encoding};
use crate::error::{Error, ErrorKind, Result};
use crate::sys::beneath::RequiredOwner;
use crate::sys::fork::{self, Own};
use crate::sys::peer;
use crate::sys::staging::{self, Swept};
use crate::value::{Map, Value};

const NAMESPACE: &str = "pid_namespace";

const PREFIX: &str = ".owner.";

/// The names whose records this process has written.
static WRITTEN: Own<Mutex<Vec<PathBuf>>> = Own::new();

/// The record of this process; its drop removes the file.
#[derive(Debug)]
pub struct OwnerRecord {
    place: Place,
    /// The fork generation of its writer: a forked child leaves the file.
    born: u64,
    stays: bool,
}

/// Returns the name that a record belongs to; `None` for any other file.
pub fn file_of_record(file: &str) -> Option<&str> {
    file.strip_prefix(PREFIX)
}

pub(crate) fn record_of_file(file: &str) -> String {
    [PREFIX, file].concat()
}

/// Returns the place of a record, to which each owner renames a new file.
pub(crate) fn record(place: &Place) -> Place {
    Place { directory: place.directory.clone(), file: record_of_file(&place.file) }
}

impl OwnerRecord {
    /// Writes the record with the fields of `more`. The caller holds the lock of the name.
    ///
    /// # Errors
    /// `NoSpace`; `PermissionDenied` if another user's file has the name.
    pub fn write(place: &Place, pattern: &str, program: &str, more: Map) -> Result<OwnerRecord> {
        let mut map = Map::from_iter([
            ("pid".to_owned(), std::process::id().into()),
            ("program".to_owned(), program.into()),
            ("uid".to_owned(), rustix::process::geteuid().as_raw().into()),
            ("pattern".to_owned(), pattern.into()),
        ]);
        if let Some(namespace) = peer::pid_namespace() {
            map.insert(NAMESPACE.to_owned(), namespace.into());
        }
        map.extend(more);
        let text = codec::encode(&Value::Map(map), Encoding::Json)?;
        // Every user with access to the directory may read it, because it only identifies the owner.
        let mode = place.directory.file_mode() | 0o044;
        let name = record_of_file(&place.file);
        // The caller holds the lock of the name, so the maker of an unfinished record is dead.
        staging::sweep(&place.directory, &[&name])?;
        place.directory.beneath().replace(&name, &text, mode, None)?;
        WRITTEN.lock().push(place.path());
        Ok(OwnerRecord { place: place.clone(), born: fork::generation(), stays: false })
    }
}

/// The content of a record.
#[derive(Clone, Debug)]
pub struct OwnerInfo {
    /// The map, which any program of the file's owner can have written.
    pub map: Value,
    /// The user that owns the file, from the kernel.
    pub owner: u32,
}

const LIMIT: usize = 1 << 16;

/// Reads the record of a name, if it exists.
///
/// Any user that may make files in the directory may have written it, so the size is bounded.
///
/// # Errors
/// `Corrupt` if it is not JSON; `TooLarge`; `PermissionDenied` for a link. Each names the path and the
/// remedy.
pub fn read(place: &Place) -> Result<Option<OwnerInfo>> {
    let name = record_of_file(&place.file);
    let Some((text, facts)) = place.directory.beneath().read(&name, LIMIT, RequiredOwner::AnyUser)? else {
        return Ok(None);
    };
    let map = codec::decode(&text, Encoding::Json).map_err(|e| {
        let path = place.directory.path().join(&name);
        let text = format!("{} does not say who holds the name: {}; remove it", path.display(), e.text());
        Error::new(ErrorKind::Corrupt, text)
    })?;
    Ok(Some(OwnerInfo { map, owner: facts.st_uid }))
}

pub(crate) fn read_map(place: &Place) -> Option<Value> {
    read(place).ok()?.map(|info| info.map)
}

/// Returns the process in the record of a name that has a living owner.
pub(crate) fn process(place: &Place) -> Option<u32> {
    process_in(place, &read_map(place)?)
}

/// Returns the process in a record, if it is in this PID namespace.
///
/// `None` also for this process's number in a record that it has not written.
pub fn process_in(place: &Place, record: &Value) -> Option<u32> {
    if is_elsewhere(record) {
        return None;
    }
    let process = record.at("pid").ok()?.as_u64().ok()?.try_into().ok()?;
    (process != std::process::id() || WRITTEN.lock().contains(&place.path())).then_some(process)
}

/// Returns whether the process of a record is in another PID namespace, as in another container.
pub fn is_elsewhere(record: &Value) -> bool {
    let theirs = record.at(NAMESPACE).and_then(Value::as_u64).ok();
    theirs.is_some_and(|theirs| peer::pid_namespace().is_some_and(|ours| ours != theirs))
}

/// Returns the refusal of a name that a living process has.
///
/// `does` is the action of that process (`listens at`), `advice` the remedy.
pub(crate) fn in_use(process: Option<u32>, does: &str, name: impl fmt::Display, advice: &str) -> Error {
    let text = match process {
        Some(pid) if pid == std::process::id() => {
            format!("this process {does} {name} already, by an object that is still open: close that first")
        }
        Some(pid) => format!("process {pid} {does} {name}; {advice}"),
        None => format!("another program {does} {name}; {advice}"),
    };
    Error::new(ErrorKind::AddressInUse, text)
}

impl OwnerRecord {
    /// Keeps the file after the drop, because it also describes other processes.
    pub(crate) fn keep_file(&mut self) {
        self.stays = true;
    }
}

impl Drop for OwnerRecord {
    fn drop(&mut self) {
        if self.born != fork::generation() {
            return;
        }
        let path = self.place.path();
        let mut written = WRITTEN.lock();
        if let Some(at) = written.iter().position(|one| *one == path) {
            written.swap_remove(at);
        }
        drop(written);
        if !self.stays {
            // A remaining file is swept with the name.
            let _ = self.place.directory.beneath().remove(&record_of_file(&self.place.file));
        }
    }
}

/// Removes the record of this user's dead process; notes remaining files. The caller holds the lock of the
/// name.
pub(crate) fn sweep(place: &Place) -> Result<Swept> {
    let mut swept = staging::sweep(&place.directory, &[&record_of_file(&place.file)])?;
    swept.note(remove(place))?;
    Ok(swept)
}

/// Removes the record of a dead process of this user. The caller holds the lock of the name.
///
/// # Errors
/// `PermissionDenied` if it belongs to another user.
pub(crate) fn remove(place: &Place) -> Result<bool> {
    place.directory.beneath().remove(&record_of_file(&place.file))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::sys::directory::Directory;

    #[test]
    fn record_names_owner_and_is_removed_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Arc::new(Directory::existing(folder.path()).unwrap());
        let place = Place { directory, file: "x.fifo".into() };
        let more = Map::from_iter([("encoding".to_owned(), Value::from("cbor"))]);
        let owner_record = OwnerRecord::write(&place, "channel", "driver", more).unwrap();
        let map = read_map(&place).unwrap();
        assert_eq!(map.at("pid").unwrap().as_u64().unwrap(), u64::from(std::process::id()));
        assert_eq!(map.at("encoding").unwrap().as_text().unwrap(), "cbor");
        drop(owner_record);
        assert!(read_map(&place).is_none());
        // The record of a program that was killed. Kept in a static, or a leak checker would report it.
        static KILLED: Mutex<Vec<OwnerRecord>> = Mutex::new(Vec::new());
        KILLED.lock().unwrap().push(OwnerRecord::write(&place, "channel", "driver", Map::new()).unwrap());
        assert!(remove(&place).unwrap());
        assert!(!remove(&place).unwrap());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

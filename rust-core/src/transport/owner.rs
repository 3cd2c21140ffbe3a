//! Who holds a name that nobody can be asked at: a small file beside it, for listings and for people.

use super::place::Place;
use crate::codec::{self, Encoding};
use crate::error::{Error, ErrorKind, Result};
use crate::sys::beneath::Owner;
use crate::sys::fork;
use crate::sys::staging::{self, Swept};
use crate::value::{Map, Value};

/// What stands in front of the name.
const PREFIX: &str = ".owner.";

/// The file that says who holds a name; its end removes it.
#[derive(Debug)]
pub struct OwnerRecord {
    place: Place,
    born: u64,
    stays: bool,
}

/// The name that such a file tells of.
pub fn file_of_record(file: &str) -> Option<&str> {
    file.strip_prefix(PREFIX)
}

/// The name of the file that tells of a name.
pub fn record_of_file(file: &str) -> String {
    [PREFIX, file].concat()
}

impl OwnerRecord {
    /// Says that this process holds the name, for this pattern, and what else the map says. To be called by whoever holds
    /// the name's lock. One JSON map: `pid`, `program`, `uid`, `pattern`, and what `more` has.
    pub fn write(place: &Place, pattern: &str, program: &str, more: Map) -> Result<OwnerRecord> {
        let mut map = Map::from_iter([
            ("pid".to_owned(), std::process::id().into()),
            ("program".to_owned(), program.into()),
            ("uid".to_owned(), rustix::process::geteuid().as_raw().into()),
            ("pattern".to_owned(), pattern.into()),
        ]);
        map.extend(more);
        let text = codec::encode(&Value::Map(map), Encoding::Json)?;
        // Whoever may look at the directory may read it: it says who is there, and no more.
        let mode = place.directory.file_mode() | 0o044;
        let name = record_of_file(&place.file);
        // Under the name's lock: whoever began one before us and did not finish is dead.
        staging::sweep(&place.directory, &[&name])?;
        place.directory.beneath().replace(&name, &text, mode, None)?;
        Ok(OwnerRecord { place: place.clone(), born: fork::generation(), stays: false })
    }
}

/// What such a file says, and whose file it is: it is that user's word.
#[derive(Clone, Debug)]
pub struct Record {
    /// The map.
    pub said: Value,
    /// The owner of the file.
    pub owner: u32,
}

/// Bytes of such a file, at most.
const LIMIT: usize = 1 << 16;

/// What such a file says of a name; none where there is none. It is read from anybody who may make files there, with a
/// bound; anything else in its place is an error that says what is there and whose it is.
pub fn look(place: &Place) -> Result<Option<Record>> {
    let name = record_of_file(&place.file);
    let Some((text, facts)) = place.directory.beneath().read(&name, LIMIT, Owner::Anybody)? else {
        return Ok(None);
    };
    let said = codec::decode(&text, Encoding::Json).map_err(|e| {
        let path = place.directory.path().join(&name);
        let text = format!("{} does not say who holds the name: {}; remove it", path.display(), e.text());
        Error::new(ErrorKind::Corrupt, text)
    })?;
    Ok(Some(Record { said, owner: facts.st_uid }))
}

/// The same, or none where it is not to be read.
pub fn read(place: &Place) -> Option<Value> {
    look(place).ok()?.map(|record| record.said)
}

impl OwnerRecord {
    /// The file stays when this ends: it tells of others, too.
    pub fn leave(&mut self) {
        self.stays = true;
    }
}

impl Drop for OwnerRecord {
    fn drop(&mut self) {
        if self.born == fork::generation() && !self.stays {
            // One that cannot be removed now is swept with the name.
            let _ = self.place.directory.beneath().remove(&record_of_file(&self.place.file));
        }
    }
}

/// Removes what a dead process of ours said or began to say, and told is what stays. Only under the name's lock.
pub fn sweep(place: &Place) -> Result<Swept> {
    let mut swept = staging::sweep(&place.directory, &[&record_of_file(&place.file)])?;
    swept.note(remove(place))?;
    Ok(swept)
}

/// Removes what a dead process of ours said. Only under the name's lock.
pub fn remove(place: &Place) -> Result<bool> {
    place.directory.beneath().remove(&record_of_file(&place.file))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::sys::directory::Directory;

    #[test]
    fn it_says_who_holds_a_name_and_goes_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Arc::new(Directory::existing(folder.path()).unwrap());
        let place = Place { directory, file: "x.fifo".into() };
        let more = Map::from_iter([("encoding".to_owned(), Value::from("cbor"))]);
        let owner_record = OwnerRecord::write(&place, "channel", "driver", more).unwrap();
        let said = read(&place).unwrap();
        assert_eq!(said.at("pid").unwrap().as_u64().unwrap(), u64::from(std::process::id()));
        assert_eq!(said.at("encoding").unwrap().as_text().unwrap(), "cbor");
        drop(owner_record);
        assert!(read(&place).is_none());
        // Of a program that was killed; kept, or it is a leak to whoever looks for some.
        static KILLED: Mutex<Vec<OwnerRecord>> = Mutex::new(Vec::new());
        KILLED.lock().unwrap().push(OwnerRecord::write(&place, "channel", "driver", Map::new()).unwrap());
        assert!(remove(&place).unwrap());
        assert!(!remove(&place).unwrap());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

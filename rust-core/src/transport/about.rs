//! Who holds a name that nobody can be asked at: a small file beside it, for listings and for people.

use std::io::Write;

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::place::{Place, temporary};
use crate::codec::{self, Encoding};
use crate::error::{Doing, Result};
use crate::sys::fork;
use crate::value::{Map, Value};

/// What stands in front of the name.
const PREFIX: &str = ".is.";

/// The file that says who holds a name; its end removes it.
#[derive(Debug)]
pub struct About {
    place: Place,
    born: u64,
}

/// The name that such a file tells of.
pub fn of_about(file: &str) -> Option<&str> {
    file.strip_prefix(PREFIX)
}

/// The name of the file that tells of a name.
pub fn about(file: &str) -> String {
    [PREFIX, file].concat()
}

impl About {
    /// Says that this process holds the name, for this pattern, and what else the map says. To be called by whoever holds
    /// the name's lock. One JSON map: `pid`, `program`, `uid`, `pattern`, and what `more` has.
    pub fn write(place: &Place, pattern: &str, program: &str, more: Map) -> Result<About> {
        let mut map = Map::from_iter([
            ("pid".to_owned(), std::process::id().into()),
            ("program".to_owned(), program.into()),
            ("uid".to_owned(), rustix::process::geteuid().as_raw().into()),
            ("pattern".to_owned(), pattern.into()),
        ]);
        map.extend(more);
        let text = codec::encode(&Value::Map(map), Encoding::Json)?;
        let (directory, name) = (&place.directory, about(&place.file));
        let doing = || format!("writing {}", directory.path().join(&name).display());
        let new = temporary(&name);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let mode = Mode::from_raw_mode(directory.file_mode() | 0o044);
        let file = rustix::fs::openat(&**directory, &new, flags, mode).doing(doing())?;
        std::fs::File::from(file).write_all(&text).doing(doing())?;
        rustix::fs::renameat(&**directory, &new, &**directory, &name).doing(doing())?;
        Ok(About { place: place.clone(), born: fork::generation() })
    }
}

/// What such a file says of a name; none where there is none, or where it is not to be read.
pub fn read(place: &Place) -> Option<Value> {
    let path = place.directory.path().join(about(&place.file));
    codec::decode(&std::fs::read(path).ok()?, Encoding::Json).ok()
}

impl Drop for About {
    fn drop(&mut self) {
        if self.born == fork::generation() {
            // One that cannot be removed now is swept with the name.
            let _ = rustix::fs::unlinkat(&*self.place.directory, about(&self.place.file), AtFlags::empty());
        }
    }
}

/// Removes what a dead process said; true where there was something. Only under the name's lock.
pub fn sweep(place: &Place) -> Result<bool> {
    let mut any = false;
    let name = about(&place.file);
    for file in [temporary(&name), name] {
        match rustix::fs::unlinkat(&*place.directory, &file, AtFlags::empty()) {
            Ok(()) => any = true,
            Err(Errno::NOENT) => {}
            Err(e) => {
                let path = place.directory.path().join(&file);
                return Err(e).doing(format_args!("removing {}", path.display()));
            }
        }
    }
    Ok(any)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::sys::directory::Directory;

    #[test]
    fn it_says_who_holds_a_name_and_goes_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Arc::new(Directory::existing(folder.path()).unwrap());
        let place = Place { directory, file: "x.fifo".into() };
        let more = Map::from_iter([("encoding".to_owned(), Value::from("cbor"))]);
        let about = About::write(&place, "channel", "driver", more).unwrap();
        let said = read(&place).unwrap();
        assert_eq!(said.at("pid").unwrap().as_u64().unwrap(), u64::from(std::process::id()));
        assert_eq!(said.at("encoding").unwrap().as_text().unwrap(), "cbor");
        drop(about);
        assert!(read(&place).is_none());
        std::mem::forget(About::write(&place, "channel", "driver", Map::new()).unwrap());
        assert!(sweep(&place).unwrap());
        assert!(!sweep(&place).unwrap());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

//! Makes folders that get their name when all of their files are complete.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use linkspan::{Error, ErrorKind, Result};
use rustix::fs::{CWD, RenameFlags, rename, renameat_with};
use rustix::io::Errno;

use crate::files::{check_folder, exists, make_folder, sync_folder, temporary_name};
use crate::files::{folder_of, of_io};

/// Another program may still make files in it.
const ATTEMPTS: usize = 100;

/// A new folder with its missing parents; a drop before [`NewFolder::finish`] removes it.
///
/// Its temporary name is `.NAME.….unfinished`, which a killed program leaves.
#[derive(Debug)]
pub struct NewFolder {
    /// The folder with the temporary name: this one, or the highest missing parent.
    first: PathBuf,
    remover: Remover,
    within: PathBuf,
}

/// Removes its folder at any moment, for example at a signal.
#[derive(Clone, Debug, Default)]
pub struct Remover(Arc<Mutex<Other>>);

/// The lock is held while the folder is made, named or removed.
#[derive(Debug, Default)]
enum Other {
    #[default]
    Unused,
    At(PathBuf),
    /// The folder has its name or was removed, and another one will not be made.
    Ended,
}

impl Remover {
    /// Removes the unfinished folder with its files, and prevents a new one.
    ///
    /// If this fails, a recognizable name stays.
    pub fn end(&self) {
        let mut held = self.lock();
        let Other::At(folder) = std::mem::replace(&mut *held, Other::Ended) else { return };
        for _ in 0..ATTEMPTS {
            match std::fs::remove_dir_all(&folder) {
                // A program still writes in it.
                Err(error) if error.kind() == std::io::ErrorKind::DirectoryNotEmpty => {}
                _ => return,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Other> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl NewFolder {
    /// Makes the folder; `None` if it exists.
    ///
    /// # Errors
    /// `AddressInUse` if its or a parent's name is taken, even by a link to a folder; `Interrupted` after
    /// [`Remover::end`]; errors of the file system.
    pub fn create(path: &Path, remover: &Remover) -> Result<Option<NewFolder>> {
        // With a trailing `/`, a link would be followed.
        let path = &*path.components().collect::<PathBuf>();
        if !is_missing(path) || path.file_name().is_none() {
            make_folder(path)?;
            return check_folder(path).map(|()| None);
        }
        let mut first = path;
        while is_missing(folder_of(first)) && first.parent().is_some_and(|above| above.file_name().is_some())
        {
            first = folder_of(first);
        }
        // Also reports a file at a parent's path.
        make_folder(folder_of(first))?;
        let temporary = first.with_file_name(temporary_name(first));
        let mut within = temporary.clone();
        // If the folder itself has the temporary name, no components follow.
        if let Some(rest) = path.strip_prefix(first).ok().filter(|rest| !rest.as_os_str().is_empty()) {
            within.push(rest);
        }
        let mut held = remover.lock();
        if matches!(*held, Other::Ended) {
            return Err(removed(first));
        }
        *held = Other::At(temporary);
        let new = NewFolder { first: first.to_owned(), remover: remover.clone(), within };
        let made = make_folder(&new.within);
        drop(held);
        made.map(|()| Some(new))
    }

    /// Returns the current path for files.
    pub fn path(&self) -> &Path {
        &self.within
    }

    /// Returns whether it is empty.
    pub fn is_empty(&self) -> bool {
        std::fs::read_dir(&self.within).is_ok_and(|mut entries| entries.next().is_none())
    }

    /// Gives the folder its name.
    ///
    /// # Errors
    /// `AddressInUse` if the name is taken: the files stay under the temporary name. `Interrupted` if the folder was
    /// removed; errors of the file system.
    pub fn finish(self) -> Result<()> {
        let mut held = self.remover.lock();
        let Other::At(temporary) = std::mem::replace(&mut *held, Other::Ended) else {
            return Err(removed(&self.first));
        };
        let renamed = match renameat_with(CWD, &temporary, CWD, &self.first, RenameFlags::NOREPLACE) {
            // Without the flag, a rename replaces at most an empty folder.
            Err(Errno::INVAL | Errno::NOSYS) => rename(&temporary, &self.first),
            renamed => renamed,
        };
        let is_kept = |text: String| format!("{text}; what is whole is in {}", temporary.display());
        renamed.map_err(|errno| match errno {
            Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR => {
                Error::new(ErrorKind::AddressInUse, is_kept(exists(&self.first).text().to_owned()))
            }
            errno => {
                let error = of_io(&errno.into(), "naming the folder", &self.first);
                Error::new(error.kind(), is_kept(error.text().to_owned()))
            }
        })?;
        sync_folder(&self.first)
    }
}

impl Drop for NewFolder {
    fn drop(&mut self) {
        self.remover.end();
    }
}

fn removed(folder: &Path) -> Error {
    Error::new(ErrorKind::Interrupted, format!("{} was removed before it had its name", folder.display()))
}

fn is_missing(path: &Path) -> bool {
    path.symlink_metadata().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::files::{Making, NewFile};

    fn create(path: &Path) -> Result<Option<NewFolder>> {
        NewFolder::create(path, &Remover::default())
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn folder_has_its_name_when_it_is_finished_with_those_above_it() {
        let around = tempfile::tempdir().unwrap();
        for path in ["tables", "a/b/c"] {
            let path = around.path().join(path);
            let new = create(&path).unwrap().unwrap();
            fs::write(new.path().join("file"), "whole").unwrap();
            let [hidden] = &names(around.path())[..] else { panic!("{:?}", names(around.path())) };
            assert!(hidden.starts_with('.') && hidden.ends_with(".unfinished"), "{hidden}");
            new.finish().unwrap();
            assert_eq!(fs::read(path.join("file")).unwrap(), b"whole");
            assert!(create(&path).unwrap().is_none(), "it exists");
            fs::remove_dir_all(
                around.path().join(path.strip_prefix(around.path()).unwrap().iter().next().unwrap()),
            )
            .unwrap();
        }
    }

    #[test]
    fn nothing_is_left_of_a_folder_that_is_not_finished() {
        let around = tempfile::tempdir().unwrap();
        let new = create(&around.path().join("a/b")).unwrap().unwrap();
        assert!(new.is_empty());
        fs::write(new.path().join("file"), "half").unwrap();
        assert!(!new.is_empty());
        drop(new);
        assert!(names(around.path()).is_empty());
    }

    /// This includes a folder that is being made at that moment.
    #[test]
    fn nothing_is_left_of_a_folder_whose_program_ends() {
        let around = tempfile::tempdir().unwrap();
        let [path, late] = ["a", "b"].map(|name| around.path().join(name));
        let remover = Remover::default();
        let new = NewFolder::create(&path, &remover).unwrap().unwrap();
        fs::write(new.path().join("file"), "half").unwrap();
        remover.end();
        assert!(names(around.path()).is_empty());
        let ended = [new.finish().unwrap_err(), NewFolder::create(&late, &remover).unwrap_err()];
        assert!(ended.iter().all(|error| error.kind() == ErrorKind::Interrupted), "{ended:?}");
        assert!(names(around.path()).is_empty());
    }

    /// Another user could choose the place of the files.
    #[test]
    fn link_in_the_place_of_a_folder_is_not_followed() {
        let around = tempfile::tempdir().unwrap();
        let [folder, link] = ["folder", "link"].map(|name| around.path().join(name));
        fs::create_dir(&folder).unwrap();
        std::os::unix::fs::symlink(&folder, &link).unwrap();
        for path in [link.clone(), link.join(""), link.join(".")] {
            let error = create(&path).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AddressInUse, "{error}");
            assert!(error.text().contains("is a link"), "{error}");
            // A link that appears after the check is not followed either.
            let error = NewFile::create_within(&path.join("file"), Making::default()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AddressInUse, "{error}");
            assert!(error.text().contains("is a link"), "{error}");
        }
        assert!(names(&folder).is_empty());
        // The user named these links deliberately.
        assert!(create(&link.join("below")).unwrap().is_some());
        fs::create_dir(folder.join("below")).unwrap();
        assert!(create(&link.join("below")).unwrap().is_none());
        NewFile::create_within(&link.join("below/file"), Making::default()).unwrap().finish().unwrap();
        NewFile::create(&link.join("file"), Making::default()).unwrap().finish().unwrap();
        assert_eq!(
            (names(&folder), names(&folder.join("below"))),
            (vec!["below".into(), "file".into()], vec!["file".into()])
        );
    }

    #[test]
    fn what_came_meanwhile_stays_and_what_is_whole_is_said() {
        let around = tempfile::tempdir().unwrap();
        let path = around.path().join("a");
        let new = create(&path).unwrap().unwrap();
        fs::write(new.path().join("file"), "whole").unwrap();
        let hidden = new.path().to_owned();
        fs::create_dir(&path).unwrap();
        let error = new.finish().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddressInUse, "{error}");
        assert!(error.to_string().contains(hidden.to_str().unwrap()), "{error}");
        assert_eq!((fs::read(hidden.join("file")).unwrap(), names(&path).len()), (b"whole".to_vec(), 0));
    }
}

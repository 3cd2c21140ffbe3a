//! Opens and makes files for the recorder, its tools and all readers of recordings.
//!
//! In a group's folder, another member can put a pipe or a device, which readers must not open. Writers must neither
//! follow a link nor replace another member's file.

use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::fs::{DirBuilder, File, FileType, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use linkspan::{Error, ErrorKind, Result};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, openat, renameat, unlinkat};
use rustix::io::Errno;

/// Bytes of a file that is read completely.
const MAX_WHOLE: u64 = 1 << 30;

/// Opens a regular file for reading, without waiting for another program.
///
/// # Errors
/// Errors of the file system; `Unsupported` for other kinds; `Stalled` under another process's lease.
pub fn open(path: &Path) -> Result<File> {
    open_with(path, OFlags::empty())
}

/// [`open`] for a found file: another user's link is not followed.
///
/// # Errors
/// As for [`open`]; `Unsupported` for a link.
pub fn open_found(path: &Path) -> Result<File> {
    open_with(path, OFlags::NOFOLLOW)
}

fn open_with(path: &Path, flags: OFlags) -> Result<File> {
    let not_read = |what| Error::new(ErrorKind::Unsupported, format!("{} is {what}", path.display()));
    let all = (OFlags::NONBLOCK | OFlags::NOCTTY | flags).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(all).open(path).map_err(|error| {
        if error.kind() == io::ErrorKind::WouldBlock {
            let text = format!(
                "opening {}: another process has a lease on it and does not give it up; try again",
                path.display()
            );
            return Error::new(ErrorKind::Stalled, text);
        }
        let is_link = flags.contains(OFlags::NOFOLLOW)
            && std::fs::symlink_metadata(path).is_ok_and(|facts| facts.is_symlink());
        if is_link {
            return not_read(
                "a link, which is not followed where it was found and not named; name its file".to_owned(),
            );
        }
        of_io(&error, "opening", path)
    })?;
    let kind = file.metadata().map_err(|error| of_io(&error, "reading", path))?.file_type();
    if kind.is_file() {
        return Ok(file);
    }
    Err(not_read(format!("{}, and no regular file, which is what is read", named(kind))))
}

/// Reads a file of at most 1 GiB.
///
/// # Errors
/// As for [`open`]; `TooLarge` for a longer one.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let bytes = linkspan::files::read(open(path)?, path, MAX_WHOLE + 1)?;
    if bytes.len() as u64 > MAX_WHOLE {
        let text = format!("{} has more than {MAX_WHOLE} bytes, and is read as a whole", path.display());
        return Err(Error::new(ErrorKind::TooLarge, text));
    }
    Ok(bytes)
}

/// Syncs the names in a file's folder.
///
/// # Errors
/// Errors of the file system.
pub fn sync_folder(path: &Path) -> Result<()> {
    File::open(folder_of(path))
        .and_then(|folder| folder.sync_all())
        .map_err(|error| of_io(&error, "syncing the folder of", path))
}

fn named(kind: FileType) -> &'static str {
    if kind.is_dir() {
        "a directory"
    } else if kind.is_symlink() {
        "a link"
    } else if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

/// How a file is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Making {
    /// Whether it replaces a regular file. Anything else is an error.
    pub replaces: bool,
    /// The default is 0660 in a group's folder, and 0600 elsewhere.
    pub mode: Option<u32>,
}

/// A new file, unnamed until [`NewFile::finish`]; an earlier drop removes it.
#[derive(Debug)]
pub struct NewFile {
    file: File,
    path: PathBuf,
    folder: OwnedFd,
    /// If the file system does not support unnamed files.
    temporary: Option<OsString>,
    replaces: bool,
}

impl NewFile {
    /// Makes a file for reading and writing.
    ///
    /// # Errors
    /// `AddressInUse` if the name is taken, except by a regular file to replace; errors of the file system.
    pub fn create(path: &Path, making: Making) -> Result<NewFile> {
        NewFile::create_with(path, making, OFlags::empty())
    }

    /// [`NewFile::create`] in a folder for several files. A link there is not followed.
    ///
    /// # Errors
    /// As for [`NewFile::create`]; `AddressInUse` if the folder is a link.
    pub fn create_within(path: &Path, making: Making) -> Result<NewFile> {
        NewFile::create_with(path, making, OFlags::NOFOLLOW)
    }

    fn create_with(path: &Path, making: Making, follows: OFlags) -> Result<NewFile> {
        let failed = |errno: Errno| of_io(&errno.into(), "creating", path);
        if path.file_name().is_none() {
            let text = format!("creating {}: it names no file", path.display());
            return Err(Error::new(ErrorKind::Unsupported, text));
        }
        refuse_foreign_links(folder_of(path))?;
        // This fails early, because writing takes long.
        is_free(path, making.replaces)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC | follows;
        let folder = openat(CWD, folder_of(path), flags, Mode::empty())
            .map_err(|errno| link_of_folder(folder_of(path), flags).unwrap_or_else(|| failed(errno)))?;
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        let unnamed = openat(&folder, ".", flags | OFlags::TMPFILE, Mode::RUSR | Mode::WUSR);
        let (file, temporary) = match unnamed {
            // It gets its name through /proc.
            Ok(file) if Path::new("/proc/self/fd").exists() => (file, None),
            Ok(_) | Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {
                let temporary = temporary_name(path);
                let flags = flags | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
                let file = openat(&folder, &*temporary, flags, Mode::RUSR | Mode::WUSR).map_err(failed)?;
                (file, Some(temporary))
            }
            Err(errno) => return Err(failed(errno)),
        };
        let new = NewFile {
            file: file.into(),
            path: path.to_owned(),
            folder,
            temporary,
            replaces: making.replaces,
        };
        let mode = making.mode.map_or_else(|| mode_in(&new.folder), Ok).map_err(failed)?;
        rustix::fs::fchmod(&new.file, Mode::from_raw_mode(mode)).map_err(failed)?;
        Ok(new)
    }

    /// Returns the file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Returns its future path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Syncs the file and gives it its name.
    ///
    /// # Errors
    /// As for [`NewFile::create`]; the file is then removed.
    pub fn finish(self) -> Result<()> {
        self.sync()?;
        self.name()
    }

    /// Syncs the file.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn sync(&self) -> Result<()> {
        self.file.sync_all().map_err(|error| of_io(&error, "syncing", &self.path))
    }

    /// Names the file without syncing its content, and syncs the folder.
    ///
    /// # Errors
    /// As for [`NewFile::finish`].
    pub fn name(mut self) -> Result<()> {
        let failed = |errno: Errno, path: &Path| match errno {
            Errno::EXIST => exists(path),
            errno => of_io(&errno.into(), "creating", path),
        };
        let name = self.path.file_name().unwrap_or_default();
        if self.replaces {
            is_free(&self.path, true)?;
            if self.temporary.is_none() {
                let temporary = temporary_name(&self.path);
                self.link(&temporary).map_err(|errno| failed(errno, &self.path))?;
                self.temporary = Some(temporary);
            }
            let from = self.temporary.as_deref().unwrap_or_default();
            renameat(&self.folder, from, &self.folder, name).map_err(|errno| failed(errno, &self.path))?;
        } else {
            self.link(name).map_err(|errno| failed(errno, &self.path))?;
            self.remove_temporary();
        }
        self.temporary = None;
        sync_folder(&self.path)
    }

    fn link(&self, name: &OsStr) -> rustix::io::Result<()> {
        match &self.temporary {
            Some(temporary) => linkat(&self.folder, &**temporary, &self.folder, name, AtFlags::empty()),
            None => {
                let known = format!("/proc/self/fd/{}", self.file.as_raw_fd());
                linkat(CWD, known, &self.folder, name, AtFlags::SYMLINK_FOLLOW)
            }
        }
    }

    fn remove_temporary(&mut self) {
        if let Some(temporary) = self.temporary.take() {
            // If this fails, a file with a recognizable name stays.
            let _ = unlinkat(&self.folder, temporary, AtFlags::empty());
        }
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        self.remove_temporary();
    }
}

fn is_free(path: &Path, may_replace: bool) -> Result<()> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(of_io(&error, "creating", path)),
        Ok(facts) if facts.is_file() && may_replace => Ok(()),
        Ok(facts) if facts.is_file() => Err(exists(path)),
        Ok(facts) => {
            let text = format!(
                "{} exists and is {}, which is neither followed nor replaced; name another file, or remove it first",
                path.display(),
                named(facts.file_type())
            );
            Err(Error::new(ErrorKind::AddressInUse, text))
        }
    }
}

pub(crate) fn exists(path: &Path) -> Error {
    let text = format!("{} exists; name another file, or remove it first", path.display());
    Error::new(ErrorKind::AddressInUse, text)
}

fn link_of_folder(path: &Path, flags: OFlags) -> Option<Error> {
    let kind = path.symlink_metadata().ok()?.file_type();
    (flags.contains(OFlags::NOFOLLOW) && kind.is_symlink()).then(|| is_no_folder(path, kind))
}

/// Fails if files cannot be made in this folder, or if it is a link.
///
/// # Errors
/// `AddressInUse` for a link; errors of the file system.
pub(crate) fn check_folder(path: &Path) -> Result<()> {
    refuse_foreign_links(path)?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match openat(CWD, path, flags, Mode::empty()) {
        Ok(_) => Ok(()),
        Err(errno) => Err(link_of_folder(path, flags)
            .unwrap_or_else(|| of_io(&errno.into(), "making files in the folder", path))),
    }
}

/// The most links on a path, as in the kernel.
const MOST_LINKS: u32 = 40;

/// Fails at another user's link, whose owner would choose the place of files.
///
/// Links of this user and of root are followed.
///
/// # Errors
/// `PermissionDenied`.
fn refuse_foreign_links(path: &Path) -> Result<()> {
    let mut left = MOST_LINKS;
    refuse_links_of(path, &mut left)
}

fn refuse_links_of(path: &Path, left: &mut u32) -> Result<()> {
    let own = rustix::process::geteuid().as_raw();
    for part in path.ancestors().filter(|part| !part.as_os_str().is_empty()) {
        let Ok(facts) = std::fs::symlink_metadata(part) else { continue };
        if !facts.is_symlink() {
            continue;
        }
        if ![0, own].contains(&facts.uid()) {
            let text = format!(
                "{} is a link of another user (uid {}), which is not followed; name the folder that it leads to",
                part.display(),
                facts.uid()
            );
            return Err(Error::new(ErrorKind::PermissionDenied, text));
        }
        // The kernel rejects a path with this many links.
        let Some(fewer) = left.checked_sub(1) else { return Ok(()) };
        *left = fewer;
        if let Ok(target) = std::fs::read_link(part) {
            refuse_links_of(&folder_of(part).join(target), left)?;
        }
    }
    Ok(())
}

fn is_no_folder(path: &Path, kind: FileType) -> Error {
    let what = if kind.is_file() { "a file" } else { named(kind) };
    let text = format!(
        "{} exists and is {what}, and not the folder in which files are made; name a folder, or remove it first",
        path.display()
    );
    Error::new(ErrorKind::AddressInUse, text)
}

/// Returns an unpredictable name in a file's folder.
pub(crate) fn temporary_name(path: &Path) -> OsString {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    let mut random = [0; 8];
    // Without random bytes, creation still requires a free name.
    let _ = rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty());
    name.push(format!(".{:016x}.unfinished", u64::from_le_bytes(random)));
    name
}

fn mode_in(folder: &OwnedFd) -> rustix::io::Result<u32> {
    let facts = rustix::fs::fstat(folder.as_fd())?;
    Ok(if facts.st_mode & 0o2070 == 0o2070 { 0o660 } else { 0o600 })
}

/// Makes a folder with its missing parents, for their owner or the parent's group.
///
/// # Errors
/// Errors of the file system.
pub fn make_folder(path: &Path) -> Result<()> {
    let failed = |error: io::Error| of_io(&error, "making the folder", path);
    refuse_foreign_links(path)?;
    if path.is_dir() {
        return Ok(());
    }
    let above = folder_of(path);
    if above != path {
        make_folder(above)?;
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let parent = openat(CWD, above, flags, Mode::empty()).map_err(|errno| failed(errno.into()))?;
    let is_shared = mode_in(&parent).map_err(|errno| failed(errno.into()))? == 0o660;
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let what = std::fs::symlink_metadata(path).map(|facts| facts.file_type());
            return match what {
                _ if path.is_dir() => Ok(()),
                Ok(kind) => Err(is_no_folder(path, kind)),
                Err(_) => Err(failed(error)),
            };
        }
        made => made.map_err(failed)?,
    }
    if is_shared {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(CWD, path, flags, Mode::empty())
            .and_then(|made| rustix::fs::fchmod(made, Mode::from_raw_mode(0o2770)))
            .map_err(|errno| failed(errno.into()))?;
    }
    Ok(())
}

/// Returns a file name for a topic, without an extension. Different topics have different names.
///
/// A single `/` becomes `-`, and a single `-` becomes `--`. Letters, digits, `.` and `_` of ASCII stay. Each other byte
/// becomes `%` and two hexadecimal digits, even `/` and `-` if adjacent. The empty topic becomes `%`. The name is never
/// hidden.
pub fn name_of(topic: &str) -> String {
    if topic.is_empty() {
        return "%".to_owned();
    }
    let bytes = topic.as_bytes();
    let is_dash =
        |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(|byte| matches!(byte, b'/' | b'-'));
    let mut name = String::with_capacity(bytes.len());
    for (at, byte) in bytes.iter().copied().enumerate() {
        let is_alone = !is_dash(at.checked_sub(1)) && !is_dash(at.checked_add(1));
        match byte {
            b'/' if is_alone => name.push('-'),
            b'-' if is_alone => name.push_str("--"),
            // A leading dot would hide the file.
            b'.' if at > 0 => name.push('.'),
            b'_' => name.push('_'),
            byte if byte.is_ascii_alphanumeric() => name.push(char::from(byte)),
            byte => drop(write!(name, "%{byte:02X}")),
        }
    }
    name
}

/// Returns whether two paths are one file.
pub fn are_same(one: &Path, other: &Path) -> bool {
    let identity = |path: &Path| rustix::fs::stat(path).map(|facts| (facts.st_dev, facts.st_ino));
    match (identity(one), identity(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => one.as_os_str().as_bytes() == other.as_os_str().as_bytes(),
    }
}

/// Returns the folder of a file.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Returns the error of an operation on a file.
pub fn of_io(error: &std::io::Error, doing: &str, path: &Path) -> Error {
    let doing = format!("{doing} {}", path.display());
    match error.raw_os_error() {
        Some(errno) => Error::os(doing, errno),
        None => Error::new(ErrorKind::Internal, format!("{doing}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs::{self, Permissions};
    use std::io::Write as _;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;

    const REPLACES: Making = Making { replaces: true, mode: None };

    fn names(folder: &Path) -> Vec<String> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn fifo(path: &Path) {
        rustix::fs::mknodat(CWD, path, rustix::fs::FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    }

    #[test]
    fn folder_in_whose_place_is_something_else_is_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let [file, pipe, link] = ["file", "pipe", "link"].map(|name| folder.path().join(name));
        fs::write(&file, "mine").unwrap();
        fifo(&pipe);
        symlink(folder.path().join("none"), &link).unwrap();
        for (path, what) in
            [(file.clone(), "a file"), (pipe, "a FIFO"), (link, "a link"), (file.join("below"), "a file")]
        {
            let error = make_folder(&path).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AddressInUse, "{error}");
            assert!(error.text().contains(&format!("exists and is {what}")), "{error}");
        }
        assert_eq!((fs::read(&file).unwrap(), names(folder.path()).len()), (b"mine".to_vec(), 3));
    }

    #[test]
    fn what_is_read_is_a_regular_file_and_nothing_else_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let [file, pipe, link, none] = ["file", "pipe", "link", "none"].map(|name| folder.path().join(name));
        fs::write(&file, "content").unwrap();
        fifo(&pipe);
        symlink(&file, &link).unwrap();
        assert_eq!(read(&file).unwrap(), b"content");
        assert_eq!(read(&link).unwrap(), b"content");
        for (path, what) in
            [(&*pipe, "a FIFO"), (folder.path(), "a directory"), (Path::new("/dev/zero"), "a device")]
        {
            let error = open(path).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
            assert!(error.to_string().contains(what), "{error}");
        }
        assert_eq!(open(&none).unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[test]
    fn file_gets_its_name_when_it_is_whole_and_nothing_is_left_of_one_that_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let new = NewFile::create(&path, Making::default()).unwrap();
        new.file().write_all(b"half").unwrap();
        assert!(!path.exists());
        drop(new);
        assert!(names(folder.path()).is_empty());
        let new = NewFile::create(&path, Making::default()).unwrap();
        new.file().write_all(b"whole").unwrap();
        new.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(names(folder.path()), ["a"]);
    }

    #[test]
    fn existing_files_stay_unless_they_are_to_be_replaced_and_nothing_else_ever_is() {
        let folder = tempfile::tempdir().unwrap();
        let [file, other, link, pipe] =
            ["file", "other", "link", "pipe"].map(|name| folder.path().join(name));
        fs::write(&file, "old").unwrap();
        fs::write(&other, "other").unwrap();
        symlink(&other, &link).unwrap();
        fifo(&pipe);
        let refused = |path: &Path, making| {
            let error = NewFile::create(path, making).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AddressInUse, "{error}");
        };
        refused(&file, Making::default());
        for path in [&link, &pipe, &folder.path().to_owned()] {
            refused(path, Making::default());
            refused(path, REPLACES);
        }
        let new = NewFile::create(&file, REPLACES).unwrap();
        new.file().write_all(b"new").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"old", "until the new one is whole");
        new.finish().unwrap();
        assert_eq!(
            (fs::read(&file).unwrap(), fs::read(&other).unwrap()),
            (b"new".to_vec(), b"other".to_vec())
        );
        assert_eq!(names(folder.path()).len(), 4);
        // A file that appears during the writing is protected as an earlier one.
        for making in [Making::default(), REPLACES] {
            let late = folder.path().join("late");
            let new = NewFile::create(&late, making).unwrap();
            symlink(&other, &late).unwrap();
            assert_eq!(new.finish().unwrap_err().kind(), ErrorKind::AddressInUse);
            fs::remove_file(&late).unwrap();
        }
        assert_eq!((fs::read(&other).unwrap(), names(folder.path()).len()), (b"other".to_vec(), 4));
    }

    #[test]
    fn files_and_folders_are_their_owner_s_or_of_the_group_that_shares_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
        let make = |name: &str, making| {
            let path = folder.path().join(name);
            NewFile::create(&path, making).unwrap().finish().unwrap();
            mode(&path)
        };
        assert_eq!(make("a", Making::default()), 0o600);
        assert_eq!(make("b", Making { mode: Some(0o644), replaces: false }), 0o644);
        make_folder(&folder.path().join("c/d")).unwrap();
        assert_eq!(mode(&folder.path().join("c/d")), 0o700);
        fs::set_permissions(folder.path(), Permissions::from_mode(0o2770)).unwrap();
        assert_eq!(make("e", Making::default()), 0o660);
        make_folder(&folder.path().join("f/g")).unwrap();
        assert_eq!(mode(&folder.path().join("f/g")), 0o2770);
        make_folder(&folder.path().join("f/g")).unwrap();
        assert_eq!(make("f/g/h", Making::default()), 0o660);
    }

    #[test]
    fn two_topics_never_have_one_file() {
        assert_eq!(name_of("lab/camera"), "lab-camera");
        assert_eq!(name_of("lab-1/x_2.raw"), "lab--1-x_2.raw");
        for odd in ["..", ".", "../x", "/etc/passwd", "a\0b", "a\nb", "", "ä", "a%2Fb", ".hidden"] {
            let name = name_of(odd);
            assert!(
                !name.is_empty()
                    && !name.starts_with('.')
                    && !name.contains(['/', '\0', '\n'])
                    && name.is_ascii(),
                "{odd:?}: {name}"
            );
        }
        let parts = ["/", "-", "--", "//", "a", "A", ".", "%2D", "%", "_", "-/", "ä"];
        let mut topics = BTreeSet::from([String::new()]);
        for _ in 0..4 {
            let longer: Vec<_> = topics
                .iter()
                .flat_map(|topic| parts.iter().map(move |part| format!("{topic}{part}")))
                .collect();
            topics.extend(longer);
        }
        let names: BTreeSet<_> = topics.iter().map(|topic| name_of(topic)).collect();
        assert_eq!(names.len(), topics.len());
    }
}

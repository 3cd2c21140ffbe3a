//! What lies in a directory that others can write to: opened, read, made, replaced and removed relative to the directory's
//! descriptor, never through a link, and only where kind, owner and number of links are right.
//!
//! | to do | use |
//! |---|---|
//! | open a file, a directory | [`Beneath::file`], [`Beneath::directory`] |
//! | read a small file, with a bound | [`Beneath::read`] |
//! | make a file that is not there | [`Beneath::create`] |
//! | put a small file in the place of one of ours | [`Beneath::replace`] |
//! | remove a file, a socket, a pipe; a directory with all that is in it | [`Beneath::remove`], [`Beneath::remove_tree`] |
//! | give what was made its name | [`Beneath::rename`] |
//! | make a socket or a pipe, whose mode cannot be set at once | [`Staging`](super::staging::Staging) |
//!
//! Names are single components: a `/` in one is refused. What is refused is an error that names the path, its owner and
//! what to do; nothing that belongs to another user is removed, replaced or followed, whoever asks: root's programs own
//! what is root's, and no more.

use std::fmt;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, RenameFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use super::{group, headroom, user};
use crate::error::{Doing, Error, ErrorKind, Result};

/// Whose a thing has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The user of this process. To root, what is another user's is not its own.
    Ours,
    /// The user of this process, root, or the owner of the directory, who can replace everything in it anyway.
    Trusted,
    /// Anybody: a member of the group that shares the directory, too. What it says is a stranger's word.
    Anybody,
}

/// A directory's descriptor, and its path for texts.
#[derive(Clone, Copy, Debug)]
pub struct Beneath<'a> {
    fd: BorrowedFd<'a>,
    path: &'a Path,
}

/// What was opened, and what the kernel says of it.
#[derive(Debug)]
pub struct Opened {
    /// Its descriptor, not blocking.
    pub fd: OwnedFd,
    /// What `fstat` says of the descriptor.
    pub facts: Stat,
}

impl AsFd for Beneath<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd
    }
}

impl<'a> Beneath<'a> {
    /// Names in the directory that this descriptor is of; `path` is what errors call it, and is never opened.
    pub fn new(fd: BorrowedFd<'a>, path: &'a Path) -> Beneath<'a> {
        Beneath { fd, path }
    }

    /// The path of a name in it, for texts.
    pub fn shown(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// What the kernel knows of a name, not following a link; none where there is nothing.
    pub fn facts(&self, name: &str) -> Result<Option<Stat>> {
        check_name(name)?;
        match rustix::fs::statat(self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(facts) => Ok(Some(facts)),
            Err(Errno::NOENT) => Ok(None),
            Err(e) => Err(e).doing(format_args!("looking at {}", self.shown(name).display())),
        }
    }

    /// Opens a regular file with a single link, with this access (`RDONLY`, `WRONLY`, `RDWR`); none where there is nothing.
    ///
    /// `PermissionDenied` for a link, a file of several names, or one of an owner who is not trusted for it; `Corrupt` for
    /// anything but a file; `Stalled` where another program's lease keeps it from being opened now. Never waits.
    pub fn file(&self, name: &str, access: OFlags, owner: Owner) -> Result<Option<Opened>> {
        let Some(opened) = self.open(name, access)? else { return Ok(None) };
        self.check(name, &opened.facts, FileType::RegularFile, owner)?;
        Ok(Some(opened))
    }

    /// Opens a directory; none where there is nothing. Errors as for [`Beneath::file`].
    pub fn directory(&self, name: &str, owner: Owner) -> Result<Option<Opened>> {
        let Some(opened) = self.open(name, OFlags::RDONLY | OFlags::DIRECTORY)? else { return Ok(None) };
        self.check(name, &opened.facts, FileType::Directory, owner)?;
        Ok(Some(opened))
    }

    /// A handle for whatever has this name, a link included, which neither reads nor writes: to look at it, and to change
    /// its mode or group. None where there is nothing.
    pub fn handle(&self, name: &str) -> Result<Option<Opened>> {
        self.open(name, OFlags::PATH)
    }

    /// A handle for the socket of this name, to connect to by its [`kernel_path`]; none where there is nothing. Errors as for
    /// [`Beneath::file`]: a link would lead to another program's socket.
    pub fn socket(&self, name: &str) -> Result<Option<OwnedFd>> {
        let Some(opened) = self.handle(name)? else { return Ok(None) };
        self.check(name, &opened.facts, FileType::Socket, Owner::Anybody)?;
        Ok(Some(opened.fd))
    }

    fn open(&self, name: &str, flags: OFlags) -> Result<Option<Opened>> {
        check_name(name)?;
        let fd = match open_at(self.fd, name, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(None),
            Err(e) => return Err(self.not_opened(name, flags, e)),
        };
        let facts =
            rustix::fs::fstat(&fd).doing(format_args!("looking at {}", self.shown(name).display()))?;
        Ok(Some(Opened { fd, facts }))
    }

    /// Says why a name could not be opened.
    fn not_opened(&self, name: &str, flags: OFlags, errno: Errno) -> Error {
        let path = self.shown(name);
        let wanted =
            if flags.contains(OFlags::DIRECTORY) { FileType::Directory } else { FileType::RegularFile };
        match (errno, self.facts(name)) {
            (Errno::AGAIN, _) => {
                let text = format!(
                    "{} cannot be opened now: another program holds a lease on it (F_SETLEASE); end that program, or try again",
                    path.display()
                );
                Error::new(ErrorKind::Stalled, text)
            }
            (Errno::LOOP | Errno::NXIO | Errno::NOTDIR | Errno::ISDIR | Errno::NODEV, Ok(Some(facts)))
                if kind_of(&facts) != wanted =>
            {
                self.wrong_kind(name, &facts, wanted)
            }
            _ => Error::os(format_args!("opening {}", path.display()), errno.raw_os_error()),
        }
    }

    /// Refuses what is of another kind, of several names, or of an owner who is not trusted for it.
    pub fn check(&self, name: &str, facts: &Stat, kind: FileType, owner: Owner) -> Result<()> {
        if kind_of(facts) != kind {
            return Err(self.wrong_kind(name, facts, kind));
        }
        if !self.is_of(facts, owner)? {
            return Err(self.refuse(name, facts, "which this program does not trust for it"));
        }
        if kind == FileType::RegularFile && facts.st_nlink > 1 && self.others_may_write()? {
            let what = format!(
                "{} has {} names (hard links), and another of them may be in a place that this program must not touch",
                self.shown(name).display(),
                facts.st_nlink
            );
            let text = format!("{what}; it is left as it is: remove it, or choose another name");
            return Err(Error::new(ErrorKind::PermissionDenied, text));
        }
        Ok(())
    }

    /// Whether anybody but us and root can have given a file a name here. Where nobody can, a second name is a backup's, or
    /// what a power cut has left of a renaming.
    fn others_may_write(&self) -> Result<bool> {
        let around = rustix::fs::fstat(self.fd).doing(format_args!("looking at {}", self.path.display()))?;
        Ok(around.st_mode & 0o022 != 0 || !(is_ours(&around) || around.st_uid == 0))
    }

    fn is_of(&self, facts: &Stat, owner: Owner) -> Result<bool> {
        Ok(match owner {
            Owner::Anybody => true,
            Owner::Ours => is_ours(facts),
            Owner::Trusted => {
                is_ours(facts) || facts.st_uid == 0 || {
                    let around = rustix::fs::fstat(self.fd)
                        .doing(format_args!("looking at {}", self.path.display()))?;
                    facts.st_uid == around.st_uid
                }
            }
        })
    }

    fn wrong_kind(&self, name: &str, facts: &Stat, wanted: FileType) -> Error {
        let kind = kind_of(facts);
        // A link is never an accident of ours.
        let error = if kind == FileType::Symlink { ErrorKind::PermissionDenied } else { ErrorKind::Corrupt };
        let follow = if kind == FileType::Symlink { ", which is not followed" } else { "" };
        let text = format!(
            "{} is {} of {}{follow}, and not {}; it is left as it is: remove it, or choose another name",
            self.shown(name).display(),
            name_of(kind),
            Whose(facts.st_uid),
            name_of(wanted),
        );
        Error::new(error, text)
    }

    /// The refusal to use, replace or remove what belongs to another user.
    pub fn refuse(&self, name: &str, facts: &Stat, why: impl fmt::Display) -> Error {
        let text = format!(
            "{} belongs to {}, {why}, and this program runs as {}; it is left as it is: let {} or root remove it, or choose another name or directory",
            self.shown(name).display(),
            Whose(facts.st_uid),
            Whose(rustix::process::geteuid().as_raw()),
            Whose(facts.st_uid),
        );
        Error::new(ErrorKind::PermissionDenied, text)
    }

    /// Reads a file of at most so many bytes; none where there is nothing. Beside the errors of [`Beneath::file`],
    /// `TooLarge`: no more than the limit is ever read, however long the file is or becomes.
    pub fn read(&self, name: &str, limit: usize, owner: Owner) -> Result<Option<(Vec<u8>, Stat)>> {
        let Some(opened) = self.file(name, OFlags::RDONLY, owner)? else { return Ok(None) };
        let too_large = || {
            let text = format!(
                "{} has more than the {limit} bytes that such a file may have; remove it",
                self.shown(name).display()
            );
            Error::new(ErrorKind::TooLarge, text)
        };
        let size = usize::try_from(opened.facts.st_size).map_err(|_| too_large())?;
        if size > limit {
            return Err(too_large());
        }
        // One more than there should be: the end is seen in the same call.
        let mut bytes = Vec::with_capacity(size + 1);
        let doing = || format!("reading {}", self.shown(name).display());
        while rustix::io::read(&opened.fd, rustix::buffer::spare_capacity(&mut bytes)).doing(doing())? > 0 {
            if bytes.len() > limit {
                return Err(too_large());
            }
            bytes.reserve(1);
        }
        Ok(Some((bytes, opened.facts)))
    }

    /// Makes a file that is not there yet (`O_EXCL`), opened for reading and writing, for this group and with this mode
    /// whatever the umask says. `AddressInUse` where there is something.
    pub fn create(&self, name: &str, mode: u32, group: Option<u32>) -> Result<OwnedFd> {
        check_name(name)?;
        let path = self.shown(name);
        let doing = || format!("making {}", path.display());
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
        let file = match open_at(self.fd, name, flags, Mode::from_raw_mode(mode & 0o600)) {
            Err(Errno::EXIST) => {
                let text = format!("{} is there already; remove it", path.display());
                return Err(Error::new(ErrorKind::AddressInUse, text));
            }
            made => made.doing(doing())?,
        };
        // Not open to the group before it is that group's; and the umask may have taken bits away.
        let given = group::give(&file, path.display(), group)
            .and_then(|()| rustix::fs::fchmod(&file, Mode::from_raw_mode(mode)).doing(doing()));
        if let Err(error) = given {
            // The first error is the one that counts; what cannot be removed now is swept.
            let _ = rustix::fs::unlinkat(self.fd, name, AtFlags::empty());
            return Err(error);
        }
        Ok(file)
    }

    /// Puts a file with these bytes in the place of one of ours, or of nothing: it appears whole or not at all. What is
    /// another user's stays, and is a `PermissionDenied`. It has a [`staged`] name until it is whole.
    pub fn replace(&self, name: &str, bytes: &[u8], mode: u32, group: Option<u32>) -> Result<()> {
        let new = staged(name)?;
        let file = self.create(&new, mode, group)?;
        let written = write_all(&file, bytes).doing(format_args!("writing {}", self.shown(name).display()));
        written.and_then(|()| self.rename(*self, &new, name)).inspect_err(|_| {
            // The first error is the one that counts; what cannot be removed now is swept.
            let _ = rustix::fs::unlinkat(self.fd, &new, AtFlags::empty());
        })
    }

    /// Gives what was made in a directory a name in this one, in the place of nothing or of what is ours. `PermissionDenied`
    /// where another user has the name.
    pub fn rename(&self, from: Beneath<'_>, new: &str, name: &str) -> Result<()> {
        check_name(new)?;
        let doing = || format!("giving {} its name", self.shown(name).display());
        let renamed = match self.facts(name)? {
            Some(there) if !is_ours(&there) => {
                return Err(self.refuse(name, &there, "and what is another user's is not replaced"));
            }
            Some(_) => rustix::fs::renameat(from.fd, new, self.fd, name),
            // Whoever comes in between has the name.
            None => match rustix::fs::renameat_with(from.fd, new, self.fd, name, RenameFlags::NOREPLACE) {
                Err(Errno::INVAL | Errno::NOSYS) => rustix::fs::renameat(from.fd, new, self.fd, name),
                renamed => renamed,
            },
        };
        match renamed {
            Err(Errno::EXIST | Errno::ISDIR | Errno::NOTDIR | Errno::NOTEMPTY) => {
                let text = format!(
                    "{} is there already, made by somebody else; remove it, or choose another name",
                    self.shown(name).display()
                );
                Err(Error::new(ErrorKind::AddressInUse, text))
            }
            renamed => renamed.doing(doing()),
        }
    }

    /// Removes what is ours and no directory; false where there is nothing. `PermissionDenied` where it is another user's:
    /// it stays, root's programs included.
    pub fn remove(&self, name: &str) -> Result<bool> {
        let Some(there) = self.facts(name)? else { return Ok(false) };
        if !is_ours(&there) {
            return Err(self.refuse(name, &there, "and what is another user's is not removed"));
        }
        if kind_of(&there) == FileType::Directory {
            return Err(self.wrong_kind(name, &there, FileType::RegularFile));
        }
        self.unlink(name, AtFlags::empty())
    }

    /// Removes a directory of ours that is empty; false where there is nothing.
    pub fn remove_empty_directory(&self, name: &str) -> Result<bool> {
        let Some(there) = self.facts(name)? else { return Ok(false) };
        if !is_ours(&there) {
            return Err(self.refuse(name, &there, "and what is another user's is not removed"));
        }
        self.unlink(name, AtFlags::REMOVEDIR)
    }

    fn unlink(&self, name: &str, how: AtFlags) -> Result<bool> {
        match rustix::fs::unlinkat(self.fd, name, how) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(e) => Err(e).doing(format_args!("removing {}", self.shown(name).display())),
        }
    }

    /// Removes a directory of ours and all that is in it, as far as that is ours, too; false where there is nothing. A link
    /// goes, and what it leads to stays. `PermissionDenied` at the first thing that is another user's.
    pub fn remove_tree(&self, name: &str) -> Result<bool> {
        self.remove_tree_at(name, 0)
    }

    fn remove_tree_at(&self, name: &str, depth: usize) -> Result<bool> {
        /// Whatever is laid out deeper was not laid out by us.
        const MAX_DEPTH: usize = 16;
        let Some(there) = self.facts(name)? else { return Ok(false) };
        if kind_of(&there) != FileType::Directory {
            return self.remove(name);
        }
        if depth == MAX_DEPTH {
            let text = format!("{} lies too deep to be removed; remove it", self.shown(name).display());
            return Err(Error::new(ErrorKind::Corrupt, text));
        }
        let Some(inner) = self.directory(name, Owner::Anybody)? else { return Ok(false) };
        if !is_ours(&inner.facts) {
            return Err(self.refuse(name, &inner.facts, "and what is another user's is not removed"));
        }
        let path = self.shown(name);
        let inner = Beneath::new(inner.fd.as_fd(), &path);
        for name in inner.names()? {
            inner.remove_tree_at(&name, depth + 1)?;
        }
        self.unlink(name, AtFlags::REMOVEDIR)
    }

    /// The names in it, hidden ones too, in no order. Those that are no UTF-8 are none of ours.
    pub fn names(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        self.each_name(|name| {
            names.push(name.to_owned());
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(names)
    }

    /// The same, and holds none of them: others may have put millions there.
    pub fn each_name(&self, mut each: impl FnMut(&str) -> Result<ControlFlow<()>>) -> Result<()> {
        let doing = || format!("reading the directory {}", self.path.display());
        for entry in Dir::read_from(self.fd).doing(doing())? {
            if let Ok(name) = entry.doing(doing())?.file_name().to_str()
                && name != "."
                && name != ".."
                && each(name)?.is_break()
            {
                break;
            }
        }
        Ok(())
    }
}

/// Whether the user of this process owns it. Root owns what is root's.
pub fn is_ours(facts: &Stat) -> bool {
    facts.st_uid == rustix::process::geteuid().as_raw()
}

/// What kind of thing it is.
pub fn kind_of(facts: &Stat) -> FileType {
    FileType::from_raw_mode(facts.st_mode)
}

/// What a person calls such a thing.
pub fn name_of(kind: FileType) -> &'static str {
    match kind {
        FileType::RegularFile => "a regular file",
        FileType::Directory => "a directory",
        FileType::Symlink => "a symbolic link",
        FileType::Socket => "a socket",
        FileType::Fifo => "a named pipe",
        _ => "a device",
    }
}

/// A user in a text: its number, and its name where it has one.
#[derive(Clone, Copy, Debug)]
pub struct Whose(pub u32);

impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match user::name_of_user(self.0) {
            Some(name) => write!(f, "uid {} ({name})", self.0),
            None => write!(f, "uid {}", self.0),
        }
    }
}

/// Opens one name of a directory, never through a link and never waiting. Where the kernel, or its sandbox, knows no
/// `openat2`, `O_NOFOLLOW` is as good: there is only one step.
fn open_at(directory: BorrowedFd<'_>, name: &str, flags: OFlags, mode: Mode) -> rustix::io::Result<OwnedFd> {
    let mut flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    if !flags.contains(OFlags::PATH) {
        flags |= OFlags::NONBLOCK | OFlags::NOCTTY;
    }
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    match rustix::fs::openat2(directory, name, flags, mode, beneath) {
        Err(Errno::NOSYS | Errno::PERM) => rustix::fs::openat(directory, name, flags, mode),
        opened => opened,
    }
}

/// The kernel's own name of an open descriptor: it leads to what was opened, whatever has the name by now.
pub fn kernel_path(fd: impl AsFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd()))
}

/// Writes all of it into an empty file, or says why not; `FBIG` for more than the process may write (`ulimit -f`), where the
/// kernel would end it with SIGXFSZ.
pub fn write_all(file: impl AsFd, mut bytes: &[u8]) -> rustix::io::Result<()> {
    if bytes.len() as u64 > headroom::file_limit() {
        return Err(Errno::FBIG);
    }
    while !bytes.is_empty() {
        match rustix::io::write(&file, bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

fn check_name(name: &str) -> Result<()> {
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
        let text = format!("{name:?} is no name of a file in a directory; give one name, without /");
        return Err(Error::new(ErrorKind::InvalidEndpoint, text));
    }
    Ok(())
}

/// What stands in front of a name until the thing is whole.
const TEMPORARY: &str = ".new.";
/// What stands between a name and the digits that make it nobody else's.
const MARK: char = '~';
/// The digits.
const DIGITS: usize = 16;

/// A name under which something is made before it gets its own, and which nobody can have taken before us:
/// `.new.NAME~0123456789abcdef`.
pub fn staged(name: &str) -> Result<String> {
    Ok(format!("{TEMPORARY}{name}{MARK}{}", digits()?))
}

/// Sixteen hexadecimal digits drawn by chance, which nobody foresees.
pub fn digits() -> Result<String> {
    let mut bytes = [0; DIGITS / 2];
    match rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()) {
        Ok(got) if got == bytes.len() => Ok(format!("{:016x}", u64::from_le_bytes(bytes))),
        _ => Err(Error::new(ErrorKind::Internal, "the kernel gave no random bytes")),
    }
}

/// The name that such a name, or a temporary one without digits, is to become, and the digits.
pub fn of_staged(file: &str) -> Option<(&str, &str)> {
    let name = file.strip_prefix(TEMPORARY)?;
    let digits = name.rsplit_once(MARK).filter(|(_, digits)| {
        digits.len() == DIGITS && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    });
    Some(digits.unwrap_or((name, "")))
}

/// The name under which something is made before it gets its own, where all who make it hold a lock and trust each other.
pub fn temporary(file: &str) -> String {
    [TEMPORARY, file].concat()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;
    use crate::sys::directory::Directory;

    const LIMIT: usize = 16;

    fn folder() -> (tempfile::TempDir, Directory) {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::existing(folder.path()).unwrap();
        (folder, directory)
    }

    #[test]
    fn reading_in_the_place_of_a_file_is_refused_without_waiting() {
        let (folder, directory) = folder();
        // Where others can make names, a second one may be theirs.
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o770)).unwrap();
        let beneath = directory.beneath();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("file"), "precious").unwrap();
        symlink("file", path("link")).unwrap();
        std::fs::hard_link(path("file"), path("twice")).unwrap();
        std::fs::create_dir(path("folder")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, path("pipe"), Mode::RWXU).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
        for (name, kind, said) in [
            ("link", ErrorKind::PermissionDenied, "a symbolic link"),
            ("twice", ErrorKind::PermissionDenied, "2 names"),
            ("folder", ErrorKind::Corrupt, "a directory"),
            ("pipe", ErrorKind::Corrupt, "a named pipe"),
            ("socket", ErrorKind::Corrupt, "a socket"),
        ] {
            let error = beneath.read(name, LIMIT, Owner::Anybody).unwrap_err();
            assert_eq!(error.kind(), kind, "{name}: {error}");
            assert!(error.text().contains(said) && error.text().contains("remove it"), "{name}: {error}");
        }
        let error = beneath.directory("link", Owner::Anybody).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        std::fs::remove_file(path("twice")).unwrap();
        let (bytes, facts) = beneath.read("file", LIMIT, Owner::Ours).unwrap().unwrap();
        assert_eq!((&bytes[..], facts.st_size), (&b"precious"[..], 8));
        assert!(beneath.read("missing", LIMIT, Owner::Ours).unwrap().is_none());
        for name in ["", ".", "..", "a/b", "../file"] {
            assert_eq!(
                beneath.read(name, LIMIT, Owner::Ours).unwrap_err().kind(),
                ErrorKind::InvalidEndpoint
            );
        }
    }

    #[test]
    fn reading_is_bounded_however_long_the_file() {
        let (folder, directory) = folder();
        let file = std::fs::File::create(folder.path().join("long")).unwrap();
        for length in [LIMIT as u64 + 1, 2 << 30] {
            file.set_len(length).unwrap();
            let error = directory.beneath().read("long", LIMIT, Owner::Ours).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
        }
        file.set_len(LIMIT as u64).unwrap();
        let (bytes, _) = directory.beneath().read("long", LIMIT, Owner::Ours).unwrap().unwrap();
        assert_eq!(bytes, [0; LIMIT]);
    }

    #[test]
    fn file_under_a_write_lease_is_stalled_and_not_waited_for() {
        let (folder, directory) = folder();
        let leased = std::fs::File::create(folder.path().join("leased")).unwrap();
        // SAFETY: the descriptor is open, and the command takes a number.
        assert_eq!(unsafe { libc::fcntl(leased.as_raw_fd(), libc::F_SETLEASE, libc::F_WRLCK) }, 0);
        // The kernel tells the holder by SIGIO that somebody opens it, which would end this program.
        // SAFETY: ignoring a signal touches no memory.
        unsafe { libc::signal(libc::SIGIO, libc::SIG_IGN) };
        let error = directory.beneath().read("leased", LIMIT, Owner::Ours).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Stalled, "{error}");
        assert!(error.text().contains("lease"), "{error}");
    }

    #[test]
    fn replace_follows_no_link_and_sets_the_mode() {
        let (folder, directory) = folder();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("precious"), "precious").unwrap();
        symlink("precious", path("file")).unwrap();
        let beneath = directory.beneath();
        beneath.replace("file", b"new", 0o664, None).unwrap();
        assert_eq!(std::fs::read_to_string(path("file")).unwrap(), "new");
        assert_eq!(path("file").symlink_metadata().unwrap().permissions().mode() & 0o777, 0o664);
        assert_eq!(std::fs::read_to_string(path("precious")).unwrap(), "precious");
        assert_eq!(beneath.create("file", 0o600, None).unwrap_err().kind(), ErrorKind::AddressInUse);
        std::fs::create_dir(path("folder")).unwrap();
        assert_eq!(beneath.replace("folder", b"", 0o600, None).unwrap_err().kind(), ErrorKind::AddressInUse);
        let mut names = beneath.names().unwrap();
        names.sort();
        assert_eq!(names, ["file", "folder", "precious"], "nothing that was begun stays");
    }

    #[test]
    fn remove_tree_takes_links_and_not_what_they_lead_to() {
        let (folder, directory) = folder();
        let other = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(other.path().join("precious"), "").unwrap();
        std::fs::create_dir_all(path("tree/a/b")).unwrap();
        std::fs::write(path("tree/a/b/c"), "").unwrap();
        symlink(other.path(), path("tree/a/link")).unwrap();
        assert!(directory.beneath().remove_tree("tree").unwrap());
        assert!(!directory.beneath().remove_tree("tree").unwrap());
        assert!(!path("tree").exists() && other.path().join("precious").exists());
    }

    #[test]
    fn what_is_another_user_s_is_neither_read_removed_nor_replaced() {
        let root = rustix::process::geteuid().is_root();
        assert!(root, "this test gives files to another user, so run it as root");
        let (folder, directory) = folder();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("file"), "theirs").unwrap();
        std::fs::create_dir(path("tree")).unwrap();
        for name in ["file", "tree"] {
            std::os::unix::fs::chown(path(name), Some(65534), None).unwrap();
        }
        let beneath = directory.beneath();
        for error in [
            beneath.read("file", LIMIT, Owner::Ours).unwrap_err(),
            beneath.read("file", LIMIT, Owner::Trusted).unwrap_err(),
            beneath.remove("file").unwrap_err(),
            beneath.replace("file", b"ours", 0o600, None).unwrap_err(),
            beneath.directory("tree", Owner::Ours).unwrap_err(),
            beneath.remove_tree("tree").unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
            assert!(error.text().contains("uid 65534"), "{error}");
        }
        assert!(beneath.read("file", LIMIT, Owner::Anybody).unwrap().is_some());
        assert_eq!(
            (std::fs::read_to_string(path("file")).unwrap(), path("file").metadata().unwrap().uid()),
            ("theirs".into(), 65534)
        );
        assert!(path("tree").exists());
        assert_eq!(beneath.names().unwrap().len(), 2);
    }

    #[test]
    fn staged_names_lead_back_to_their_name() {
        let name = staged("x.shm").unwrap();
        assert_eq!(of_staged(&name).unwrap().0, "x.shm");
        assert_eq!(of_staged(".new.x.shm"), Some(("x.shm", "")));
        assert_eq!(of_staged(".new.x~12"), Some(("x~12", "")));
        assert_eq!(of_staged("x.shm"), None);
    }
}

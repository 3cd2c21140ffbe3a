//! A journal's directory: its segments and consumers, and the creation of its files.
//!
//! Every file appears under its name with its contents on the disk, or not at all: it is written
//! under a name that cannot be guessed, synced and renamed, and then the directory is synced. All
//! access goes through the open directory and follows no link, so another user with write access to
//! the directories around cannot redirect this process (`sys::beneath`). Files of other users are
//! never removed or adopted.

use std::fs::File;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::block::{self, Block, Flaw, JournalId, LARGEST};
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::place::{Access, Place};
use crate::sys::beneath::{self, Beneath, RequiredOwner, is_ours, of_staged, staged};
use crate::sys::{headroom, user};

/// Bytes before a segment's first record.
pub const PAGE: u64 = 4096;

/// The ending of a segment's file.
const SEGMENT: &str = ".segment";
/// The ending of a consumer's file.
const CONSUMER: &str = ".consumer";
/// The magic of a segment's page.
pub(super) const MAGIC: [u8; 8] = *b"LKSPJRNL";

/// The version of a segment's layout. In segments of version 1 a body may contain bytes that look
/// like a record; from version 2 on none does, see [`super::mask`].
pub const VERSION: u32 = 2;

/// The content of the page at the beginning of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentInfo {
    /// The version of the segment's layout.
    pub version: u32,
    /// The journal's identity.
    pub id: JournalId,
    /// The number of its first record, which is also its name.
    pub first: u64,
    /// When it was begun, in ns since 1970.
    pub created: i64,
    /// The latest time at which any record before it was sent, ns since 1970; it never falls from
    /// one segment to the next.
    pub high: i64,
}

/// A journal's open directory.
#[derive(Debug)]
pub struct JournalFolder {
    /// Its name, and the directory that contains it.
    pub place: Place,
    /// Its path, for error texts.
    path: PathBuf,
    /// The open directory, through which everything in it is reached.
    handle: OwnedFd,
    /// The mode of new files.
    mode: u32,
    /// The group of new files, where the options name one.
    group: Option<u32>,
}

impl JournalFolder {
    /// Opens the directory; `None` where there is none. Another user's directory may be read.
    pub fn open(place: &Place, access: Access) -> Result<Option<JournalFolder>> {
        let path = place.path();
        let Some(opened) = place.directory.beneath().directory(&place.file, RequiredOwner::AnyUser)? else {
            return Ok(None);
        };
        let handle = opened.fd;
        let mode = access.mode.unwrap_or(place.directory.file_mode());
        Ok(Some(JournalFolder { place: place.clone(), path, handle, mode, group: access.group }))
    }

    /// Opens the directory to write to it; creates it if needed.
    ///
    /// # Errors
    /// `PermissionDenied` where it belongs to another user and this process is root's: the owner
    /// could redirect what root writes there.
    pub fn create(place: &Place, access: Access) -> Result<JournalFolder> {
        let doing = || format!("making the journal {}", place.path().display());
        let opened = match JournalFolder::open(place, access)? {
            Some(folder) => Some(folder),
            None => {
                match rustix::fs::mkdirat(&*place.directory, &place.file, Mode::from_raw_mode(0o700)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(e) => return Err(e).doing(doing()),
                }
                JournalFolder::open(place, access)?
            }
        };
        let Some(folder) = opened else { return Err(Error::new(ErrorKind::NotFound, doing())) };
        let facts = rustix::fs::fstat(&folder.handle).doing(doing())?;
        if !is_ours(&facts) && rustix::process::geteuid().is_root() {
            return Err(place.directory.beneath().refuse(&place.file, &facts, "whose journal it is"));
        }
        // A user with write access to the directory around could have given this name to any
        // directory of this user, so only an empty one is opened to others.
        if is_ours(&facts) && folder.is_empty()? {
            folder.set_access()?;
        }
        Ok(folder)
    }

    /// Sets the directory's group and mode.
    fn set_access(&self) -> Result<()> {
        user::give_to_group(&self.handle, self.path.display(), self.group)?;
        // Users who may read its files may enter it, too; files in a shared directory keep its
        // group (set-group-ID).
        let enter = self.mode | (self.mode & 0o444) >> 2;
        let shared = if self.mode & 0o060 == 0 { 0 } else { 0o2000 };
        rustix::fs::fchmod(&self.handle, Mode::from_raw_mode(enter | shared))
            .doing(format_args!("setting the mode of {}", self.path.display()))
    }

    /// Returns whether it contains nothing but unfinished files of killed processes.
    fn is_empty(&self) -> Result<bool> {
        let mut is_empty = true;
        self.beneath().each_name(|name| {
            is_empty = of_staged(name).is_some();
            Ok(if is_empty { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok(is_empty)
    }

    /// Syncs the names in it.
    pub fn sync(&self) -> Result<()> {
        rustix::fs::fsync(&self.handle).doing(format_args!("bringing {} to the disk", self.path.display()))
    }

    /// Syncs the names in it, and its own. A writer that was killed may have made both without
    /// syncing them.
    pub fn sync_names(&self) -> Result<()> {
        self.sync()?;
        self.place.directory.sync_names()
    }

    /// Sets the directory's time, which wakes programs that watch for the journal to be complete.
    pub fn announce(&self) -> Result<()> {
        beneath::set_times(&self.handle).doing(format_args!("setting the time of {}", self.path.display()))
    }

    /// Returns the path of a file in it, for error texts.
    pub fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Access to names in it that follows no link.
    fn beneath(&self) -> Beneath<'_> {
        Beneath::new(self.handle.as_fd(), &self.path)
    }

    /// Returns the first numbers of its segments, ascending.
    ///
    /// # Errors
    /// `Corrupt` for a file that has the name of a segment with an impossible number.
    pub fn segments(&self) -> Result<Vec<u64>> {
        let mut all = Vec::new();
        self.beneath().each_name(|name| {
            let number = name.strip_suffix(SEGMENT).filter(|n| n.len() == 20).and_then(|n| n.parse().ok());
            match number {
                Some(first @ 1..=LARGEST) => all.push(first),
                Some(first) => {
                    let text = format!(
                        "{} is not a segment of a journal: records are numbered from 1 to {LARGEST}, not {first}; move it away",
                        self.path(name).display()
                    );
                    return Err(Error::new(ErrorKind::Corrupt, text));
                }
                None => {}
            }
            Ok(ControlFlow::Continue(()))
        })?;
        all.sort_unstable();
        Ok(all)
    }

    /// Returns the names of its consumers, in alphabetic order.
    pub fn consumers(&self) -> Result<Vec<String>> {
        let mut all = Vec::new();
        self.beneath().each_name(|name| {
            if let Some(consumer) = name.strip_suffix(CONSUMER).filter(|name| of_staged(name).is_none()) {
                all.push(consumer.to_owned());
            }
            Ok(ControlFlow::Continue(()))
        })?;
        all.sort_unstable();
        Ok(all)
    }

    /// Opens a file in it; `None` where there is none.
    pub fn file(&self, name: &str, writes: bool) -> Result<Option<File>> {
        let access = if writes { OFlags::RDWR } else { OFlags::RDONLY };
        Ok(self.beneath().file(name, access, RequiredOwner::AnyUser)?.map(|opened| opened.fd.into()))
    }

    /// Refuses a file of another user with `PermissionDenied`; `why` completes the text.
    pub fn check_ours(&self, name: &str, why: &str) -> Result<()> {
        match self.beneath().facts(name)? {
            Some(facts) if !is_ours(&facts) => Err(self.beneath().refuse(name, &facts, why)),
            _ => Ok(()),
        }
    }

    /// Makes a file that appears with these bytes in it, on the disk with its name, or not at all.
    pub fn make(&self, name: &str, bytes: &[u8]) -> Result<File> {
        headroom::check_file(PAGE.max(bytes.len() as u64))?;
        // A name that no other user can take first.
        let new = staged(name)?;
        let doing = || format!("making {}", self.path(name).display());
        let made = self.write_new(&new, bytes).and_then(|file| {
            self.beneath().rename(self.beneath(), &new, name)?;
            Ok(file)
        });
        match made {
            Ok(file) => {
                rustix::fs::fsync(&self.handle).doing(doing())?;
                Ok(file)
            }
            Err(e) => {
                self.remove(&new)?;
                Err(e)
            }
        }
    }

    /// Writes and syncs a new file under a temporary name.
    fn write_new(&self, name: &str, bytes: &[u8]) -> Result<File> {
        let file = File::from(self.beneath().create(name, self.mode, self.group)?);
        let written = file.write_all_at(bytes, 0).and_then(|()| file.sync_data());
        written.doing(format_args!("making {}", self.path(name).display()))?;
        Ok(file)
    }

    /// Removes a file; one that does not exist is no error.
    pub fn remove(&self, name: &str) -> Result<()> {
        match rustix::fs::unlinkat(&self.handle, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(e) => Err(e).doing(format_args!("removing {}", self.path(name).display())),
        }
    }

    /// Removes unfinished segments of a killed writer. Only under the journal's lock; an unfinished
    /// consumer's file belongs to its maker.
    pub fn sweep(&self) -> Result<()> {
        self.beneath().each_name(|name| {
            let is_segment = of_staged(name).is_some_and(|(name, _)| name.ends_with(SEGMENT));
            // Unfinished files of another user are left to that user.
            if is_segment && self.beneath().facts(name)?.is_some_and(|facts| is_ours(&facts)) {
                self.remove(name)?;
            }
            Ok(ControlFlow::Continue(()))
        })
    }

    /// Makes a segment's file with its page.
    pub fn make_segment(&self, segment: SegmentInfo) -> Result<File> {
        let numbers = [segment.first, segment.created.cast_unsigned(), segment.high.cast_unsigned()];
        let block = Block { version: segment.version, id: segment.id, numbers };
        self.make(&segment_name(segment.first), &block::write(MAGIC, &block, PAGE as usize))
    }

    /// Opens a segment and reads its page; `None` where there is none.
    ///
    /// # Errors
    /// `Corrupt` where the page is damaged, `VersionMismatch` for a newer layout.
    pub fn segment(&self, first: u64, writes: bool) -> Result<Option<(File, SegmentInfo)>> {
        let name = segment_name(first);
        let Some(file) = self.file(&name, writes)? else { return Ok(None) };
        let mut page = vec![0; PAGE as usize];
        let corrupt = |what: &str| {
            let text = format!(
                "the page in front of {} {what}; put the file back from a copy",
                self.path(&name).display()
            );
            Error::new(ErrorKind::Corrupt, text).at(0)
        };
        match file.read_exact_at(&mut page, 0) {
            Ok(()) => {}
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => return Err(corrupt("is cut off")),
            Err(e) => return Err(e).doing(format_args!("reading {}", self.path(&name).display())),
        }
        match block::read::<3>(MAGIC, VERSION, &page) {
            Ok(Block { version, id, numbers: [number, created, high] }) if number == first => {
                let (created, high) = (created.cast_signed(), high.cast_signed());
                Ok(Some((file, SegmentInfo { version, id, first, created, high })))
            }
            Ok(Block { numbers: [number, ..], .. }) => {
                Err(corrupt(&format!("gives the first number {number}")))
            }
            Err(Flaw::Damaged) => Err(corrupt("fails its check sum")),
            Err(Flaw::Version(version)) => {
                let path = self.path(&name);
                let text = format!(
                    "{} has version {version} of a journal's layout, this library reads 1 to {VERSION}; read it with the release that wrote it",
                    path.display()
                );
                Err(Error::new(ErrorKind::VersionMismatch, text))
            }
        }
    }
}

/// Returns the name of the segment that begins with this number.
pub fn segment_name(first: u64) -> String {
    format!("{first:020}{SEGMENT}")
}

/// Returns the name of the file in which a consumer's place is stored.
pub fn consumer_name(consumer: &str) -> String {
    [consumer, CONSUMER].concat()
}

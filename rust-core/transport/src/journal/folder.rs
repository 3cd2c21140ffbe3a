//! A journal's directory: its segments and consumers, and the creation of its files.
//!
//! Every file appears under its name with its contents on the disk, or not at all. All access goes through
//! the open directory and follows no link, so another user with write access to a parent directory cannot
//! redirect this process (`sys::beneath`). Files of other users are never removed or adopted.

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

pub const PAGE: u64 = 4096;

const SEGMENT: &str = ".segment";
const CONSUMER: &str = ".consumer";
pub(super) const MAGIC: [u8; 8] = *b"LKSPJRNL";

/// The version of a segment's layout.
///
/// From version 2 on, the bytes of a body never look like a record, see [`super::mask`].
pub const VERSION: u32 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentInfo {
    pub version: u32,
    pub id: JournalId,
    pub first: u64,
    pub created: i64,
    /// The latest time of sending of all earlier records, ns since 1970. It never falls between segments.
    pub high: i64,
}

#[derive(Debug)]
pub struct JournalFolder {
    pub place: Place,
    path: PathBuf,
    /// The open directory. All access to its files goes through it.
    handle: OwnedFd,
    mode: u32,
    group: Option<u32>,
}

impl JournalFolder {
    /// Opens the directory if it exists. Another user's directory may be read.
    pub fn open(place: &Place, access: Access) -> Result<Option<JournalFolder>> {
        let path = place.path();
        let Some(opened) = place.directory.beneath().directory(&place.file, RequiredOwner::AnyUser)? else {
            return Ok(None);
        };
        let handle = opened.fd;
        let mode = access.mode.unwrap_or(place.directory.file_mode());
        Ok(Some(JournalFolder { place: place.clone(), path, handle, mode, group: access.group }))
    }

    /// Opens the directory for writing; creates it if needed.
    ///
    /// # Errors
    /// `PermissionDenied` if it belongs to another user and this process is root's: the owner could redirect
    /// root's writes.
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
        // Another user with write access to the parent directory could have renamed any directory to this
        // name. So only an empty directory is opened to others.
        if is_ours(&facts) && folder.is_empty()? {
            folder.set_access()?;
        }
        Ok(folder)
    }

    fn set_access(&self) -> Result<()> {
        user::give_to_group(&self.handle, self.path.display(), self.group)?;
        // Users with read access may enter. Files in a shared directory keep its group (set-group-ID).
        let enter = self.mode | (self.mode & 0o444) >> 2;
        let shared = if self.mode & 0o060 == 0 { 0 } else { 0o2000 };
        rustix::fs::fchmod(&self.handle, Mode::from_raw_mode(enter | shared))
            .doing(format_args!("setting the mode of {}", self.path.display()))
    }

    fn is_empty(&self) -> Result<bool> {
        let mut is_empty = true;
        self.beneath().each_name(|name| {
            is_empty = of_staged(name).is_some();
            Ok(if is_empty { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok(is_empty)
    }

    pub fn sync(&self) -> Result<()> {
        rustix::fs::fsync(&self.handle).doing(format_args!("bringing {} to the disk", self.path.display()))
    }

    /// Syncs the names in it, and its own: a killed writer may have left both unsynced.
    pub fn sync_names(&self) -> Result<()> {
        self.sync()?;
        self.place.directory.sync_names()
    }

    /// Sets the directory's time, which wakes programs that wait for a complete journal.
    pub fn announce(&self) -> Result<()> {
        beneath::set_times(&self.handle).doing(format_args!("setting the time of {}", self.path.display()))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn beneath(&self) -> Beneath<'_> {
        Beneath::new(self.handle.as_fd(), &self.path)
    }

    /// Returns the first numbers of its segments, ascending.
    ///
    /// # Errors
    /// `Corrupt` for a segment's file name with an impossible number.
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

    pub fn file(&self, name: &str, writes: bool) -> Result<Option<File>> {
        let access = if writes { OFlags::RDWR } else { OFlags::RDONLY };
        Ok(self.beneath().file(name, access, RequiredOwner::AnyUser)?.map(|opened| opened.fd.into()))
    }

    pub fn check_ours(&self, name: &str, why: &str) -> Result<()> {
        match self.beneath().facts(name)? {
            Some(facts) if !is_ours(&facts) => Err(self.beneath().refuse(name, &facts, why)),
            _ => Ok(()),
        }
    }

    /// Makes a file that appears complete, with its contents and name on the disk, or not at all.
    pub fn make(&self, name: &str, bytes: &[u8]) -> Result<File> {
        headroom::check_file(PAGE.max(bytes.len() as u64))?;
        // No other user can guess this name and take it first.
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

    fn write_new(&self, name: &str, bytes: &[u8]) -> Result<File> {
        let file = File::from(self.beneath().create(name, self.mode, self.group)?);
        let written = file.write_all_at(bytes, 0).and_then(|()| file.sync_data());
        written.doing(format_args!("making {}", self.path(name).display()))?;
        Ok(file)
    }

    pub fn remove(&self, name: &str) -> Result<()> {
        match rustix::fs::unlinkat(&self.handle, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(e) => Err(e).doing(format_args!("removing {}", self.path(name).display())),
        }
    }

    /// Removes unfinished segments of a killed writer. The caller holds the journal's lock.
    ///
    /// Unfinished files of consumers belong to their makers.
    pub fn sweep(&self) -> Result<()> {
        self.beneath().each_name(|name| {
            let is_segment = of_staged(name).is_some_and(|(name, _)| name.ends_with(SEGMENT));
            // Another user's unfinished files stay.
            if is_segment && self.beneath().facts(name)?.is_some_and(|facts| is_ours(&facts)) {
                self.remove(name)?;
            }
            Ok(ControlFlow::Continue(()))
        })
    }

    pub fn make_segment(&self, segment: SegmentInfo) -> Result<File> {
        let numbers = [segment.first, segment.created.cast_unsigned(), segment.high.cast_unsigned()];
        let block = Block { version: segment.version, id: segment.id, numbers };
        self.make(&segment_name(segment.first), &block::write(MAGIC, &block, PAGE as usize))
    }

    /// Opens a segment, if it exists, and reads its page.
    ///
    /// # Errors
    /// `Corrupt` if the page is damaged; `VersionMismatch` for a newer layout.
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

pub fn segment_name(first: u64) -> String {
    format!("{first:020}{SEGMENT}")
}

pub fn consumer_name(consumer: &str) -> String {
    [consumer, CONSUMER].concat()
}

//! Writes the newest value: a temporary file and a rename, or in place under the file's own lock.
//!
//! With a rename, a failed write leaves the old value. In place, the writer reserves room before it
//! overwrites the first byte, and every intermediate state is recognisably incomplete (see `overwrite`).

use std::io::IoSlice;
use std::os::fd::AsFd;

use rustix::fs::{FallocateFlags, FileType, OFlags, Stat};
use rustix::io::Errno;

use super::Settings;
use super::open::{self, OpenFile};
use crate::deadline::Waiting;
use crate::endpoint::Endpoint;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::frame::{HEADER, Outgoing};
use crate::place::Place;
use crate::store::StoreForm;
use crate::sys::beneath::{self, RequiredOwner, is_ours, kind_of};
use crate::sys::fork::Guarded;
use crate::sys::lock::KeptFile;
use crate::sys::record_lock::{self, Span};

pub struct FileWriter {
    endpoint: Endpoint,
    place: Place,
    settings: Settings,
    /// The number of this process's last write, for a file that has lost its number.
    last: u64,
    /// Device and inode of the file that is written in place, after its name is on the disk.
    named: Option<(u64, u64)>,
    /// The file of this process's last value; open, so its inode is not reused.
    written: Option<WrittenFile>,
    locks: KeptFile,
}

struct WrittenFile {
    file: Guarded,
    node: (u64, u64),
}

type Pieces<'a> = [&'a [u8]; 3];

impl FileWriter {
    pub fn new(endpoint: &Endpoint, settings: Settings) -> Result<FileWriter> {
        Ok(FileWriter {
            endpoint: endpoint.clone(),
            place: Place::of(endpoint)?,
            settings,
            last: 0,
            named: None,
            written: None,
            locks: KeptFile::default(),
        })
    }

    /// Writes one value; returns its number, one above the previous value's.
    ///
    /// After an error the previous value remains. With `locked` it may be lost, and then the text says so.
    ///
    /// # Errors
    /// `Stalled` if another program held the lock until the deadline; `NoSpace`; `TooLarge` above the
    /// process's limit on files; `PermissionDenied`.
    pub fn write(&mut self, frame: &Outgoing<'_>, waiting: &mut Waiting<'_>) -> Result<u64> {
        if open::is_deleted(&self.place) {
            self.place = Place::of(&self.endpoint)?;
        }
        check_size(frame)?;
        let written = if self.settings.locked {
            self.in_place(frame, waiting)
        } else {
            self.by_renaming(frame, waiting)
        };
        let number = written.map_err(|e| self.place.denied("write", e))?;
        self.last = number;
        Ok(number)
    }

    /// Returns the number of the next write: all writers together count in the file.
    fn next(&self, old: Option<&Guarded>) -> u64 {
        let mut beginning = [0; HEADER];
        let stored = old.and_then(|old| {
            let n = open::read_at(old, &mut beginning, 0).ok()?;
            self.settings.form.sequence(&beginning[..n])
        });
        stored.unwrap_or(self.last).saturating_add(1)
    }

    fn by_renaming(&mut self, frame: &Outgoing<'_>, waiting: &mut Waiting<'_>) -> Result<u64> {
        let (directory, file) = (&self.place.directory, &self.place.file);
        let _lock = self.locks.take(directory, file, waiting)?;
        let (old, number) = self.replaceable()?;
        let (head, body, end) = self.settings.form.write(frame, number)?;
        // Keeps the mode and group of this user's file, but not of another user's.
        let kept = old.filter(is_ours);
        let mode = self.settings.mode.or(kept.map(|facts| facts.st_mode & 0o777));
        let mode = mode.unwrap_or(directory.file_mode());
        let own = rustix::process::getegid().as_raw();
        let group = self.settings.group.or(kept.map(|facts| facts.st_gid).filter(|group| *group != own));
        let mut temporary = beneath::temporary(file);
        let pieces = [&*head, body, end];
        let mut new = self.write_new(&temporary, mode, group, pieces);
        if new.as_ref().is_err_and(|e| e.kind() == ErrorKind::AddressInUse) {
            // A temporary file of this user is stale, because the lock is held. If another user has that
            // name, this file gets an unguessable one.
            if self.remove(&temporary).is_err() {
                temporary = beneath::staged(file)?;
            }
            new = self.write_new(&temporary, mode, group, pieces);
        }
        let written = new.and_then(|new| self.give_name(&temporary).map(|()| new));
        if written.is_err() {
            // The next writer removes the temporary file.
            let _ = self.remove(&temporary);
        }
        self.written = Some(written?);
        Ok(number)
    }

    /// Returns the existing file, if it may be replaced, and the number of the next value.
    ///
    /// Another user's regular file may be replaced with write permission for this user. Root replaces only
    /// root's files.
    ///
    /// # Errors
    /// `PermissionDenied` for any other file, `InvalidEndpoint` for a directory.
    fn replaceable(&self) -> Result<(Option<Stat>, u64)> {
        let (around, file) = (self.place.directory.beneath(), &self.place.file);
        let Some(facts) = around.facts(file)? else { return Ok((None, self.next(None))) };
        let node = (facts.st_dev, facts.st_ino);
        if let Some(own) = self.written.as_ref().filter(|own| own.node == node && is_ours(&facts)) {
            // Other programs may have written to it since.
            return Ok((Some(facts), self.next(Some(&own.file))));
        }
        let opened = |opened: Option<OpenFile>| {
            let number = self.next(opened.as_ref().map(|opened| &*opened.file));
            (opened.map(|opened| opened.facts), number)
        };
        if kind_of(&facts) == FileType::Directory {
            let text = format!(
                "{} is a directory, and a file: is one file; name one in it, such as {0}/value",
                self.place.path().display()
            );
            return Err(Error::new(ErrorKind::InvalidEndpoint, text));
        }
        if is_ours(&facts) {
            // An unreadable file is also replaced: a rename follows no link.
            return Ok(opened(open::open(&self.place, OFlags::RDONLY, RequiredOwner::Ours).ok().flatten()));
        }
        if !rustix::process::geteuid().is_root()
            && kind_of(&facts) == FileType::RegularFile
            && let Ok(Some(other)) = open::open(&self.place, OFlags::RDWR, RequiredOwner::AnyUser)
        {
            return Ok(opened(Some(other)));
        }
        Err(around.refuse(
            file,
            &facts,
            "and what is another user's, and not open to this one, is not replaced",
        ))
    }

    /// Writes a temporary file, and syncs it with `durable`.
    ///
    /// # Errors
    /// `AddressInUse` if the name is taken.
    fn write_new(
        &self,
        name: &str,
        mode: u32,
        group: Option<u32>,
        pieces: Pieces<'_>,
    ) -> Result<WrittenFile> {
        let doing = || format!("writing {}", self.place.directory.path().join(name).display());
        // If this user may not give the file to the old group, this user's own group gets no group access
        // instead.
        let own_group = self.settings.group;
        let beneath = self.place.directory.beneath();
        let file = match beneath.create(name, mode, group) {
            Err(e) if e.kind() == ErrorKind::PermissionDenied && group != own_group => {
                beneath.create(name, mode & !0o070, own_group)?
            }
            made => made?,
        };
        write_all(&file, pieces, 0).doing(doing())?;
        if self.settings.durable {
            rustix::fs::fdatasync(&file).doing(doing())?;
        }
        let facts = rustix::fs::fstat(&file).doing(doing())?;
        Ok(WrittenFile { file: Guarded::new(file), node: (facts.st_dev, facts.st_ino) })
    }

    fn give_name(&self, temporary: &str) -> Result<()> {
        let (directory, file) = (&self.place.directory, &self.place.file);
        rustix::fs::renameat(directory, temporary, directory, file)
            .doing(format_args!("giving a value its name {}", self.place.path().display()))?;
        if self.settings.durable {
            rustix::fs::fsync(directory)
                .doing(format_args!("bringing {} to the disk", directory.path().display()))?;
        }
        Ok(())
    }

    /// Removes a file of this user.
    ///
    /// # Errors
    /// `PermissionDenied` for another user's.
    fn remove(&self, file: &str) -> Result<bool> {
        self.place.directory.beneath().remove(file)
    }

    fn in_place(&mut self, frame: &Outgoing<'_>, waiting: &mut Waiting<'_>) -> Result<u64> {
        let (opened, _held) = loop {
            let mut opened = self.open_in_place()?;
            // Readers and writers without Linkspan take this lock.
            let held = record_lock::take(opened.file, Span::WRITE, waiting)?;
            opened.file = held.file().clone();
            // Another file may have got the name while this call waited for the lock.
            if opened.is_at(&self.place) {
                opened.facts = rustix::fs::fstat(&opened.file)
                    .doing(format_args!("looking at {}", self.place.path().display()))?;
                break (opened, held);
            }
        };
        let number = self.next(Some(&opened.file));
        let (head, body, end) = self.settings.form.write(frame, number)?;
        self.overwrite(&opened, [&head, body, end])?;
        self.sync_name(&opened)?;
        Ok(number)
    }

    /// Syncs the directory once per file: the file's maker may have been killed before that.
    fn sync_name(&mut self, opened: &OpenFile) -> Result<()> {
        let directory = &self.place.directory;
        let file = (opened.facts.st_dev, opened.facts.st_ino);
        if self.settings.durable && self.named != Some(file) {
            rustix::fs::fsync(directory)
                .doing(format_args!("bringing {} to the disk", directory.path().display()))?;
            self.named = Some(file);
        }
        Ok(())
    }

    fn open_in_place(&self) -> Result<OpenFile> {
        let mode = self.settings.mode.unwrap_or(self.place.directory.file_mode());
        loop {
            // Root does not write to another user's file.
            let owner = if rustix::process::geteuid().is_root() {
                RequiredOwner::Ours
            } else {
                RequiredOwner::AnyUser
            };
            if let Some(opened) = open::open(&self.place, OFlags::RDWR, owner)? {
                return Ok(opened);
            }
            match self.place.directory.beneath().create(&self.place.file, mode, self.settings.group) {
                Err(e) if e.kind() == ErrorKind::AddressInUse => {}
                made => drop(made?),
            }
        }
    }

    /// Replaces the contents such that readers always recognise an incomplete value.
    ///
    /// A frame is recognised by its check sum, because the header is written first; a line by its newline.
    ///
    /// # Errors
    /// Errors of writing; the text states it if the previous value is lost.
    fn overwrite(&self, opened: &OpenFile, pieces: Pieces<'_>) -> Result<()> {
        let doing = || format!("writing {} in place", self.place.path().display());
        let file = &opened.file;
        let length: u64 = pieces.iter().map(|piece| piece.len() as u64).sum();
        // Reserve the space while the old value is still complete.
        match rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, 0, length.max(1)) {
            // If the file system cannot reserve space, a full disk may cost the old value.
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
            Err(e) => return Err(e).doing(doing()),
        }
        let [head, body, end] = pieces;
        let written = (|| -> Result<()> {
            if self.settings.form == StoreForm::Line && opened.size() > 0 {
                // JSON texts contain no NUL, so the file is not a value until the newline is written.
                let at = opened.size().min(length) - 1;
                write_all(file, [b"\0", b"", b""], at).doing(doing())?;
                if opened.size() < length {
                    rustix::fs::ftruncate(file, length).doing(doing())?;
                }
            }
            if opened.size() > length && self.settings.form != StoreForm::Frame {
                rustix::fs::ftruncate(file, length).doing(doing())?;
            }
            write_all(file, [head, body, b""], 0).doing(doing())?;
            write_all(file, [end, b"", b""], length - end.len() as u64).doing(doing())?;
            rustix::fs::ftruncate(file, length).doing(doing())?;
            if self.settings.durable {
                rustix::fs::fdatasync(file).doing(doing())?;
            }
            // Readers without `locked` watch only the names of the directory: new times are an event of the
            // name.
            beneath::set_times(file).doing(doing())
        })();
        written.map_err(|e| {
            let text = format!("{}; the old value is lost, and the next write replaces it", e.text());
            Error::new(e.kind(), text)
        })
    }
}

fn write_all(file: impl AsFd, pieces: Pieces<'_>, at: u64) -> rustix::io::Result<()> {
    let whole: usize = pieces.iter().map(|piece| piece.len()).sum();
    let mut done = 0;
    while done < whole {
        let mut skip = done;
        let unwritten = pieces.map(|piece| {
            let from = skip.min(piece.len());
            skip -= from;
            IoSlice::new(&piece[from..])
        });
        match rustix::io::pwritev(&file, &unwritten, at + done as u64) {
            Ok(0) => return Err(Errno::IO),
            Ok(n) => done += n,
            // A disk file does not block for long, and half a value is useless, so a signal does not end the
            // write.
            Err(Errno::INTR) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Refuses a file above the process's limit (`ulimit -f`), because the kernel would send SIGXFSZ.
///
/// # Errors
/// `TooLarge`.
fn check_size(frame: &Outgoing<'_>) -> Result<()> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Fsize).current;
    let size = frame.body.len() as u64 + frame.header.body_offset() as u64 + 1;
    match limit {
        Some(limit) if size > limit => {
            let text = format!("a file of {size} bytes is over this process's limit of {limit} (ulimit -f)");
            Err(Error::new(ErrorKind::TooLarge, text))
        }
        _ => Ok(()),
    }
}

impl std::fmt::Debug for FileWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileWriter").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

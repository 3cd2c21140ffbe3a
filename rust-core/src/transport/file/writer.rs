//! Writing the newest value: a temporary file and a rename, or in place under the file's own lock.

use std::io::IoSlice;
use std::os::fd::AsFd;

use rustix::fs::{FallocateFlags, FileType, OFlags};
use rustix::io::Errno;

use super::open::{self, Opened};
use super::{Form, Settings};
use crate::deadline::Waiting;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::frame::{HEADER, Outgoing};
use crate::sys::beneath::{self, Owner, is_ours, kind_of};
use crate::sys::lock;
use crate::sys::record_lock::{self, Span};
use crate::transport::endpoint::Endpoint;
use crate::transport::place::Place;

/// Writes values into one file, in turn with whoever else does.
pub struct Writer {
    endpoint: Endpoint,
    place: Place,
    settings: Settings,
    /// The number of our last write, for when the file has lost its own.
    last: u64,
    /// The file that is written in place, once its name is on the disk: its device and number.
    named: Option<(u64, u64)>,
}

/// The pieces of what is written.
type Pieces<'a> = [&'a [u8]; 3];

impl Writer {
    /// Will write into this endpoint's file, which need not be there.
    pub fn new(endpoint: &Endpoint, settings: Settings) -> Result<Writer> {
        Ok(Writer { endpoint: endpoint.clone(), place: Place::of(endpoint)?, settings, last: 0, named: None })
    }

    /// Writes one value; gives its number, one above that of the value that was there. `Stalled` where somebody else had the
    /// lock all the time. After an error the old value is still there; only with `locked`, and only where the text says so,
    /// may it be gone.
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

    /// The number of the next write: counted by all writers together, where the file says how far they are.
    fn next(&self, old: Option<&Opened>) -> u64 {
        let mut beginning = [0; HEADER];
        let stored = old.and_then(|old| {
            let n = open::read_at(&old.file, &mut beginning, 0).ok()?;
            self.settings.form.sequence(&beginning[..n])
        });
        // A number at the end of the range is nobody's to count on from.
        stored.unwrap_or(self.last).saturating_add(1)
    }

    fn by_renaming(&self, frame: &Outgoing<'_>, waiting: &mut Waiting<'_>) -> Result<u64> {
        let (directory, file) = (&self.place.directory, &self.place.file);
        let _lock = lock::take(directory, file, waiting)?;
        let old = self.replaceable()?;
        let number = self.next(old.as_ref());
        let (head, body, end) = self.settings.form.write(frame, number)?;
        // What somebody has set for a file of ours stays; another user's word on its own file is not taken for ours.
        let kept = old.as_ref().map(|old| &old.facts).filter(|facts| is_ours(facts));
        let mode = self.settings.mode.or(kept.map(|facts| facts.st_mode & 0o777));
        let mode = mode.unwrap_or(directory.file_mode());
        let own = rustix::process::getegid().as_raw();
        let group = self.settings.group.or(kept.map(|facts| facts.st_gid).filter(|group| *group != own));
        // Under the lock, so what a killed writer of ours left there is nobody's; in the place of another's it is made under
        // a name that nobody can have taken.
        let mut temporary = beneath::temporary(file);
        if self.remove(&temporary).is_err() {
            temporary = beneath::staged(file)?;
        }
        let written = self
            .write_new(&temporary, mode, group, [&head, body, end])
            .and_then(|()| self.give_name(&temporary));
        if written.is_err() {
            // The first error is the one that counts; what cannot be removed now is removed by the next writer.
            let _ = self.remove(&temporary);
        }
        written.map(|()| number)
    }

    /// The file that is there, which may be replaced: ours, whatever it is, or another user's that is open to us for writing.
    /// Root replaces what is its own.
    fn replaceable(&self) -> Result<Option<Opened>> {
        let (around, file) = (self.place.directory.beneath(), &self.place.file);
        let Some(facts) = around.facts(file)? else { return Ok(None) };
        if kind_of(&facts) == FileType::Directory {
            let text = format!(
                "{} is a directory, and a file: is one file; name one in it, such as {0}/value",
                self.place.path().display()
            );
            return Err(Error::new(ErrorKind::InvalidEndpoint, text));
        }
        if is_ours(&facts) {
            // What cannot be read is replaced like anything else: a rename follows no link.
            return Ok(open::open(&self.place, OFlags::RDONLY, Owner::Ours).ok().flatten());
        }
        if !rustix::process::geteuid().is_root()
            && kind_of(&facts) == FileType::RegularFile
            && let Ok(Some(opened)) = open::open(&self.place, OFlags::RDWR, Owner::Anybody)
        {
            return Ok(Some(opened));
        }
        Err(around.refuse(
            file,
            &facts,
            "and what is another user's, and not open to this one, is not replaced",
        ))
    }

    fn write_new(&self, name: &str, mode: u32, group: Option<u32>, pieces: Pieces<'_>) -> Result<()> {
        let doing = || format!("writing {}", self.place.directory.path().join(name).display());
        // Where the group that the file had is not ours to give, ours does not get its rights.
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
        Ok(())
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

    /// Removes what is ours; `PermissionDenied` for what is another user's.
    fn remove(&self, file: &str) -> Result<bool> {
        self.place.directory.beneath().remove(file)
    }

    fn in_place(&mut self, frame: &Outgoing<'_>, waiting: &mut Waiting<'_>) -> Result<u64> {
        let (opened, _held) = loop {
            let mut opened = self.open_in_place()?;
            // Readers and writers that know fcntl alone come and go by this lock.
            let held = record_lock::take(opened.file, Span::WRITE, waiting)?;
            opened.file = held.file().clone();
            // Somebody may have put another file in its place while we waited.
            if opened.is_at(&self.place) {
                opened.facts = rustix::fs::fstat(&opened.file)
                    .doing(format_args!("looking at {}", self.place.path().display()))?;
                break (opened, held);
            }
        };
        let number = self.next(Some(&opened));
        let (head, body, end) = self.settings.form.write(frame, number)?;
        self.overwrite(&opened, [&head, body, end])?;
        self.sync_name(&opened)?;
        Ok(number)
    }

    /// Whoever made a file that is written in place may have been killed before its name was on the disk.
    fn sync_name(&mut self, opened: &Opened) -> Result<()> {
        let directory = &self.place.directory;
        let file = (opened.facts.st_dev, opened.facts.st_ino);
        if self.settings.durable && self.named != Some(file) {
            rustix::fs::fsync(directory)
                .doing(format_args!("bringing {} to the disk", directory.path().display()))?;
            self.named = Some(file);
        }
        Ok(())
    }

    fn open_in_place(&self) -> Result<Opened> {
        let mode = self.settings.mode.unwrap_or(self.place.directory.file_mode());
        loop {
            // Root writes into no file of another user's.
            let owner = if rustix::process::geteuid().is_root() { Owner::Ours } else { Owner::Anybody };
            if let Some(opened) = open::open(&self.place, OFlags::RDWR, owner)? {
                return Ok(opened);
            }
            match self.place.directory.beneath().create(&self.place.file, mode, self.settings.group) {
                // Somebody was quicker: use that one.
                Err(e) if e.kind() == ErrorKind::AddressInUse => {}
                // Opened in the next round.
                made => drop(made?),
            }
        }
    }

    /// Replaces what is in the file, so that at every instant a reader can tell a whole value from half of one: a frame by
    /// its check sum, whose header is written first; a line by its newline, which is written last.
    fn overwrite(&self, opened: &Opened, pieces: Pieces<'_>) -> Result<()> {
        let doing = || format!("writing {} in place", self.place.path().display());
        let file = &opened.file;
        let length: u64 = pieces.iter().map(|piece| piece.len() as u64).sum();
        // Room first, while the old value is still whole.
        match rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, 0, length.max(1)) {
            // Where the file system cannot promise room, a full disk may cost the old value.
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
            Err(e) => return Err(e).doing(doing()),
        }
        let [head, body, end] = pieces;
        let written = (|| -> Result<()> {
            if self.settings.form == Form::Line && opened.size() > 0 {
                // No JSON text has a NUL in it, so from here on the file is no value until the newline is there.
                let at = opened.size().min(length) - 1;
                write_all(file, [b"\0", b"", b""], at).doing(doing())?;
                if opened.size() < length {
                    rustix::fs::ftruncate(file, length).doing(doing())?;
                }
            }
            if opened.size() > length && self.settings.form != Form::Frame {
                rustix::fs::ftruncate(file, length).doing(doing())?;
            }
            write_all(file, [head, body, b""], 0).doing(doing())?;
            write_all(file, [end, b"", b""], length - end.len() as u64).doing(doing())?;
            rustix::fs::ftruncate(file, length).doing(doing())?;
            if self.settings.durable {
                rustix::fs::fdatasync(file).doing(doing())?;
            }
            Ok(())
        })();
        written.map_err(|e| {
            let text = format!("{}; the old value is gone, and the next write heals it", e.text());
            Error::new(e.kind(), text)
        })
    }
}

/// Writes all of it.
fn write_all(file: impl AsFd, pieces: Pieces<'_>, at: u64) -> rustix::io::Result<()> {
    let whole: usize = pieces.iter().map(|piece| piece.len()).sum();
    let mut done = 0;
    while done < whole {
        let mut skip = done;
        let left = pieces.map(|piece| {
            let from = skip.min(piece.len());
            skip -= from;
            IoSlice::new(&piece[from..])
        });
        match rustix::io::pwritev(&file, &left, at + done as u64) {
            Ok(0) => return Err(Errno::IO),
            Ok(n) => done += n,
            // Disks do not keep anybody waiting for a signal, and half a value is of no use to anybody.
            Err(Errno::INTR) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Past the process's limit on the size of files, the kernel kills instead of answering.
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

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

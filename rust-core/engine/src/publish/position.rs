//! What a subscriber with a `client_id` received last from a publisher: kept in a short file, so that its next
//! incarnation knows what it missed while it was away.
//!
//! One word of a mapped page is stored for each message: that outlives a SIGKILL and asks the kernel nothing. The file
//! is in the runtime directory and its user's alone, and is locked by the subscriber that uses it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering;

use rustix::fs::OFlags;

use crate::channel::handshake::After;
use crate::error::{Doing, Error, ErrorKind, Result};
use crate::sys::beneath::{self, RequiredOwner};
use crate::sys::directory::Directory;
use crate::sys::fnv1a;
use crate::sys::headroom;
use crate::sys::lock::{self, Lock};
use crate::sys::memory::KeptPage;

/// `LKSPLACE`, at offset 0.
const MAGIC: [u8; 8] = *b"LKSPLACE";
/// The offsets of the words, and of the text that says whose position it is. The session is 0 while there is none.
const SESSION: usize = 8;
const NUMBER: usize = 16;
const KEY: usize = 24;
/// The files of a user in a directory; the oldest that no subscriber uses make room for another.
const MAX_FILES: usize = 1024;

/// The position of a living subscriber.
pub struct PositionFile {
    page: KeptPage,
    _lock: Lock,
}

impl PositionFile {
    /// Opens the position of this `client_id` at an endpoint, or makes it.
    ///
    /// # Errors
    /// `AddressInUse` where another living subscriber uses it; `PermissionDenied` where another user's file, a link or
    /// a file of several names is in its place; `NoSpace`; `Unsupported` by the file system.
    pub fn open(endpoint: &str, client_id: &str) -> Result<PositionFile> {
        let directory = Directory::runtime()?;
        let key = format!("{endpoint}\n{client_id}");
        let prefix = format!(".position-{}-", rustix::process::geteuid().as_raw());
        // The file says whose it is, so two names of one hash only replace each other.
        let name = format!("{prefix}{client_id}-{:016x}", fnv1a(&key));
        let Some(lock) = lock::try_lock(&directory, &name)? else {
            let text = format!("another living subscriber receives {endpoint} as {client_id}");
            return Err(Error::new(ErrorKind::AddressInUse, text));
        };
        let mut page = [0; KeptPage::LENGTH];
        page[..MAGIC.len()].copy_from_slice(&MAGIC);
        let Some(place) = page.get_mut(KEY..KEY + key.len()) else {
            return Err(Error::new(ErrorKind::TooLarge, "the name is longer than a position has room for"));
        };
        place.copy_from_slice(key.as_bytes());
        let beneath = directory.beneath();
        let file = match beneath.file(&name, OFlags::RDWR, RequiredOwner::Ours)? {
            Some(opened) => File::from(opened.fd),
            None => {
                make_room(&directory, &prefix)?;
                File::from(beneath.create(&name, 0o600, None)?)
            }
        };
        let doing = || format!("keeping the position in {}", beneath.shown(&name).display());
        let mut found = [0; KeptPage::LENGTH];
        match file.read_exact_at(&mut found, 0) {
            Ok(()) if found[..MAGIC.len()] == MAGIC && found[KEY..] == page[KEY..] => page = found,
            Err(e) if e.kind() != std::io::ErrorKind::UnexpectedEof => return Err(e).doing(doing()),
            // A new one, or what a program left that was killed while it wrote the first time.
            _ => {}
        }
        // Written even if it is there: so the page has its room before it is mapped, and the file the time of its last
        // use.
        headroom::check_file(KeptPage::LENGTH as u64)?;
        file.write_all_at(&page, 0).doing(doing())?;
        Ok(PositionFile { page: KeptPage::map(&file)?, _lock: lock })
    }

    /// Returns where the subscriber, or its last incarnation, is.
    pub fn last(&self) -> Option<After> {
        let [session, number] = [SESSION, NUMBER].map(|at| self.page.word(at).load(Ordering::Relaxed));
        (session != 0).then_some(After { session, number })
    }

    /// Records which publisher the next numbers are of, and the number before the first that counts; none where the
    /// publisher has not told it. Where this is the publisher of the last number, that stays until a message comes.
    pub fn connected(&self, session: u64, number: Option<u64>) {
        if self.page.word(SESSION).load(Ordering::Relaxed) == session {
            return;
        }
        // A SIGKILL between two of these leaves no number that seems to be of another session.
        self.page.word(SESSION).store(0, Ordering::Release);
        if let Some(number) = number {
            self.page.word(NUMBER).store(number, Ordering::Release);
            self.page.word(SESSION).store(session, Ordering::Release);
        }
    }

    /// Records that the program has this message.
    pub fn delivered(&self, number: u64) {
        self.page.word(NUMBER).store(number, Ordering::Relaxed);
    }
}

/// Removes the oldest files that no subscriber uses, where there are too many.
fn make_room(directory: &Directory, prefix: &str) -> Result<()> {
    let beneath = directory.beneath();
    let mut aged = Vec::new();
    for file in directory.names()?.into_iter().filter(|file| file.starts_with(prefix)) {
        // Another user may have made files of such names, which are left alone.
        if let Some(facts) = beneath.facts(&file)?.filter(beneath::is_ours) {
            aged.push((facts.st_mtime, file));
        }
    }
    aged.sort();
    let mut excess = aged.len().saturating_sub(MAX_FILES - 1);
    for (_, file) in aged {
        if excess == 0 {
            return Ok(());
        }
        if let Some(_lock) = lock::try_lock(directory, &file)?
            && beneath.remove(&file)?
        {
            excess -= 1;
        }
    }
    let text = format!("{MAX_FILES} positions are in use in {}", directory.path().display());
    if excess == 0 { Ok(()) } else { Err(Error::new(ErrorKind::NoSpace, text)) }
}

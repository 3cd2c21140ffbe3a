//! The last number that a subscriber with a `client_id` received, kept in a file.
//!
//! By it, the next incarnation of the subscriber can count missed messages. Each message stores one word of a mapped
//! page, which outlives a SIGKILL and needs no system call. The short file is in the runtime directory, belongs to the
//! user, and is locked by the subscriber.

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

const MAGIC: [u8; 8] = *b"LKSPLACE";
/// The offsets of the words and of the key text. The session is 0 without a position.
const SESSION: usize = 8;
const NUMBER: usize = 16;
const KEY: usize = 24;
/// The most files of a user in a directory. The oldest unused file makes room for another.
const MAX_FILES: usize = 1024;

pub struct PositionFile {
    page: KeptPage,
    _lock: Lock,
}

impl PositionFile {
    /// Opens or makes the position of this `client_id` at an endpoint.
    ///
    /// # Errors
    /// `AddressInUse` if another living subscriber uses it; `PermissionDenied` if another user's file, a link or a file
    /// with several names is in its place; `NoSpace`; `Unsupported` by the file system.
    pub fn open(endpoint: &str, client_id: &str) -> Result<PositionFile> {
        let directory = Directory::runtime()?;
        let key = format!("{endpoint}\n{client_id}");
        let prefix = format!(".position-{}-", rustix::process::geteuid().as_raw());
        // The file contains its key, so a collision of hashes only replaces the other position.
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
            // A new file, or the file of a program that was killed during its first write.
            _ => {}
        }
        // Always written: the page gets its disk space before it is mapped, and the file the time of its last use.
        headroom::check_file(KeptPage::LENGTH as u64)?;
        file.write_all_at(&page, 0).doing(doing())?;
        Ok(PositionFile { page: KeptPage::map(&file)?, _lock: lock })
    }

    /// Returns the position of the subscriber or of its last incarnation.
    pub fn last(&self) -> Option<After> {
        let [session, number] = [SESSION, NUMBER].map(|at| self.page.word(at).load(Ordering::Relaxed));
        (session != 0).then_some(After { session, number })
    }

    /// Records the publisher of the next numbers, and the number before the first that counts, if known. A position of
    /// this publisher stays until a message comes.
    pub fn connected(&self, session: u64, number: Option<u64>) {
        if self.page.word(SESSION).load(Ordering::Relaxed) == session {
            return;
        }
        // The order of stores: after a SIGKILL, the number never seems to belong to another session.
        self.page.word(SESSION).store(0, Ordering::Release);
        if let Some(number) = number {
            self.page.word(NUMBER).store(number, Ordering::Release);
            self.page.word(SESSION).store(session, Ordering::Release);
        }
    }

    pub fn delivered(&self, number: u64) {
        self.page.word(NUMBER).store(number, Ordering::Relaxed);
    }
}

fn make_room(directory: &Directory, prefix: &str) -> Result<()> {
    let beneath = directory.beneath();
    let mut aged = Vec::new();
    for file in directory.names()?.into_iter().filter(|file| file.starts_with(prefix)) {
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

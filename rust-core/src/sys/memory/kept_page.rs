//! A page of a file of this user, mapped so that words stored into it outlive the process: no system call for each.
//!
//! The file is its user's alone and is never sent. Whoever shortened it while it is mapped would end this process by
//! a signal: only this user and root can, and a program of this library never does.

use std::fs::File;
use std::os::fd::AsFd;
use std::sync::atomic::AtomicU64;

use rustix::mm::ProtFlags;

use super::{Children, LEAST, Mapping};
use crate::error::{Error, ErrorKind, Result};

/// The first page of a file.
#[derive(Debug)]
pub(crate) struct KeptPage(Mapping);

impl KeptPage {
    /// The bytes that are mapped, all of which the caller has written: a page that the file system has no room for
    /// would end the process at the first store.
    pub const LENGTH: usize = LEAST;

    /// Maps the page. The mapping stays when the file is closed.
    ///
    /// # Errors
    /// `InvalidState` where the file is shorter than the page.
    pub fn map(file: &File) -> Result<KeptPage> {
        if rustix::fs::fstat(file)?.st_size < LEAST as i64 {
            return Err(Error::new(
                ErrorKind::InvalidState,
                "the file is shorter than the page to be mapped",
            ));
        }
        Mapping::map(file.as_fd(), LEAST, ProtFlags::READ | ProtFlags::WRITE, Children::Without).map(KeptPage)
    }

    /// Returns the word at offset `at`, a multiple of 8.
    #[inline]
    pub fn word(&self, at: usize) -> &AtomicU64 {
        self.0.word(at)
    }
}

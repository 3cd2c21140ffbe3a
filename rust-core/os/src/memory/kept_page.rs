//! A mapped page of a file of this user: stored words outlive the process, without system calls.
//!
//! Shortening the mapped file would end this process by a signal. Only its user and root can do that.

use std::fs::File;
use std::os::fd::AsFd;
use std::sync::atomic::AtomicU64;

use super::{Access, Children, LEAST, Mapping};
use crate::environment;
use crate::error::{Doing, Error, ErrorKind, Result};

/// tmpfs, ramfs, ext2 to ext4, XFS, overlayfs: a written page keeps its room.
///
/// Elsewhere (copy on write, network) a failing store is a signal.
const KEEPS_ROOM: [u32; 5] = [0x0102_1994, 0x8584_58f6, 0xef53, 0x5846_5342, 0x794c_7630];

/// The first page of a file.
#[derive(Debug)]
pub struct KeptPage(Mapping);

impl KeptPage {
    /// Bytes of the page, all of which the caller has written.
    pub const LENGTH: usize = LEAST;

    /// Maps the page. The mapping outlives the descriptor.
    ///
    /// # Errors
    /// `Unsupported` on a file system whose stores might fail.
    pub fn map(file: &File) -> Result<KeptPage> {
        let kind = rustix::fs::fstatfs(file).doing("looking at a file system")?.f_type as u32;
        if !KEEPS_ROOM.contains(&kind) {
            let text = format!(
                "this file system (type {kind:#x}) may have no room for a page that was written before; {}",
                environment::advice(
                    "let LINKSPAN_DIR be a directory in memory (tmpfs)",
                    "let root make /run/linkspan in memory, by `linkspan setup --group NAME`"
                )
            );
            return Err(Error::new(ErrorKind::Unsupported, text));
        }
        Mapping::map(file.as_fd(), LEAST, Access::Write, Children::Without).map(KeptPage)
    }

    /// Returns the word at `at`, a multiple of 8.
    pub fn word(&self, at: usize) -> &AtomicU64 {
        self.0.word(at)
    }
}

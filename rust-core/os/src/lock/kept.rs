//! The common file of locks, kept open between one writer's locks.

use std::sync::Arc;

use super::{NAME, doing, offset, open};
use crate::deadline::Waiting;
use crate::directory::Directory;
use crate::error::{Doing, Result};
use crate::fork::{self, Guarded};
use crate::record_lock::{self, RecordLock, Span};

/// The common file: opening it takes longer than locking.
#[derive(Default)]
pub struct KeptFile(pub(super) Option<LockFile>);

pub(super) struct LockFile {
    file: Arc<Guarded>,
    node: (u64, u64),
    /// Every lock succeeds on the different descriptor of a forked child.
    born: u64,
}

impl KeptFile {
    /// Takes the lock of a name, and waits for the process that has it.
    ///
    /// # Errors
    /// `Stalled` at the deadline.
    pub fn take(
        &mut self,
        directory: &Directory,
        name: &str,
        waiting: &mut Waiting<'_>,
    ) -> Result<RecordLock> {
        let span = Span::byte(offset(name));
        let file = match self.0.take() {
            Some(kept) if kept.is_at(directory)? => {
                if let Some(held) =
                    record_lock::try_take(&kept.file, span).map_err(|e| doing(directory, name, e))?
                {
                    self.0 = Some(kept);
                    return Ok(held);
                }
                // A thread that gets the lock after its call releases it; through this file it would release a later
                // call's lock.
                Arc::new(open(directory)?)
            }
            _ => {
                let file = Arc::new(open(directory)?);
                if let Some(held) =
                    record_lock::try_take(&file, span).map_err(|e| doing(directory, name, e))?
                {
                    self.0 = Some(LockFile::new(file)?);
                    return Ok(held);
                }
                file
            }
        };
        record_lock::take(file, span, waiting).map_err(|e| doing(directory, name, e))
    }
}

impl LockFile {
    fn new(file: Arc<Guarded>) -> Result<LockFile> {
        let facts = rustix::fs::fstat(&*file).doing("looking at a lock file")?;
        Ok(LockFile { file, node: (facts.st_dev, facts.st_ino), born: fork::generation() })
    }

    /// Whether it is still this directory's common file, in the process that opened it.
    fn is_at(&self, directory: &Directory) -> Result<bool> {
        let facts = directory.beneath().facts(NAME)?;
        let is_same = facts.is_some_and(|facts| (facts.st_dev, facts.st_ino) == self.node);
        Ok(is_same && self.born == fork::generation())
    }
}

//! Watches the runtime directory and other folders with inotify.
//!
//! The loop ignores the contents of events and lists the directory after any event. An overflow of the event queue
//! therefore loses nothing, because it is an event too.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use linkspan::{Error, Result, registry};
use rustix::fs::inotify;
use rustix::io::Errno;

/// A descriptor that becomes readable when a name may have been created or removed.
pub struct Watch(OwnedFd);

impl Watch {
    /// Watches the runtime directory.
    ///
    /// # Errors
    /// System errors, for example at this user's limit of inotify instances or watches.
    pub fn new() -> Result<Watch> {
        let path = registry::directory()?;
        let watch = || {
            let descriptor = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
            let what =
                inotify::WatchFlags::MOVED_TO | inotify::WatchFlags::DELETE | inotify::WatchFlags::CREATE;
            inotify::add_watch(&descriptor, &path, what)?;
            Ok::<_, Errno>(descriptor)
        };
        let error = |e: Errno| Error::os(format!("watching {}", path.display()), e.raw_os_error());
        watch().map(Watch).map_err(error)
    }

    /// Also watches the files of a folder, which are reported after they are closed or replaced.
    ///
    /// # Errors
    /// System errors with the path, such as `NotFound`.
    pub fn also(&self, path: &Path) -> Result<()> {
        let what =
            inotify::WatchFlags::MOVED_TO | inotify::WatchFlags::CLOSE_WRITE | inotify::WatchFlags::DELETE;
        let added = inotify::add_watch(&self.0, path, what);
        added.map(drop).map_err(|e| Error::os(format!("watching {}", path.display()), e.raw_os_error()))
    }

    /// Also watches a folder for created or removed names, but not for changes within files.
    ///
    /// # Errors
    /// System errors with the path, such as `NotFound`.
    pub fn also_names(&self, path: &Path) -> Result<()> {
        let what = inotify::WatchFlags::MOVED_TO | inotify::WatchFlags::DELETE | inotify::WatchFlags::CREATE;
        let added = inotify::add_watch(&self.0, path, what);
        added.map(drop).map_err(|e| Error::os(format!("watching {}", path.display()), e.raw_os_error()))
    }

    /// Discards queued events; returns whether any was queued.
    ///
    /// The descriptor does not block, so any error except an interrupted call ends the loop.
    pub fn drain(&self) -> bool {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut has_events = false;
        loop {
            match rustix::io::read(&self.0, &mut buffer) {
                Ok((bytes, _)) if !bytes.is_empty() => has_events = true,
                Err(Errno::INTR) => {}
                _ => return has_events,
            }
        }
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

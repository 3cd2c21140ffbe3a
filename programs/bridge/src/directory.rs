//! Watches the runtime directory and other folders by inotify: the kernel reports names that are made or
//! removed.
//!
//! The contents of events are not used: any event makes the loop list the directory again. So an event queue
//! that overflows loses nothing, because the overflow is an event, too.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use linkspan::{Error, Result, registry};
use rustix::fs::inotify;
use rustix::io::Errno;

/// A descriptor that becomes readable when a name may have been made or removed.
pub struct Watch(OwnedFd);

impl Watch {
    /// Starts to watch the runtime directory.
    ///
    /// # Errors
    /// The error of the system, if inotify has no more instances or watches for this user, or the directory
    /// cannot be watched.
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

    /// Also watches the files in this folder, which are reported once they are written and closed, or
    /// replaced.
    ///
    /// # Errors
    /// The error of the system with the path, such as `NotFound`.
    pub fn also(&self, path: &Path) -> Result<()> {
        let what =
            inotify::WatchFlags::MOVED_TO | inotify::WatchFlags::CLOSE_WRITE | inotify::WatchFlags::DELETE;
        let added = inotify::add_watch(&self.0, path, what);
        added.map(drop).map_err(|e| Error::os(format!("watching {}", path.display()), e.raw_os_error()))
    }

    /// Also watches this folder for names that are made or removed; a change within a file is not reported.
    ///
    /// # Errors
    /// The error of the system with the path, such as `NotFound`.
    pub fn also_names(&self, path: &Path) -> Result<()> {
        let what = inotify::WatchFlags::MOVED_TO | inotify::WatchFlags::DELETE | inotify::WatchFlags::CREATE;
        let added = inotify::add_watch(&self.0, path, what);
        added.map(drop).map_err(|e| Error::os(format!("watching {}", path.display()), e.raw_os_error()))
    }

    /// Reads and discards the events that are queued. Returns false if there was none. The descriptor does
    /// not block, so any error but an interrupted call ends the loop.
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

//! Names that come and go in the runtime directory, told by the kernel.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use linkspan::{Error, Result, registry};
use rustix::fs::inotify;
use rustix::io::Errno;

/// A descriptor that is readable once a name may have been made or removed.
pub struct Watch(OwnedFd);

impl Watch {
    /// Watches from now on.
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

    /// Also watches this folder.
    pub fn also(&self, path: &Path) -> Result<()> {
        let what =
            inotify::WatchFlags::MOVED_TO | inotify::WatchFlags::CLOSE_WRITE | inotify::WatchFlags::DELETE;
        let added = inotify::add_watch(&self.0, path, what);
        added.map(drop).map_err(|e| Error::os(format!("watching {}", path.display()), e.raw_os_error()))
    }

    /// Also watches the names in this folder.
    pub fn also_names(&self, path: &Path) -> Result<()> {
        let what = inotify::WatchFlags::MOVED_TO | inotify::WatchFlags::DELETE | inotify::WatchFlags::CREATE;
        let added = inotify::add_watch(&self.0, path, what);
        added.map(drop).map_err(|e| Error::os(format!("watching {}", path.display()), e.raw_os_error()))
    }

    /// Takes what has been told; false where that was nothing.
    pub fn drain(&self) -> bool {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut told = false;
        loop {
            match rustix::io::read(&self.0, &mut buffer) {
                Ok((bytes, _)) if !bytes.is_empty() => told = true,
                Err(Errno::INTR) => {}
                _ => return told,
            }
        }
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

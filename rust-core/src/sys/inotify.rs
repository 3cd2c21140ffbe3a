//! Noticing that a name appears in a directory, with one inotify instance a process, however many wait; and that a file is
//! written to.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

use super::directory::Directory;
use super::eventfd::EventFd;
use super::fork;
use crate::error::{Doing, Result};

/// Watches for changes of names in a directory. Both descriptors wake its owner, who then calls [`Watch::drain`] and
/// looks at the names that matter.
pub struct Watch {
    shared: Arc<Instance>,
    /// Rung by whoever reads the shared instance in our stead.
    bell: Arc<EventFd>,
}

struct Instance {
    fd: OwnedFd,
    born: u64,
    bells: Mutex<Vec<Weak<EventFd>>>,
}

static CURRENT: Mutex<Weak<Instance>> = Mutex::new(Weak::new());

impl Watch {
    /// Watches this directory from now on: names made, renamed into place, removed.
    pub fn new(directory: &Directory) -> Result<Watch> {
        let shared = instance()?;
        let what = WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::ATTRIB | WatchFlags::ONLYDIR;
        inotify::add_watch(&shared.fd, directory.short_path("."), what)
            .doing(format_args!("watching the directory {}", directory.path().display()))?;
        let bell = Arc::new(EventFd::new()?);
        let mut bells = shared.bells.lock().unwrap_or_else(PoisonError::into_inner);
        bells.retain(|b| b.strong_count() > 0);
        bells.push(Arc::downgrade(&bell));
        drop(bells);
        Ok(Watch { shared, bell })
    }

    /// Watches also what is written into this open file, for as long as the file is there.
    pub fn contents(&self, file: impl AsFd) -> Result<()> {
        let path = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
        inotify::add_watch(&self.shared.fd, path, WatchFlags::MODIFY | WatchFlags::CLOSE_WRITE)
            .doing("watching a file")?;
        Ok(())
    }

    /// What to sleep on.
    pub fn descriptors(&self) -> [BorrowedFd<'_>; 2] {
        [self.shared.fd.as_fd(), self.bell.as_fd()]
    }

    /// Takes what is there, and tells the others that something was.
    pub fn drain(&self) {
        let mut space = [MaybeUninit::<u8>::uninit(); 4096];
        let mut any = false;
        while let Ok((read, _)) = rustix::io::read(&self.shared.fd, &mut space[..]) {
            if read.is_empty() {
                break;
            }
            any = true;
        }
        if any {
            for bell in self.shared.bells.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                if let Some(bell) = bell.upgrade() {
                    bell.ring();
                }
            }
        }
        self.bell.drain();
    }
}

fn instance() -> Result<Arc<Instance>> {
    let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(instance) = current.upgrade().filter(|i| i.born == fork::generation()) {
        return Ok(instance);
    }
    let fd =
        inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).doing("making an inotify instance")?;
    let made = Arc::new(Instance { fd, born: fork::generation(), bells: Mutex::new(Vec::new()) });
    *current = Arc::downgrade(&made);
    Ok(made)
}

/// Watches one file that others write. An instance of its own: who waits for a name is not to be woken by every writing.
#[derive(Debug)]
pub struct ContentWatch(OwnedFd);

impl ContentWatch {
    /// Watches this open file from now on: writings, and the loss of its name.
    pub fn new(file: BorrowedFd<'_>) -> Result<ContentWatch> {
        let doing = "watching a file (see the limit fs.inotify.max_user_instances)";
        let fd = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).doing(doing)?;
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        inotify::add_watch(&fd, path, WatchFlags::MODIFY | WatchFlags::ATTRIB).doing(doing)?;
        Ok(ContentWatch(fd))
    }

    /// Takes what is there.
    pub fn drain(&self) {
        let mut space = [MaybeUninit::<u8>::uninit(); 1024];
        while rustix::io::read(&self.0, &mut space[..]).is_ok_and(|(read, _)| !read.is_empty()) {}
    }
}

impl AsFd for ContentWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

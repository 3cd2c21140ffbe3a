//! A hostile member of a group that shares a directory with spools, journals and files.
//!
//! Run as root, because root's programs are the worthwhile target.

mod files;
mod journals;
mod spools;

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Once, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, SystemTime};

use linkspan::{Channel, ErrorKind, Options, Publisher, Server, Subscriber, Value, latest, registry};

use crate::support::alone::alone;
use crate::support::spools::{called, json, names};
use crate::support::{SOON, as_user, name, needs_root};

const MEMBER: u32 = 20_011;
const OTHER: u32 = 20_012;
const GROUP: u32 = 20_110;
const DAY: Duration = Duration::from_secs(25 * 3600);
const NOW: Duration = Duration::ZERO;

static SHARED: Once = Once::new();

struct Place {
    endpoint: String,
    path: PathBuf,
    secret: tempfile::TempDir,
}

impl Place {
    fn new(transport: &str) -> Place {
        needs_root();
        let endpoint = name(transport);
        let run = PathBuf::from(std::env::var("LINKSPAN_DIR").unwrap());
        SHARED.call_once(|| {
            for directory in [&run, &run.join("state")] {
                fs::create_dir_all(directory).unwrap();
                chown(directory, Some(0), Some(GROUP)).unwrap();
                fs::set_permissions(directory, PermissionsExt::from_mode(0o2770)).unwrap();
            }
        });
        let file = format!("{}.{transport}", endpoint.split_once(':').unwrap().1.replace('/', "@"));
        let around = if transport == "journal" { run.join("state") } else { run };
        let secret = tempfile::tempdir().unwrap();
        fs::set_permissions(secret.path(), PermissionsExt::from_mode(0o700)).unwrap();
        Place { endpoint, path: around.join(file), secret }
    }

    fn spool() -> Place {
        Place::new("spool")
    }

    /// Files of root's that are old enough for a sweep to remove them.
    fn secrets(&self) -> Vec<PathBuf> {
        let old = SystemTime::now() - DAY;
        let all = ["thesis", "x.json", "00000000000000000001.panel.json", "committed"];
        all.map(|name| {
            let path = self.secret.path().join(name);
            let file = fs::File::create(&path).unwrap();
            std::io::Write::write_all(&mut &file, b"precious").unwrap();
            file.set_modified(old).unwrap();
            path
        })
        .to_vec()
    }

    fn untouched(&self) {
        for path in ["thesis", "x.json", "00000000000000000001.panel.json", "committed"] {
            let path = self.secret.path().join(path);
            assert_eq!(fs::read(&path).unwrap(), b"precious", "{}", path.display());
        }
        let facts = self.secret.path().metadata().unwrap();
        assert_eq!((facts.mode() & 0o7777, facts.gid()), (0o700, 0), "mode and group of what is root's");
        assert_eq!(names(self.secret.path()).len(), 4, "{:?}", names(self.secret.path()));
    }

    fn member<T: Send>(&self, work: impl FnOnce(&Path) -> T + Send) -> T {
        as_user(MEMBER, GROUP, || work(&self.path))
    }

    /// Replaces a name as a member of the group can: moves it aside, if allowed, and puts something else
    /// there.
    fn swap(&self, at: &str, put: impl FnOnce(&Path) + Send) -> bool {
        self.member(|path| {
            let at = path.join(at);
            let aside = at.with_file_name(format!(".aside-{}", at.file_name().unwrap().display()));
            if at.symlink_metadata().is_ok() && fs::rename(&at, aside).is_err() {
                return false;
            }
            put(&at);
            true
        })
    }
}

fn fifo(at: &Path) {
    let kind = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, at, kind, rustix::fs::Mode::from_raw_mode(0o666), 0).unwrap();
}

/// Held for reading while a test needs an empty spool, which another test's sweep would remove.
static SWEEP: RwLock<()> = RwLock::new(());

fn no_sweep() -> RwLockReadGuard<'static, ()> {
    SWEEP.read().unwrap_or_else(PoisonError::into_inner)
}

fn root_looks_around() {
    let _others_wait = SWEEP.write().unwrap_or_else(PoisonError::into_inner);
    registry::list().unwrap();
    registry::clean().unwrap();
}

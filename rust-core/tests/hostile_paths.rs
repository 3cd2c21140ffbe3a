//! A member of the group of a directory (2770) plants links and files against root's programs.
//!
//! No file of another user is followed, changed, taken over or swept, and no program blocks. The member is a
//! thread with a really different user, which needs root; without root one user tries the same.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use linkspan::{Channel, Error, ErrorKind, Listener, Options, registry};

use crate::support::{self, alone::alone};

use crate::support::{as_user, is_root, needs_root};

const MEMBER: u32 = 1234;
const GROUP: u32 = 4321;

fn as_member<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    if is_root() { as_user(MEMBER, GROUP, work) } else { work() }
}

/// The shared runtime directory, and a folder of root's that the member may list.
fn shared() -> (PathBuf, PathBuf) {
    static MAKE: Once = Once::new();
    let around = std::env::temp_dir().join(format!("linkspan-hostile-{}", std::process::id()));
    let (run, own) = (around.join("run"), around.join("own"));
    MAKE.call_once(|| {
        extern "C" fn remove() {
            let around = std::env::temp_dir().join(format!("linkspan-hostile-{}", std::process::id()));
            let _ = fs::remove_dir_all(around);
        }
        fs::create_dir_all(&run).unwrap();
        fs::create_dir(&own).unwrap();
        for folder in [&around, &own] {
            fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
        }
        if is_root() {
            chown(&run, None, Some(GROUP)).unwrap();
        }
        fs::set_permissions(&run, Permissions::from_mode(0o2770)).unwrap();
        // SAFETY: this runs once, before any thread of these tests reads the environment; `remove` is a
        // function without arguments that lives as long as the process.
        unsafe {
            libc::atexit(remove);
            std::env::set_var("LINKSPAN_STATE_DIR", around.join("state"));
            std::env::set_var("LINKSPAN_DIR", &run);
        }
    });
    (run, own)
}

fn name(transport: &str) -> (String, String) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    (format!("{transport}:x{count}"), format!("x{count}.{transport}"))
}

/// A file of root's that must not change.
struct Precious {
    path: PathBuf,
    before: (u32, u32, u32, u64, Vec<u8>),
}

impl Precious {
    fn new(own: &Path, name: &str) -> Precious {
        let path = own.join(name);
        fs::write(&path, "precious").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let before = Precious::look(&path);
        Precious { path, before }
    }

    fn look(path: &Path) -> (u32, u32, u32, u64, Vec<u8>) {
        let facts = fs::symlink_metadata(path).unwrap();
        (facts.mode(), facts.uid(), facts.gid(), facts.ino(), fs::read(path).unwrap())
    }

    fn check(&self) {
        assert_eq!(Precious::look(&self.path), self.before, "{} was touched", self.path.display());
    }
}

fn listen(endpoint: &str, options: &Options) -> Result<Box<dyn Send>, Error> {
    if endpoint.starts_with("dgram") {
        Channel::open(endpoint, options, Duration::ZERO).map(|it| Box::new(it) as Box<dyn Send>)
    } else {
        Listener::listen(endpoint, options).map(|it| Box::new(it) as Box<dyn Send>)
    }
}

fn wide() -> Options {
    let mut options = Options::default();
    options.set("mode", &0o666i64.into()).unwrap();
    options
}

#[test]
fn swapping_what_is_being_made_for_a_link_changes_no_mode_elsewhere() {
    alone!(swapping_what_is_being_made_for_a_link_changes_no_mode_elsewhere);
    let (run, own) = shared();
    for transport in ["shm", "unix", "fifo", "dgram"] {
        let (endpoint, file) = name(transport);
        let precious = Precious::new(&own, &file);
        let done = AtomicBool::new(false);
        let swaps = AtomicU32::new(0);
        let listened = std::thread::scope(|scope| {
            scope.spawn(|| {
                as_member(|| {
                    while !done.load(Ordering::Relaxed) {
                        for entry in fs::read_dir(&run).unwrap().flatten() {
                            let entry = entry.path();
                            let is_new = entry.file_name().is_some_and(|name| {
                                name.to_str()
                                    .is_some_and(|name| name.starts_with(".new.") && name.contains(&file))
                            });
                            // The unfinished file is removed, and a link to root's file replaces it.
                            if is_new
                                && fs::rename(&entry, run.join(format!("taken-{file}"))).is_ok()
                                && symlink(&precious.path, &entry).is_ok()
                            {
                                swaps.fetch_add(1, Ordering::Relaxed);
                            }
                        }
                    }
                });
            });
            let mut listened = 0;
            // On a busy machine the member may be late, so the test waits for it.
            let deadline = Instant::now() + Duration::from_secs(60);
            let is_over =
                |turn| turn >= 400 && (swaps.load(Ordering::Relaxed) > 0 || Instant::now() > deadline);
            for _ in (0..).take_while(|turn| !is_over(*turn)) {
                match listen(&endpoint, &wide()) {
                    Ok(_) => listened += 1,
                    // If the member occupies the name, the error reports it.
                    Err(e) => assert_ne!(e.kind(), ErrorKind::Internal, "{e}"),
                }
                for entry in fs::read_dir(&run).unwrap().flatten() {
                    let shown = entry.file_name().into_string().unwrap();
                    if shown.contains(&file) && shown != file {
                        let _ = fs::remove_file(entry.path()).or_else(|_| fs::remove_dir_all(entry.path()));
                    }
                }
            }
            done.store(true, Ordering::Relaxed);
            listened
        });
        precious.check();
        println!("{transport}: {listened} times listened, {} swaps", swaps.load(Ordering::Relaxed));
        assert!(swaps.load(Ordering::Relaxed) > 0, "the member was never quick enough to swap anything");
    }
}

#[test]
fn names_that_are_links_are_neither_connected_to_nor_replaced() {
    alone!(names_that_are_links_are_neither_connected_to_nor_replaced);
    needs_root();
    let (run, own) = shared();
    for transport in ["shm", "unix", "fifo", "dgram"] {
        let (endpoint, file) = name(transport);
        let target = own.join(&file);
        let precious = std::os::unix::net::UnixListener::bind(&target).unwrap();
        precious.set_nonblocking(true).unwrap();
        as_member(|| symlink(&target, run.join(&file)).unwrap());
        let error = Channel::connect(&endpoint, &Options::default(), Duration::from_secs(1)).err().unwrap();
        let fits = matches!(
            error.kind(),
            ErrorKind::PermissionDenied | ErrorKind::InvalidEndpoint | ErrorKind::NotFound
        );
        assert!(fits, "{error}");
        assert!(precious.accept().is_err(), "{transport} followed a link to another program's socket");
        let error = listen(&endpoint, &Options::default()).err().unwrap();
        assert!(error.text().contains(&file), "{error}");
        registry::clean().unwrap();
        if is_root() {
            assert!(run.join(&file).symlink_metadata().unwrap().is_symlink(), "the link is the member's");
        }
        as_member(|| fs::remove_file(run.join(&file)).unwrap());
    }
}

#[test]
fn files_of_a_member_are_reported_and_stay() {
    alone!(files_of_a_member_are_reported_and_stay);
    needs_root();
    let (run, _) = shared();
    let (endpoint, file) = name("unix");
    let path = run.join(&file);
    let staged = [format!(".new.{file}"), format!(".new.{file}~0123456789abcdef"), format!(".owner.{file}")];
    as_member(|| {
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        staged.iter().for_each(|name| fs::write(run.join(name), "{}").unwrap());
    });
    let error = listen(&endpoint, &Options::default()).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    assert!(error.text().contains("uid 1234") && error.text().contains(&file), "{error}");
    let cleaned = registry::clean().unwrap();
    assert!(!cleaned.removed.contains(&endpoint), "{cleaned:?}");
    let left: Vec<_> = cleaned.left.iter().filter(|(of, _)| *of == endpoint).collect();
    assert_eq!(left.len(), 4, "{cleaned:?}");
    assert!(left.iter().all(|(_, why)| why.text().contains("belongs to uid 1234")), "{left:?}");
    let listed = registry::list().unwrap().into_iter().find(|one| one.endpoint == endpoint).unwrap();
    assert!(listed.problem.unwrap().text().contains("belongs to uid 1234"));
    for name in staged.iter().chain([&file]) {
        assert!(run.join(name).symlink_metadata().is_ok(), "{name} was swept");
    }
    as_member(|| staged.iter().chain([&file]).for_each(|name| fs::remove_file(run.join(name)).unwrap()));
    assert!(listen(&endpoint, &Options::default()).is_ok());
}

#[test]
fn temporaries_that_are_links_are_not_written_through() {
    alone!(temporaries_that_are_links_are_not_written_through);
    let (run, own) = shared();
    for transport in ["shm", "fifo", "dgram", "tcp"] {
        let (endpoint, file) = match transport {
            "tcp" => ("tcp://127.77.0.1:21345".to_owned(), "127.77.0.1:21345.tcp".to_owned()),
            _ => name(transport),
        };
        let precious = Precious::new(&own, &file);
        let planted = [
            format!(".new.{file}"),
            format!(".new..owner.{file}"),
            format!(".owner.{file}"),
            ".new..token".to_owned(),
        ];
        as_member(|| {
            for name in &planted {
                let _ = symlink(&precious.path, run.join(name));
            }
        });
        match listen(&endpoint, &Options::default()) {
            Ok(open) => drop(open),
            Err(e) => assert!(e.text().contains("uid 1234") || !is_root(), "{e}"),
        }
        precious.check();
        as_member(|| planted.iter().for_each(|name| drop(fs::remove_file(run.join(name)))));
    }
}

/// Holds every byte of the lock file that all users may open, until the file is dropped.
fn hold_every_lock(run: &Path) -> fs::File {
    let path = run.join(".lock");
    let file =
        fs::OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path).unwrap();
    let mut all = libc::flock { l_type: libc::F_WRLCK as i16, l_whence: 0, l_start: 0, l_len: 0, l_pid: 0 };
    for _ in 0..20_000 {
        // SAFETY: the descriptor is open, and `all` is a flock that lives through the call.
        if unsafe { libc::fcntl(std::os::fd::AsRawFd::as_raw_fd(&file), libc::F_OFD_SETLK, &raw mut all) }
            == 0
        {
            return file;
        }
        // Another of these tests holds a byte for a moment.
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("the locks of {} never came free: {}", path.display(), std::io::Error::last_os_error());
}

#[test]
fn locks_held_by_a_member_block_no_sockets() {
    alone!(locks_held_by_a_member_block_no_sockets);
    let around = tempfile::tempdir().unwrap();
    let run = around.path();
    if is_root() {
        chown(run, None, Some(GROUP)).unwrap();
    }
    fs::set_permissions(run, Permissions::from_mode(0o2770)).unwrap();
    let held = as_member(|| hold_every_lock(run));
    for transport in ["unix", "dgram"] {
        let path = run.join("held");
        let endpoint = format!("{transport}:{}", path.display());
        // The file of a killed program of ours is taken over.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let open = listen(&endpoint, &wide()).unwrap();
        // The lock works: no other process of this user listens there.
        if transport == "unix" {
            let error = listen(&endpoint, &wide()).err();
            assert_eq!(error.map(|e| e.kind()), Some(ErrorKind::AddressInUse));
        }
        drop(Channel::connect(&endpoint, &Options::default(), support::SOON).unwrap());
        drop(open);
        assert!(!path.exists());
    }
    // The records for others are written again as soon as possible.
    drop(held);
    drop(listen(&format!("unix:{}", run.join("held").display()), &wide()).unwrap());
}

//! Helpers of the test suites.

#![allow(dead_code, reason = "each suite uses its part of it")]

pub mod alone;
mod amount;
pub mod hellos;
pub mod modules;
pub mod programs;
pub mod resting;
pub mod shm_peer;
pub mod spools;
pub mod tokens;
pub mod victims;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{BorrowedFd, RawFd};
use std::path::{Path, PathBuf};
use std::process::id;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, Once};
use std::time::{Duration, Instant};

#[allow(unused_imports, reason = "each suite uses its part of it")]
pub use amount::short_or_full;
use hmac::{Hmac, KeyInit, Mac};
use linkspan::frame::{HEADER, Header, Kind};
use linkspan::{Encoding, Options};
use sha2::Sha256;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Returns the workspace's crates with sources in `src`.
pub fn crates() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let (_, members) = manifest.split_once("\nmembers = [").unwrap();
    let (members, _) = members.split_once(']').unwrap();
    let folders = members.split(',').map(|member| root.join(member.trim().trim_matches('"')));
    folders.filter(|folder| folder.join("src").is_dir()).collect()
}

static DIRECTORY: Once = Once::new();
static COUNT: AtomicU32 = AtomicU32::new(0);

/// Only guards against a hang: no result depends on time.
pub const SOON: Duration = Duration::from_secs(60);

fn directory() -> PathBuf {
    std::env::temp_dir().join(format!("linkspan-test-{}", id()))
}

/// Removes all files of these tests. A forked child has another number, and so no directory.
extern "C" fn remove() {
    let _ = fs::remove_dir_all(directory());
}

/// Returns a unique name for each test, in a runtime directory of this process.
pub fn name(transport: &str) -> String {
    DIRECTORY.call_once(|| {
        let path = directory();
        // SAFETY: this runs once, before any thread of these tests reads the environment; `remove` is a
        // function without arguments that lives as long as the process.
        unsafe {
            libc::atexit(remove);
            std::env::set_var("LINKSPAN_STATE_DIR", path.join("state"));
            std::env::set_var("LINKSPAN_DIR", path);
        }
    });
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    if transport == "tcp" {
        // An address of this process: all of 127.0.0.0/8 is this machine, and the kernel lends none of its
        // ports to others.
        let [_, high, middle, low] = id().to_be_bytes();
        return format!("tcp://127.{}.{middle}.{low}:{}", 1 + high, 20_000 + count);
    }
    // Equal lengths, so a pattern that begins with one name cannot fit another test's.
    format!("{transport}:test/{count:06}")
}

pub fn read_hello(stream: &mut (impl Read + ?Sized)) {
    let mut head = [0; HEADER];
    stream.read_exact(&mut head).unwrap();
    let header = Header::from_bytes(&head).unwrap();
    assert_eq!(header.kind, Kind::Hello);
    stream.read_exact(&mut vec![0; header.body as usize]).unwrap();
}

pub fn readable(fd: RawFd, seconds: i64) -> bool {
    // SAFETY: the object under test keeps the descriptor open.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    poll(&mut fds, Some(&Timespec { tv_sec: seconds, tv_nsec: 0 })).unwrap() == 1
}

/// Reads until the descriptor is not readable.
///
/// The first thread that looks takes a directory's event, so another object may be woken in vain.
pub fn rests(fd: RawFd, what: &str, mut attempt: impl FnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while readable(fd, 0) {
        while attempt() {}
        assert!(Instant::now() < deadline, "{what}: it stays readable");
    }
}

/// Options whose `on_wait` sends a message when a call waits.
pub fn waiting_options() -> (Options, Receiver<()>) {
    let (sender, waiting) = channel();
    let sender = Mutex::new(sender);
    let mut options = Options::default();
    options.on_wait = Some(Arc::new(move || sender.lock().is_ok_and(|sender| sender.send(()).is_ok())));
    (options, waiting)
}

pub fn sources_under(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources_under(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs") {
            into.push(path);
        }
    }
}

/// A TCP connection that has proved its token, and has sent no hello yet.
pub fn proven(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    let frame = |body: &[u8]| {
        let header = Header { body: body.len() as u64, ..Header::new(Kind::Hello, Encoding::Raw) };
        [&header.to_bytes()[..], body].concat()
    };
    let nonce = [5; 32];
    stream.write_all(&frame(&nonce)).unwrap();
    let mut answer = [0; HEADER + 64];
    stream.read_exact(&mut answer).unwrap();
    let token = fs::read(Path::new(&std::env::var("LINKSPAN_DIR").unwrap()).join(".token")).unwrap();
    let proof = |side: &[u8]| {
        let mut mac = Hmac::<Sha256>::new_from_slice(&token).unwrap();
        let shown = address.to_string();
        let parts = [
            &b"linkspan token proof 1 "[..],
            side,
            shown.as_bytes(),
            &[0],
            &nonce,
            &answer[HEADER..HEADER + 32],
        ];
        parts.into_iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes()
    };
    assert_eq!(answer[HEADER + 32..], proof(b"listener")[..], "the listener proves its token, too");
    stream.write_all(&frame(&proof(b"caller  "))).unwrap();
    stream
}

/// Runs as another user and group, as root may, in a separate thread, which ends.
pub fn as_user<T: Send>(uid: u32, gid: u32, work: impl FnOnce() -> T + Send) -> T {
    needs_root();
    std::thread::scope(|s| {
        s.spawn(move || {
            // SAFETY: the bare system calls change only this thread, which ends here.
            unsafe {
                assert_eq!(libc::syscall(libc::SYS_setgroups, 0, std::ptr::null::<u32>()), 0);
                assert_eq!(libc::syscall(libc::SYS_setresgid, -1, gid, -1), 0);
                assert_eq!(libc::syscall(libc::SYS_setresuid, -1, uid, -1), 0);
            }
            work()
        })
        .join()
        .unwrap()
    })
}

/// Fails, with a reason that `tests/run` counts separately, without root.
pub fn needs_root() {
    assert!(is_root(), "this test plays several users, so run it as root");
}

pub fn is_root() -> bool {
    // SAFETY: reads a number.
    unsafe { libc::geteuid() == 0 }
}

//! The operating system, as the crates of the core above it use it: names and locks, waiting, sockets, memory,
//! processes, clocks, signals.
//!
//! This crate is for the core's crates alone and changes without notice: programs use `linkspan`. Whatever is public
//! here is so for those crates.
//!
//! Every system call of the core is here, or in the folder `shm` of `linkspan-transport` where it concerns the ring.
//! Each file wraps one mechanism, translates its errors into `Error` with the attempted action, and knows nothing of
//! frames, transports, channels or sessions. `unsafe` is here, and above it in that folder alone.
//!
//! | what | lives in |
//! |---|---|
//! | how long a call may wait, and what it runs meanwhile | `deadline` |
//! | the runtime directory, the state directory | `directory` |
//! | variables of the environment | `environment` |
//! | making descriptors, none of which has the number of a standard stream | `descriptor` |
//! | files in a directory that others can write; giving a socket its mode before its name | `beneath`, `staging` |
//! | locks that end with their owner | `lock` |
//! | locks that other programs take, and waiting for one | `record_lock` |
//! | sockets, and descriptors sent over them; mailslots | `socket`, `datagram` |
//! | descriptors that a peer sent; closing them where that may take time | `rights`, `closing` |
//! | named pipes | `fifo` |
//! | TCP sockets, and the addresses of a name; the owner of a connection | `inet`, `resolve`, `sock_diag` |
//! | the peer of a socket, and its end | `peer` |
//! | waiting for one of many events; a read that waits by itself | `poll`, `brief` |
//! | events of names in a directory; timers | `inotify`, `timer` |
//! | protection of a forked child | `fork` |
//! | that who holds a gate makes no system call; where a call sleeps | `kernel_entry`, `sleeping` |
//! | wake-ups within the process and through shared memory | `eventfd`, `futex` |
//! | memory files, and how much memory is left | `memory`, `headroom` |
//! | System V memory of another program | `sysv` |
//! | threads of the library, and programs that end with their parent | `thread` |
//! | a value that one call at a time acquires; one that is lent; one that is made once | `seat`, `arc_owner`, `once` |
//! | where programs are that are started without being named | `programs` |
//! | the system clock; signals that ask a program to stop | `clock`, `stop` |
//! | random bytes; check sums of a few words | `random`, `crc` |
//! | reading behind what a list holds; a hash that is the same in every build | here |
//! | names of users and groups; giving a file to a group; access for one more user | `user` |

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "in a test a panic is the report"))]

#[cfg(not(target_os = "linux"))]
compile_error!(
    "Linkspan runs on Linux (kernel 5.10 or newer) only: its transports use memfd, OFD locks and epoll"
);

pub mod arc_owner;
pub mod beneath;
pub mod brief;
pub mod clock;
pub mod closing;
pub mod crc;
pub mod datagram;
pub mod deadline;
pub mod descriptor;
pub mod directory;
#[cfg(test)]
#[path = "../../engine/src/documents.rs"]
#[allow(dead_code, reason = "most blocks of the documents are those of `linkspan-engine`")]
mod documents;
pub mod environment;
pub mod eventfd;
pub mod fifo;
pub mod fork;
pub mod futex;
pub mod headroom;
pub mod inet;
pub mod inotify;
mod kernel_entry;
pub mod lock;
pub mod memory;
pub mod once;
pub mod peer;
pub mod poll;
pub mod programs;
pub mod random;
pub mod record_lock;
pub mod resolve;
pub mod rights;
pub mod seat;
pub mod sleeping;
mod sock_diag;
pub mod socket;
pub mod staging;
pub mod stop;
pub mod sysv;
pub mod thread;
pub mod timer;
pub mod user;

use std::mem::MaybeUninit;

use linkspan_value::error;

/// Reads at most `most` bytes, for which the list has room, behind those that it holds, into memory that is not written
/// before, and returns how many came. `read` returns the bytes that it has written, which begin where its room does.
fn append<E>(
    into: &mut Vec<u8>,
    most: usize,
    read: impl for<'a> FnOnce(&'a mut [MaybeUninit<u8>]) -> Result<&'a mut [u8], E>,
) -> Result<usize, E> {
    let room = into.spare_capacity_mut();
    let most = most.min(room.len());
    let start = room.as_ptr().addr();
    let written = read(&mut room[..most])?;
    assert!(written.as_ptr().addr() == start && written.len() <= most, "bytes of another place");
    let came = written.len();
    let length = into.len() + came;
    // SAFETY: so many bytes of the room behind the earlier ones are initialised, since a slice of bytes begins there.
    unsafe { into.set_len(length) };
    Ok(came)
}

/// Returns the FNV-1a hash of a text, 64 bits: the same in every build.
pub fn fnv1a(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

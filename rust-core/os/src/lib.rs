//! The operating system for the core's crates: each file wraps one mechanism of the kernel.
//!
//! Only the core's crates use this crate, and it changes without notice: programs use `linkspan`.
//!
//! Every system call and all `unsafe` code of the core is here or in the folder `shm` of `linkspan-transport`. Errors
//! name the attempted action. No file knows frames, transports, channels or sessions.
//!
//! | module | content |
//! |---|---|
//! | `deadline` | how long a call may wait, and its callbacks while it waits |
//! | `directory` | the runtime directory, the state directory |
//! | `environment` | variables of the environment |
//! | `descriptor` | new descriptors, which never get the number of a standard stream |
//! | `beneath`, `staging` | files in a directory that others can write; a socket's mode before its name |
//! | `lock`, `record_lock` | locks that end with their owner; locks of other programs |
//! | `socket`, `datagram` | sockets, and descriptors sent over them; mailslots |
//! | `rights`, `closing` | a peer's descriptors, and closing them if that may block |
//! | `fifo` | named pipes |
//! | `inet`, `resolve`, `sock_diag` | TCP sockets, the addresses of a name, the owner of a connection |
//! | `peer` | the peer of a socket, and its end |
//! | `poll`, `brief` | waiting for many events; a read that waits |
//! | `inotify`, `timer` | events of names in a directory; timers |
//! | `fork` | protection of a forked child |
//! | `kernel_entry`, `sleeping` | checks of system calls and sleeps in debug builds |
//! | `eventfd`, `futex` | wake-ups within the process and through shared memory |
//! | `memory`, `headroom` | memory files, and how much memory is left |
//! | `sysv` | System V memory of another program |
//! | `thread` | threads of the library, and programs that end with their parent |
//! | `seat`, `arc_owner`, `once` | a value for one call at a time; a lent value; a value that is created once |
//! | `programs` | the places of programs that Linkspan starts |
//! | `clock`, `stop` | the system clock; signals that ask a program to stop |
//! | `random`, `crc` | random bytes; checksums of a few words |
//! | `user` | names of users and groups; giving files to a group or one more user |

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
    // SAFETY: this many bytes are initialised: a slice of bytes begins there.
    unsafe { into.set_len(length) };
    Ok(came)
}

/// Returns a text's 64-bit FNV-1a hash, equal in every build.
pub fn fnv1a(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

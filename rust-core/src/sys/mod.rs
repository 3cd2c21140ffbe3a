//! The kernel: every system call of the core is in this folder, or in `transport/shm` where it
//! concerns the ring.
//!
//! Each file wraps one mechanism, translates its errors into `Error` with the attempted action, and
//! contains nothing of frames, names or sessions. `unsafe` is here and nowhere above.
//!
//! | what | lives in |
//! |---|---|
//! | the runtime directory, the state directory | `directory` |
//! | files in a directory that others can write; giving a socket its mode before its name | `beneath`, `staging` |
//! | locks that end with their owner | `lock` |
//! | locks that other programs take, and waiting for one | `record_lock` |
//! | sockets, and descriptors sent over them; mailslots | `socket`, `datagram` |
//! | descriptors that a peer sent; closing them where that may take time | `rights`, `closing` |
//! | named pipes | `fifo` |
//! | TCP sockets, and the addresses of a name; the owner of a connection | `inet`, `resolve`, `sock_diag` |
//! | the peer of a socket, and its end | `peer` |
//! | waiting for one of many events | `poll` |
//! | events of names in a directory; timers | `inotify`, `timer` |
//! | protection of a forked child; that who holds the lock of a session makes no system call | `fork`, `kernel_entry` |
//! | wake-ups within the process and through shared memory | `eventfd`, `futex` |
//! | memory files, and how much memory is left | `memory`, `headroom` |
//! | System V memory of another program | `sysv` |
//! | threads of the library, and programs that end with their parent; a value that one call at a time acquires; one with counted owners; one that is lent | `thread`, `seat`, `counted`, `arc_owner` |
//! | the system clock; signals that ask a program to stop | `clock`, `stop` |
//! | random bytes | `random` |
//! | reading behind what a list holds; a hash that is the same in every build | here |
//! | names of users and groups; giving a file to a group; access for one more user | `user` |

pub(crate) mod arc_owner;
pub(crate) mod beneath;
pub(crate) mod brief;
pub(crate) mod clock;
pub(crate) mod closing;
pub(crate) mod counted;
pub(crate) mod crc;
pub(crate) mod datagram;
pub(crate) mod directory;
pub(crate) mod eventfd;
pub(crate) mod fifo;
pub(crate) mod fork;
pub(crate) mod futex;
pub(crate) mod headroom;
pub(crate) mod inet;
pub(crate) mod inotify;
pub(crate) mod kernel_entry;
pub(crate) mod lock;
pub(crate) mod memory;
pub(crate) mod once;
pub(crate) mod peer;
pub(crate) mod poll;
pub(crate) mod random;
pub(crate) mod record_lock;
pub(crate) mod resolve;
pub(crate) mod rights;
pub(crate) mod seat;
mod sock_diag;
pub(crate) mod socket;
pub(crate) mod staging;
pub(crate) mod stop;
pub(crate) mod sysv;
pub(crate) mod thread;
pub(crate) mod timer;
pub(crate) mod user;

use std::mem::MaybeUninit;

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
pub(crate) fn fnv1a(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

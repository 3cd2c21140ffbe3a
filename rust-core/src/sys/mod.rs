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
//! | protection of a forked child | `fork` |
//! | wake-ups within the process and through shared memory | `eventfd`, `futex` |
//! | memory files, and how much memory is left | `memory`, `headroom` |
//! | System V memory of another program | `sysv` |
//! | threads of the library; a value that one call at a time claims; one with counted owners; one that is lent | `thread`, `claim`, `counted`, `lent` |
//! | the system clock; signals that ask a program to stop | `clock`, `stop` |
//! | random bytes | `random` |
//! | reading behind what a list holds | `append` |
//! | programs that are started, and end with their parent | `child` |
//! | names of users and groups; giving a file to a group; access for one more user | `user`, `group`, `acl` |

pub(crate) mod acl;
mod append;
pub(crate) mod beneath;
pub(crate) mod brief;
pub(crate) mod child;
pub(crate) mod claim;
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
pub(crate) mod group;
pub(crate) mod headroom;
pub(crate) mod inet;
pub(crate) mod inotify;
pub(crate) mod lent;
pub(crate) mod lock;
pub(crate) mod memory;
pub(crate) mod once;
pub(crate) mod peer;
pub(crate) mod poll;
pub(crate) mod random;
pub(crate) mod record_lock;
pub(crate) mod resolve;
pub(crate) mod rights;
mod sock_diag;
pub(crate) mod socket;
pub(crate) mod staging;
pub(crate) mod stop;
pub(crate) mod sysv;
pub(crate) mod thread;
pub(crate) mod timer;
pub(crate) mod user;

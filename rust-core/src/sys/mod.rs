//! The kernel, and the only place that knows it.
//!
//! | what | lives in |
//! |---|---|
//! | the runtime directory, the state directory | `directory` |
//! | what lies in a directory that others can write to; giving a socket its mode before its name | `beneath`, `staging` |
//! | locks that die with their owner | `lock` |
//! | locks that other programs know, and waiting for one | `record_lock` |
//! | sockets, and descriptors sent over them; mailslots | `socket`, `datagram` |
//! | descriptors that a peer sent; closing them where that may take time | `rights`, `closing` |
//! | named pipes | `fifo` |
//! | TCP sockets, and the addresses behind a name; whose a connection is | `inet`, `resolve`, `sock_diag` |
//! | who is on the other side, and whether it lives | `peer` |
//! | sleeping until one of many things happens | `poll` |
//! | noticing that a name appears, or that a moment has come | `inotify`, `timer` |
//! | what a forked child may not touch | `fork` |
//! | wake-ups within the process and through shared memory | `eventfd`, `futex` |
//! | memory files, and how much memory is left | `memory`, `headroom` |
//! | System V memory of another program | `sysv` |
//! | threads of our own; a value that one call at a time claims | `thread`, `claim` |
//! | the system clock; signals that ask a program to stop | `clock`, `stop` |
//! | programs that are started, and do not outlive us | `child` |
//! | what this process uses, and may use; who listens at a port | `usage`, `ports` |
//! | names of users and groups; giving a file to a group, admitting one more user | `user`, `group`, `acl` |

pub(crate) mod acl;
pub(crate) mod beneath;
pub(crate) mod child;
pub(crate) mod claim;
pub(crate) mod clock;
pub(crate) mod closing;
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
pub(crate) mod lock;
pub(crate) mod memory;
pub(crate) mod peer;
pub(crate) mod poll;
pub(crate) mod ports;
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
pub(crate) mod usage;
pub(crate) mod user;

//! TCP: the same frames as over a Unix socket. A token keeps other users of this machine out, and
//! keys keep other machines out.
//!
//! On a loopback address both sides prove that they have the token of the runtime directory, with a
//! challenge and a response, before the hello. Beyond this machine everything is TLS 1.3 with raw
//! public keys, and each side accepts only the keys that its user trusts. The kernel chooses the
//! port; a record in the runtime directory contains it for listings and waiting clients.
//!
//! | what | defined in |
//! |---|---|
//! | the kind, and its endpoints | `kind` |
//! | the addresses of an endpoint, and which of them are within the machine | `address` |
//! | the token of a user, and the proof of having it | `token`, `proof` |
//! | listening, and the proof that a new connection has to give | `listen`, `authenticator` |
//! | connecting | `call` |
//! | other machines: keys, and TLS between them | `remote`, `tls` |
//! | the traits of a transport | `driver` |

pub mod address;
mod authenticator;
mod call;
mod driver;
mod kind;
mod listen;
mod proof;
mod remote;
#[cfg(feature = "tls")]
pub mod tls;
pub mod token;

pub use driver::Tcp;

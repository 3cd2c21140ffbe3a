//! TCP: the frames of a Unix socket, with a token against other users and keys against other machines.
//!
//! On a loopback address both sides first prove that they have the token of the runtime directory. Beyond
//! this machine everything is TLS 1.3 with raw public keys, and each side accepts only keys that its user
//! trusts. A record in the runtime directory has the port, for listings and waiting clients.
//!
//! | topic | module |
//! |---|---|
//! | the kind; the addresses of an endpoint | `address` |
//! | the token of a user, and the proof of having it | `token`, `proof` |
//! | listening, and the proof of a new connection | `listen`, `authenticator` |
//! | connecting, with and without waiting | `call`; `asking` |
//! | other machines: keys, and TLS between them | `remote`, `tls` |

pub mod address;
mod asking;
mod authenticator;
mod call;
mod listen;
mod proof;
mod remote;
#[cfg(feature = "tls")]
pub mod tls;
pub mod token;

use std::os::fd::BorrowedFd;
use std::sync::Arc;

use self::address::{Address, KIND, endpoint_of};
use self::asking::ask;
use self::call::connect;
use self::listen::listen;
use self::token::TcpToken;
use crate::acceptor::ListenSource;
use crate::deadline::Waiting;
#[cfg(feature = "tls")]
use crate::driver::MachineKeys;
use crate::driver::{Appears, ConnectionDriver, Driver, ListenRequest, ListingSource, Target};
use crate::endpoint::Endpoint;
use crate::error::{Error, ErrorKind, Result};
use crate::hello::{Asked, Call};
use crate::kind::Kind;
use crate::link::Offer;
use crate::owner;
use crate::place::Place;
use crate::stream::Stream;
use crate::sys::directory::Directory;
use crate::sys::lock::Lock;
use crate::value::Map;

pub struct Tcp;

impl Driver for Tcp {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn connections(&self) -> Option<&dyn ConnectionDriver> {
        Some(self)
    }

    fn listing_source(&self) -> ListingSource {
        ListingSource::OwnerRecordAndCall
    }

    fn token(&self, directory: &Directory) -> Option<(&'static str, Result<bool>)> {
        Some((token::NAME, TcpToken::read(directory).map(|token| token.is_some())))
    }

    #[cfg(feature = "tls")]
    fn keys(&self) -> Option<Result<MachineKeys>> {
        let read = || {
            let keyring = crate::keys::Keyring::new()?;
            Ok(MachineKeys {
                own: keyring.own()?.map(|key| key.to_string()),
                trusted: keyring.trusted()?.into_iter().map(|(name, _)| name).collect(),
                directory: keyring.directory().to_owned(),
            })
        };
        Some(read())
    }
}

impl ConnectionDriver for Tcp {
    fn can_listen(&self, endpoint: &Endpoint) -> Result<bool> {
        Address::of(endpoint)?.is_of_this_machine()
    }

    fn listen(&self, endpoint: &Endpoint, request: &ListenRequest<'_>) -> Result<(ListenSource, Endpoint)> {
        let ListenRequest { access, options, expects_hello, program, .. } = request;
        let more = Map::from_iter([("encoding".to_owned(), options.encoding.name().into())]);
        let (bound, endpoint) =
            listen(endpoint, *expects_hello, access.patience, options.pattern, program, more)?;
        Ok((bound.into(), endpoint))
    }

    fn target(&self, endpoint: &Endpoint) -> Result<Box<dyn Target>> {
        Ok(Box::new(Remote { address: Address::of(endpoint)? }))
    }

    fn target_at(&self, endpoint: &Endpoint, _place: &Place) -> Result<Box<dyn Target>> {
        // A user that may make files in the directory chooses the address in a file's name.
        let address = Address::of(endpoint)?;
        if address.known()?.is_none() || !address.is_of_this_machine()? {
            let text = "this is no address of this machine in numbers, which is what a listener writes here: neither another machine nor a name server is asked for it";
            return Err(Error::new(ErrorKind::Unsupported, text));
        }
        self.target(endpoint)
    }

    fn offer(&self, _session: u64, _buffer: Option<usize>) -> Result<Offer> {
        Ok(Offer::Stream { checked: true })
    }
}

struct Remote {
    address: Address,
}

impl Remote {
    /// Returns the place of the address in the runtime directory, for a listener on this machine.
    fn place(&self) -> Option<Place> {
        let file = endpoint_of(self.address.inside()?).file_name();
        Some(Place { directory: Arc::new(Directory::runtime().ok()?), file })
    }
}

impl Target for Remote {
    fn ask(&self, hello: &[u8], _descriptors: &[BorrowedFd<'_>]) -> Result<Call<Asked>> {
        ask(&self.address, hello)
    }

    fn connect(&self, wakers: &[BorrowedFd<'_>], waiting: &mut Waiting<'_>) -> Result<Call<Stream>> {
        connect(&self.address, wakers, waiting)
    }

    /// No signal of a listener is certain: its record may be in a different runtime directory.
    fn appears(&self) -> Appears<'_> {
        Appears::Polled(self.place().map(|place| owner::record(&place)))
    }

    fn mark(&self) -> Option<Lock> {
        self.place()?.await_owner().ok()
    }

    fn shown(&self) -> String {
        self.address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listing_asks_addresses_of_this_machine_alone() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Arc::new(Directory::existing(folder.path()).unwrap());
        let target = |text: &str| {
            let endpoint: Endpoint = text.parse().unwrap();
            let place = Place { directory: directory.clone(), file: endpoint.file_name() };
            Tcp.target_at(&endpoint, &place).map(|_| ()).map_err(|e| e.kind())
        };
        for own in ["tcp://127.0.0.1:7", "tcp://[::1]:7", "tcp://0.0.0.0:7"] {
            assert_eq!(target(own), Ok(()), "{own}");
        }
        for other in ["tcp://example.invalid:7", "tcp://198.51.100.77:7"] {
            assert_eq!(target(other), Err(ErrorKind::Unsupported), "{other}");
        }
    }
}

//! The proof of both sides of a loopback connection that they have the token, without sending it.
//!
//! | from | frame of kind hello, encoding raw, its body |
//! |---|---|
//! | the connecting side | 32 random bytes |
//! | the listener | 32 random bytes, then its proof |
//! | the connecting side | its proof; its hello follows at once |
//!
//! A proof is an HMAC-SHA-256, keyed with the token, of a text that names the side, the listener's address as
//! that side sees it, and both random numbers. A process that has taken the client's port can neither answer
//! nor forward the exchange to the real listener.

use std::net::SocketAddr;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::token::{LENGTH, TcpToken};
use crate::codec::Encoding;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Header, Incoming, Kind, Outgoing};
use crate::sys::random;

const NONCE: usize = 32;
const PROOF: usize = 32;

type Nonce = [u8; NONCE];

#[derive(Clone, Copy)]
enum Prover {
    Caller,
    Listener,
}

struct ProofInput {
    address: SocketAddr,
    caller: Nonce,
    listener: Nonce,
}

impl ProofInput {
    /// Starts the HMAC over the input, for one side.
    fn proof(&self, secret: &[u8; LENGTH], side: Prover) -> Result<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret)
            .map_err(|_| Error::new(ErrorKind::Internal, "a token is no key"))?;
        mac.update(b"linkspan token proof 1 ");
        mac.update(match side {
            Prover::Caller => b"caller  ",
            Prover::Listener => b"listener",
        });
        mac.update(self.address.to_string().as_bytes());
        mac.update(&[0]);
        mac.update(&self.caller);
        mac.update(&self.listener);
        Ok(mac)
    }

    fn make(&self, secret: &[u8; LENGTH], side: Prover) -> Result<[u8; PROOF]> {
        Ok(self.proof(secret, side)?.finalize().into_bytes().into())
    }

    /// Returns whether a proof is right, in a time that does not depend on its bytes.
    fn fits(&self, secret: &[u8; LENGTH], side: Prover, proof: &[u8]) -> Result<bool> {
        Ok(self.proof(secret, side)?.verify_slice(proof).is_ok())
    }
}

fn frame(body: &[u8]) -> Vec<u8> {
    let frame = Outgoing::new(Header::new(Kind::Hello, Encoding::Raw), body);
    [&frame.head(), body].concat()
}

/// Returns the body of a frame of this exchange.
///
/// # Errors
/// `PermissionDenied` for any other frame, or a body of another length.
fn body<const N: usize>(frame: &Incoming) -> Result<[u8; N]> {
    let fits = frame.header.kind == Kind::Hello && frame.header.encoding == Encoding::Raw;
    <[u8; N]>::try_from(&frame.body.whole()[..]).ok().filter(|_| fits).ok_or_else(|| {
        let text = "a TCP connection on this machine begins with the proof of a token, and this one does not; both sides need the same version of Linkspan";
        Error::new(ErrorKind::PermissionDenied, text)
    })
}

/// The connecting side, between its first frame and its proof.
pub struct Caller {
    nonce: Nonce,
}

impl Caller {
    /// Draws a number; returns the first frame to send.
    pub fn begin() -> Result<(Caller, Vec<u8>)> {
        let nonce = random::bytes()?;
        Ok((Caller { nonce }, frame(&nonce)))
    }

    /// Checks the listener's proof and returns this side's proof.
    ///
    /// `None` if the listener does not have the token: then nothing more may be sent to it.
    pub fn answer(
        &self,
        received: &Incoming,
        address: SocketAddr,
        token: &TcpToken,
    ) -> Result<Option<Vec<u8>>> {
        let both: [u8; NONCE + PROOF] = body(received)?;
        let (nonce, proof) = both.split_at(NONCE);
        let Ok(listener) = Nonce::try_from(nonce) else { return Ok(None) };
        let input = ProofInput { address, caller: self.nonce, listener };
        if !input.fits(&token.secret, Prover::Listener, proof)? {
            return Ok(None);
        }
        Ok(Some(frame(&input.make(&token.secret, Prover::Caller)?)))
    }
}

#[derive(Default)]
pub enum ListenerProof {
    /// The peer's number has not arrived.
    #[default]
    New,
    /// The peer's proof has not arrived.
    ProofRequested(ProofRequested),
}

pub struct ProofRequested {
    input: ProofInput,
}

pub enum ProofStep {
    Send(Vec<u8>),
    /// The peer has the token; its hello follows.
    Proven,
}

impl ListenerProof {
    /// Takes the next frame of the peer.
    ///
    /// # Errors
    /// `PermissionDenied` for a peer without the token.
    pub fn receive(
        &mut self,
        received: &Incoming,
        address: SocketAddr,
        token: &TcpToken,
    ) -> Result<ProofStep> {
        match self {
            ListenerProof::New => {
                let input = ProofInput { address, caller: body(received)?, listener: random::bytes()? };
                let proof = input.make(&token.secret, Prover::Listener)?;
                let reply = frame(&[input.listener, proof].concat());
                *self = ListenerProof::ProofRequested(ProofRequested { input });
                Ok(ProofStep::Send(reply))
            }
            ListenerProof::ProofRequested(ProofRequested { input }) => {
                let proof: [u8; PROOF] = body(received)?;
                if input.fits(&token.secret, Prover::Caller, &proof)? {
                    return Ok(ProofStep::Proven);
                }
                let text = format!(
                    "the caller does not know the token in {}; programs of one user find it by themselves, for several users share a directory with `linkspan setup --group NAME`",
                    token.path.display()
                );
                Err(Error::new(ErrorKind::PermissionDenied, text))
            }
        }
    }
}

#[cfg(test)]
fn read(bytes: Vec<u8>) -> Incoming {
    use crate::frame::HEADER;
    use bytes::Bytes;
    let header = Header::from_bytes(bytes[..HEADER].try_into().unwrap()).unwrap();
    let bytes = Bytes::from(bytes);
    Incoming { header, extension: Bytes::new(), body: bytes.slice(header.body_offset()..).into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(byte: u8) -> TcpToken {
        TcpToken { secret: [byte; LENGTH], path: "/x/.token".into() }
    }

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    /// Runs the exchange. Returns the listener's verdict on the caller's proof, if the caller sends one.
    fn exchange(caller: (&str, u8), listener: (&str, u8)) -> Option<Result<bool>> {
        let (calling, first) = Caller::begin().unwrap();
        let mut listening = ListenerProof::default();
        let ProofStep::Send(reply) =
            listening.receive(&read(first), at(listener.0), &token(listener.1)).unwrap()
        else {
            panic!("nothing is proven yet")
        };
        let proof = calling.answer(&read(reply), at(caller.0), &token(caller.1)).unwrap()?;
        let received = listening.receive(&read(proof), at(listener.0), &token(listener.1));
        Some(received.map(|step| matches!(step, ProofStep::Proven)))
    }

    #[test]
    fn same_token_and_address_are_admitted() {
        for address in ["127.0.0.1:7000", "[::1]:7000"] {
            assert!(exchange((address, 1), (address, 1)).unwrap().unwrap());
        }
    }

    #[test]
    fn caller_sends_no_proof_to_foreign_or_forwarding_listener() {
        assert!(exchange(("127.0.0.1:7000", 1), ("127.0.0.1:7000", 2)).is_none());
        // A process at port 7000 that forwards everything to the right listener at port 7001.
        assert!(exchange(("127.0.0.1:7000", 1), ("127.0.0.1:7001", 1)).is_none());
        assert!(exchange(("127.0.0.1:7000", 1), ("127.0.0.2:7000", 1)).is_none());
    }

    #[test]
    fn listener_refuses_wrong_and_replayed_proofs() {
        let address = at("127.0.0.1:7000");
        let (_, first) = Caller::begin().unwrap();
        let mut listening = ListenerProof::default();
        let ProofStep::Send(reply) = listening.receive(&read(first.clone()), address, &token(1)).unwrap()
        else {
            panic!()
        };
        let reply = read(reply);
        for wrong in [vec![0; PROOF], reply.body.whole()[NONCE..].to_vec(), vec![0; PROOF - 1], Vec::new()] {
            let error = listening.receive(&read(frame(&wrong)), address, &token(1)).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        }
        // A repeated request gets a different answer, so no answer can be replayed.
        let mut again = ListenerProof::default();
        let ProofStep::Send(second) = again.receive(&read(first), address, &token(1)).unwrap() else {
            panic!()
        };
        assert_ne!(read(second).body, reply.body);
    }

    #[test]
    fn frame_of_another_kind_is_refused() {
        let hello = Outgoing::new(Header::new(Kind::Hello, Encoding::Cbor), &[0xa0; NONCE]).head();
        let hello = read([hello, vec![0xa0; NONCE]].concat());
        let mut listening = ListenerProof::default();
        let error = listening.receive(&hello, at("127.0.0.1:1"), &token(1)).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        let (caller, _) = Caller::begin().unwrap();
        assert!(caller.answer(&hello, at("127.0.0.1:1"), &token(1)).is_err());
    }

    #[test]
    fn documents_show_proofs() {
        let secret: [u8; LENGTH] = std::array::from_fn(|i| i as u8);
        let input = ProofInput {
            address: "127.0.0.1:7000".parse().unwrap(),
            caller: [0xaa; NONCE],
            listener: [0xbb; NONCE],
        };
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let text = format!(
            "token              {}\naddress            {}\ncaller's number    {}\nlistener's number  {}\nlistener's proof   {}\ncaller's proof     {}\n",
            hex(&secret),
            input.address,
            hex(&input.caller),
            hex(&input.listener),
            hex(&input.make(&secret, Prover::Listener).unwrap()),
            hex(&input.make(&secret, Prover::Caller).unwrap()),
        );
        crate::documents::check("proof", &crate::documents::fenced(&text));
    }
}

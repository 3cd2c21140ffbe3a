//! How two sides of a loopback connection show each other that they know the token, without saying it.
//!
//! | from | frame of kind hello, encoding raw, its body |
//! |---|---|
//! | the caller | 32 random bytes |
//! | the listener | 32 random bytes, then its proof |
//! | the caller | its proof; its hello follows at once |
//!
//! A proof is HMAC-SHA-256, keyed with the token, of a text that names the side, the listener's address as that side sees
//! it, and both random numbers. So neither can be used by the other side, nor again, nor for a listener at another port:
//! whoever sits at the address that a caller wants can neither answer by itself nor pass the question on.

use std::net::SocketAddr;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::token::{LENGTH, Token, random};
use crate::codec::Encoding;
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Header, Incoming, Kind, Outgoing};

/// Bytes of a random number.
const NONCE: usize = 32;
/// Bytes of a proof.
const PROOF: usize = 32;

type Nonce = [u8; NONCE];

/// Which side a proof is from.
#[derive(Clone, Copy)]
enum Side {
    Caller,
    Listener,
}

/// What both sides know of a connection.
struct Between {
    address: SocketAddr,
    caller: Nonce,
    listener: Nonce,
}

impl Between {
    fn proof(&self, secret: &[u8; LENGTH], side: Side) -> Result<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret)
            .map_err(|_| Error::new(ErrorKind::Internal, "a token is no key"))?;
        mac.update(b"linkspan token proof 1 ");
        mac.update(match side {
            Side::Caller => b"caller  ",
            Side::Listener => b"listener",
        });
        mac.update(self.address.to_string().as_bytes());
        mac.update(&[0]);
        mac.update(&self.caller);
        mac.update(&self.listener);
        Ok(mac)
    }

    fn make(&self, secret: &[u8; LENGTH], side: Side) -> Result<[u8; PROOF]> {
        Ok(self.proof(secret, side)?.finalize().into_bytes().into())
    }

    /// Whether a proof fits, in a time that does not tell how much of it does.
    fn fits(&self, secret: &[u8; LENGTH], side: Side, proof: &[u8]) -> Result<bool> {
        Ok(self.proof(secret, side)?.verify_slice(proof).is_ok())
    }
}

fn frame(body: &[u8]) -> Vec<u8> {
    let frame = Outgoing::new(Header::new(Kind::Hello, Encoding::Raw), body);
    [&frame.head(), body].concat()
}

/// The body of a frame of this exchange.
fn body<const N: usize>(frame: &Incoming) -> Result<[u8; N]> {
    let fits = frame.header.kind == Kind::Hello && frame.header.encoding == Encoding::Raw;
    <[u8; N]>::try_from(&frame.body[..]).ok().filter(|_| fits).ok_or_else(|| {
        let text = "a TCP connection on this machine begins with the proof of a token, and this one does not; both sides need the same version of Linkspan";
        Error::new(ErrorKind::PermissionDenied, text)
    })
}

/// The side that connects.
pub struct Caller {
    nonce: Nonce,
}

impl Caller {
    /// Begins; gives what is to be sent first.
    pub fn begin() -> Result<(Caller, Vec<u8>)> {
        let nonce = random()?;
        Ok((Caller { nonce }, frame(&nonce)))
    }

    /// Checks the listener's proof; gives our own. None where the listener does not know our token: then nothing more may
    /// be said to it.
    pub fn answer(&self, heard: &Incoming, address: SocketAddr, token: &Token) -> Result<Option<Vec<u8>>> {
        let both: [u8; NONCE + PROOF] = body(heard)?;
        let (nonce, proof) = both.split_at(NONCE);
        let Ok(listener) = Nonce::try_from(nonce) else { return Ok(None) };
        let between = Between { address, caller: self.nonce, listener };
        if !between.fits(&token.secret, Side::Listener, proof)? {
            return Ok(None);
        }
        Ok(Some(frame(&between.make(&token.secret, Side::Caller)?)))
    }
}

/// The side that listens.
#[derive(Default)]
pub enum Listener {
    /// The caller's random number is still to come.
    #[default]
    Fresh,
    /// Its proof is.
    Asked(Asked),
}

/// What a caller was asked.
pub struct Asked {
    between: Between,
}

/// What a listener makes of a frame.
pub enum Step {
    /// Send this; another frame is to come.
    Say(Vec<u8>),
    /// The caller knows the token: its hello follows.
    Proven,
}

impl Listener {
    /// Takes the next frame. `PermissionDenied` for one who does not know the token.
    pub fn hear(&mut self, heard: &Incoming, address: SocketAddr, token: &Token) -> Result<Step> {
        match self {
            Listener::Fresh => {
                let between = Between { address, caller: body(heard)?, listener: random()? };
                let proof = between.make(&token.secret, Side::Listener)?;
                let said = frame(&[between.listener, proof].concat());
                *self = Listener::Asked(Asked { between });
                Ok(Step::Say(said))
            }
            Listener::Asked(Asked { between }) => {
                let proof: [u8; PROOF] = body(heard)?;
                if between.fits(&token.secret, Side::Caller, &proof)? {
                    return Ok(Step::Proven);
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

/// A frame as it is read.
#[cfg(test)]
fn read(bytes: Vec<u8>) -> Incoming {
    use crate::frame::HEADER;
    use bytes::Bytes;
    let header = Header::from_bytes(bytes[..HEADER].try_into().unwrap()).unwrap();
    let bytes = Bytes::from(bytes);
    Incoming { header, extension: Bytes::new(), body: bytes.slice(header.body_offset()..) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(byte: u8) -> Token {
        Token { secret: [byte; LENGTH], path: "/x/.token".into() }
    }

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    /// Runs the exchange; the caller's proof as the listener takes it.
    fn exchange(caller: (&str, u8), listener: (&str, u8)) -> Option<Result<bool>> {
        let (calling, first) = Caller::begin().unwrap();
        let mut listening = Listener::default();
        let Step::Say(said) = listening.hear(&read(first), at(listener.0), &token(listener.1)).unwrap()
        else {
            panic!("nothing is proven yet")
        };
        let proof = calling.answer(&read(said), at(caller.0), &token(caller.1)).unwrap()?;
        let heard = listening.hear(&read(proof), at(listener.0), &token(listener.1));
        Some(heard.map(|step| matches!(step, Step::Proven)))
    }

    #[test]
    fn the_same_token_at_the_same_address_is_let_in() {
        for address in ["127.0.0.1:7000", "[::1]:7000"] {
            assert!(exchange((address, 1), (address, 1)).unwrap().unwrap());
        }
    }

    #[test]
    fn a_caller_says_nothing_to_another_s_listener_nor_through_one() {
        assert!(exchange(("127.0.0.1:7000", 1), ("127.0.0.1:7000", 2)).is_none());
        // One at port 7000 that passes all on to the right listener at port 7001.
        assert!(exchange(("127.0.0.1:7000", 1), ("127.0.0.1:7001", 1)).is_none());
        assert!(exchange(("127.0.0.1:7000", 1), ("127.0.0.2:7000", 1)).is_none());
    }

    #[test]
    fn a_listener_lets_nobody_in_without_a_proof_of_the_caller_s_own() {
        let address = at("127.0.0.1:7000");
        let (_, first) = Caller::begin().unwrap();
        let mut listening = Listener::default();
        let Step::Say(said) = listening.hear(&read(first.clone()), address, &token(1)).unwrap() else {
            panic!()
        };
        let said = read(said);
        for wrong in [vec![0; PROOF], said.body[NONCE..].to_vec(), vec![0; PROOF - 1], Vec::new()] {
            let error = listening.hear(&read(frame(&wrong)), address, &token(1)).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        }
        // The same question twice is answered differently, so no answer can be used again.
        let mut again = Listener::default();
        let Step::Say(second) = again.hear(&read(first), address, &token(1)).unwrap() else { panic!() };
        assert_ne!(read(second).body, said.body);
    }

    #[test]
    fn what_is_no_proof_is_said_to_be_none() {
        let hello = Outgoing::new(Header::new(Kind::Hello, Encoding::Cbor), &[0xa0; NONCE]).head();
        let hello = read([hello, vec![0xa0; NONCE]].concat());
        let mut listening = Listener::default();
        let error = listening.hear(&hello, at("127.0.0.1:1"), &token(1)).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        let (caller, _) = Caller::begin().unwrap();
        assert!(caller.answer(&hello, at("127.0.0.1:1"), &token(1)).is_err());
    }

    #[test]
    fn the_documents_show_proofs() {
        let secret: [u8; LENGTH] = std::array::from_fn(|i| i as u8);
        let between = Between {
            address: "127.0.0.1:7000".parse().unwrap(),
            caller: [0xaa; NONCE],
            listener: [0xbb; NONCE],
        };
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let text = format!(
            "token              {}\naddress            {}\ncaller's number    {}\nlistener's number  {}\nlistener's proof   {}\ncaller's proof     {}\n",
            hex(&secret),
            between.address,
            hex(&between.caller),
            hex(&between.listener),
            hex(&between.make(&secret, Side::Listener).unwrap()),
            hex(&between.make(&secret, Side::Caller).unwrap()),
        );
        crate::documents::check("proof", &crate::documents::fenced(&text));
    }
}

//! A hello among whatever lies in a pipe, and the number that its answer names.

use bytes::Bytes;
use memchr::memmem;

use crate::error::{Error, ErrorKind, Result};
use crate::frame::{HEADER, Header, Incoming, Kind, flags};
use crate::sys::fifo::WHOLE;

/// What a frame begins with.
const MAGIC: &[u8] = b"LKSP";

/// A number for one attempt to connect, drawn by chance, never zero.
pub fn nonce() -> Result<u64> {
    let mut bytes = [0; 8];
    match rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()) {
        Ok(8) => Ok(u64::from_le_bytes(bytes) | 1),
        _ => Err(Error::new(ErrorKind::Internal, "the kernel gave no random number")),
    }
}

/// A hello or its answer as it goes through a pipe: with the check sum of its body, and the number: as its own in a
/// hello, as what it answers in an answer. Short enough to go in one piece.
pub fn stamp(frame: &[u8], set: impl FnOnce(&mut Header)) -> Result<Vec<u8>> {
    let malformed = || Error::new(ErrorKind::Internal, "a hello was to be sent that is none");
    let mut header = Header::from_bytes(frame.first_chunk::<HEADER>().ok_or_else(malformed)?)?;
    let body = frame.get(header.body_offset()..).ok_or_else(malformed)?;
    if frame.len() > WHOLE {
        let text = format!("a hello of {} bytes; through a pipe go {WHOLE} in one piece", frame.len());
        return Err(Error::new(ErrorKind::TooLarge, text));
    }
    header.flags |= flags::BODY_CHECKED;
    header.body_check = crc32c::crc32c(body);
    set(&mut header);
    let mut stamped = header.to_bytes().to_vec();
    stamped.extend_from_slice(&frame[HEADER..]);
    Ok(stamped)
}

/// Looks for hellos in what comes out of a pipe.
#[derive(Debug, Default)]
pub struct Search {
    bytes: Vec<u8>,
}

impl Search {
    /// Takes what was read.
    pub fn take(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The newest whole hello, and forgets everything up to now; none where there is none. Who said an earlier one has
    /// died since: a name has one client at a time.
    pub fn newest(&mut self) -> Option<Incoming> {
        let found = memmem::rfind_iter(&self.bytes, MAGIC).find_map(|at| whole(&self.bytes[at..]));
        match found {
            Some(_) => self.bytes.clear(),
            // One whose beginning is here has less than all of itself.
            None => {
                self.bytes.drain(..self.bytes.len().saturating_sub(WHOLE - 1));
            }
        }
        found
    }
}

/// The hello at the start of these bytes, if one is there, whole and undamaged.
fn whole(bytes: &[u8]) -> Option<Incoming> {
    let header = Header::from_bytes(bytes.first_chunk::<HEADER>()?).ok()?;
    let length = header.body_offset().checked_add(usize::try_from(header.body).ok()?)?;
    if header.kind != Kind::Hello || header.sequence == 0 || length > WHOLE {
        return None;
    }
    let frame = Bytes::copy_from_slice(bytes.get(..length)?);
    let body = frame.slice(header.body_offset()..);
    if header.flags & flags::BODY_CHECKED == 0 || crc32c::crc32c(&body) != header.body_check {
        return None;
    }
    Some(Incoming { extension: frame.slice(HEADER..HEADER + header.extension), body, header })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Encoding;

    fn hello(nonce: u64, body: &[u8]) -> Vec<u8> {
        let header = Header { body: body.len() as u64, ..Header::new(Kind::Hello, Encoding::Raw) };
        let frame = [&header.to_bytes()[..], body].concat();
        stamp(&frame, |h| h.sequence = nonce).unwrap()
    }

    fn found(search: &mut Search) -> Option<u64> {
        search.newest().map(|hello| hello.header.sequence)
    }

    #[test]
    fn a_hello_is_found_behind_whatever_the_dead_left() {
        let good = hello(7, b"who is there");
        let mut half = hello(5, &[1; 500]);
        half.truncate(300);
        let mut damaged = hello(5, b"damaged");
        *damaged.last_mut().unwrap() ^= 1;
        let mut frame = good.clone();
        frame[5] = Kind::Data as u8;
        for junk in [
            &b""[..],
            b"LKSPLKSP",
            b"{\"op\":\"x\"}\n",
            &half,
            &damaged,
            &frame,
            &hello(5, b"an earlier one"),
        ] {
            let mut search = Search::default();
            // However it is cut by reading.
            for piece in [junk, &good].concat().chunks(61) {
                search.take(piece);
                if junk.len() < 100 {
                    continue;
                }
                // What is read of half a frame is no hello, nor does it hide one.
                assert!(matches!(found(&mut search), None | Some(5 | 7)));
            }
            search.take(&good);
            assert_eq!(found(&mut search), Some(7));
            assert_eq!(found(&mut search), None, "each is found once");
        }
    }

    #[test]
    fn the_newest_wins() {
        let mut search = Search::default();
        search.take(&[hello(1, b"a"), hello(2, b"b")].concat());
        assert_eq!(found(&mut search), Some(2));
    }

    #[test]
    fn junk_is_forgotten() {
        let mut search = Search::default();
        for _ in 0..100 {
            search.take(&[b'x'; 1000]);
            assert_eq!(found(&mut search), None);
            assert!(search.bytes.len() < WHOLE);
        }
    }

    #[test]
    fn what_does_not_go_in_one_piece_is_refused() {
        let header = Header { body: WHOLE as u64, ..Header::new(Kind::Hello, Encoding::Raw) };
        let frame = [&header.to_bytes()[..], &[0; WHOLE]].concat();
        assert_eq!(stamp(&frame, |_| {}).unwrap_err().kind(), ErrorKind::TooLarge);
    }
}

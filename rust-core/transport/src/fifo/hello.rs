//! Finds a hello among other bytes in a pipe; its number identifies the answer.
//!
//! A pipe may contain bytes of dead writers. A hello is therefore at most one atomic write (`PIPE_BUF`), has
//! a check sum, and is found by its first four bytes.

use bytes::Bytes;
use memchr::memmem;

use crate::error::{Error, ErrorKind, Result};
use crate::frame::{HEADER, Header, Incoming, Kind, flags};
use crate::sys::fifo::PIPE_BUF;

const MAGIC: &[u8] = b"LKSP";

/// Returns a hello or its answer for a pipe, with the check sum of its body.
///
/// `set` writes into the header: the number of a hello, or the correlation of an answer.
///
/// # Errors
/// `TooLarge` if it does not fit into one atomic write.
pub fn stamp(frame: &[u8], set: impl FnOnce(&mut Header)) -> Result<Vec<u8>> {
    let malformed = || Error::new(ErrorKind::Internal, "a hello was to be sent that is none");
    let mut header = Header::from_bytes(frame.first_chunk::<HEADER>().ok_or_else(malformed)?)?;
    let body = frame.get(header.body_offset()..).ok_or_else(malformed)?;
    if frame.len() > PIPE_BUF {
        let text = format!("a hello of {} bytes; through a pipe go {PIPE_BUF} in one piece", frame.len());
        return Err(Error::new(ErrorKind::TooLarge, text));
    }
    header.flags |= flags::BODY_CHECKED;
    header.body_check = crc32c::crc32c(body);
    set(&mut header);
    let mut stamped = header.to_bytes().to_vec();
    stamped.extend_from_slice(&frame[HEADER..]);
    Ok(stamped)
}

/// Searches for hellos in the bytes of a pipe. Between calls it holds fewer bytes than one hello.
#[derive(Debug, Default)]
pub struct Search {
    bytes: Vec<u8>,
}

impl Search {
    pub fn take(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Returns the newest complete hello and drops everything up to it.
    ///
    /// Senders of earlier hellos are dead, because a name has one client at a time.
    pub fn newest(&mut self) -> Option<Incoming> {
        let found = memmem::rfind_iter(&self.bytes, MAGIC).find_map(|at| whole(&self.bytes[at..]));
        match found {
            Some(_) => self.bytes.clear(),
            // A hello that begins here is incomplete, so fewer bytes than `PIPE_BUF` are kept.
            None => {
                self.bytes.drain(..self.bytes.len().saturating_sub(PIPE_BUF - 1));
            }
        }
        found
    }
}

fn whole(bytes: &[u8]) -> Option<Incoming> {
    let header = Header::from_bytes(bytes.first_chunk::<HEADER>()?).ok()?;
    let length = header.body_offset().checked_add(usize::try_from(header.body).ok()?)?;
    if header.kind != Kind::Hello || header.sequence == 0 || length > PIPE_BUF {
        return None;
    }
    let frame = Bytes::copy_from_slice(bytes.get(..length)?);
    let body = frame.slice(header.body_offset()..);
    if header.flags & flags::BODY_CHECKED == 0 || crc32c::crc32c(&body) != header.body_check {
        return None;
    }
    Some(Incoming { extension: frame.slice(HEADER..HEADER + header.extension), body: body.into(), header })
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
    fn hello_is_found_behind_leftover_bytes() {
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
            for piece in [junk, &good].concat().chunks(61) {
                search.take(piece);
                if junk.len() < 100 {
                    continue;
                }
                // Half a frame is not a hello, and hides no later hello.
                assert!(matches!(found(&mut search), None | Some(5 | 7)));
            }
            search.take(&good);
            assert_eq!(found(&mut search), Some(7));
            assert_eq!(found(&mut search), None, "each is found once");
        }
    }

    #[test]
    fn newest_hello_is_returned() {
        let mut search = Search::default();
        search.take(&[hello(1, b"a"), hello(2, b"b")].concat());
        assert_eq!(found(&mut search), Some(2));
    }

    #[test]
    fn other_bytes_are_dropped() {
        let mut search = Search::default();
        for _ in 0..100 {
            search.take(&[b'x'; 1000]);
            assert_eq!(found(&mut search), None);
            assert!(search.bytes.len() < PIPE_BUF);
        }
    }

    #[test]
    fn hello_above_pipe_buf_is_refused() {
        let header = Header { body: PIPE_BUF as u64, ..Header::new(Kind::Hello, Encoding::Raw) };
        let frame = [&header.to_bytes()[..], &[0; PIPE_BUF]].concat();
        assert_eq!(stamp(&frame, |_| {}).unwrap_err().kind(), ErrorKind::TooLarge);
    }
}

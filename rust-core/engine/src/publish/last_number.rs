//! The number of a publisher's last message, where its subscribers find it after its end: in a page of memory that
//! outlives a SIGKILL, and in the frame with which a publisher that ends says farewell.
//!
//! A publisher over streams keeps what a slow subscriber has not taken in its own memory. Where it ends before it has
//! sent that, its subscribers see the end of their streams behind an earlier message. One word in a memory file, which
//! the publisher stores with each message and which came with the answer to the hello, says what they lack. Where
//! there is no such file (over `tcp:`, or where there is no memory for it), `bye` has the number; without it the end is
//! not known.

use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;

use crate::error::{Doing, Error, ErrorKind, Result};
use crate::frame::{Header, Kind, Outgoing};
use crate::sys::memory::{MemoryFile, PeerFile, PeerMemory};

/// The bytes of the file: one page of the smallest size, of which the first word is used.
const BYTES: usize = 4096;
/// A page of the largest size.
const MOST: usize = 64 << 10;

/// The publisher's page. It is made for the first subscriber that takes it.
#[derive(Default)]
pub struct LastNumber(Option<MemoryFile>);

impl LastNumber {
    /// Returns the file for a subscriber. `last` is the number of the last message so far.
    ///
    /// # Errors
    /// `OutOfMemory`, those of duplicating descriptors.
    pub fn for_peer(&mut self, last: u64) -> Result<OwnedFd> {
        let file = match &self.0 {
            Some(file) => file,
            None => {
                let file = MemoryFile::create("linkspan-last", BYTES.max(rustix::param::page_size()))?;
                file.word(0).store(last, Ordering::Release);
                self.0.insert(file)
            }
        };
        file.fd().try_clone_to_owned().doing("duplicating a memory file")
    }

    /// Notes that the message of this number is accepted.
    pub fn set(&self, number: u64) {
        if let Some(file) = &self.0 {
            file.word(0).store(number, Ordering::Release);
        }
    }
}

/// Returns the frame that ends a stream: nothing was published behind this number.
pub fn bye(number: u64) -> Outgoing<'static> {
    let header = Header { correlation: number, ..Header::new(Kind::Bye, crate::codec::Encoding::Raw) };
    Outgoing::new(header, &[])
}

/// What a subscriber has of its publisher's last number.
#[derive(Default)]
pub struct PeerLast {
    page: Option<PeerMemory>,
    said: Option<u64>,
}

impl PeerLast {
    /// Takes what came with the answer to the hello; one file, or none.
    ///
    /// # Errors
    /// `Malformed` where it is no memory file of that size, or there are several.
    pub fn of(descriptors: Vec<OwnedFd>) -> Result<PeerLast> {
        if descriptors.len() > 1 {
            let text = format!("the publisher sent {} memory files, one is allowed", descriptors.len());
            return Err(Error::new(ErrorKind::Malformed, text));
        }
        let page = descriptors.into_iter().next();
        let page = page.map(|fd| PeerMemory::open(&PeerFile::from(fd), BYTES, MOST)).transpose()?;
        Ok(PeerLast { page, said: None })
    }

    /// Notes the number in a farewell.
    pub fn said(&mut self, bye: &Header) {
        self.said = Some(bye.correlation);
    }

    /// Returns the number of the last message, once the publisher has ended; none where it is not known.
    pub fn number(&self) -> Option<u64> {
        self.page.as_ref().map(|page| page.load(0, Ordering::Acquire)).max(self.said)
    }
}

#[cfg(test)]
mod tests {
    use rustix::fs::SealFlags;

    use super::*;

    #[test]
    fn number_outlives_the_publisher_and_grows_beyond_what_a_farewell_says() {
        let mut last = LastNumber::default();
        last.set(3);
        let mut peer = PeerLast::of(vec![last.for_peer(3).unwrap()]).unwrap();
        assert_eq!(peer.number(), Some(3));
        last.set(u64::MAX);
        drop(last);
        peer.said(&bye(5).header);
        assert_eq!(peer.number(), Some(u64::MAX));
        let mut without = PeerLast::of(Vec::new()).unwrap();
        assert_eq!(without.number(), None);
        without.said(&bye(0).header);
        assert_eq!(without.number(), Some(0));
    }

    #[test]
    fn file_that_its_publisher_could_shorten_is_refused() {
        for (bytes, seals) in
            [(BYTES, SealFlags::empty()), (8, SealFlags::SHRINK), (1 << 20, SealFlags::SHRINK)]
        {
            let forged = MemoryFile::forged(bytes, seals, false).unwrap();
            let refused = PeerLast::of(vec![forged.fd().try_clone_to_owned().unwrap()]).map(drop);
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::Malformed);
        }
    }
}

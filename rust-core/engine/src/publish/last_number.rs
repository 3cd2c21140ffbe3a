//! The number of a publisher's last message, which its subscribers find after its end.
//!
//! A publisher over streams keeps messages for slow subscribers in its own memory. If it ends before it has sent them,
//! a word in a memory file tells the subscribers what they lack. The publisher stores it with each message and sends
//! the file with its answer to the hello; the page outlives a SIGKILL. Without the file (over `tcp:`, or without memory
//! for it), the frame `bye` has the number. Without both, the end is unknown.

use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;

use crate::error::{Doing, Error, ErrorKind, Result};
use crate::frame::{Header, Kind, Outgoing};
use crate::sys::memory::{MemoryFile, PeerFile, PeerMemory};

const BYTES: usize = 4096;
const MOST: usize = 64 << 10;

/// The publisher's page, made for the first subscriber that takes it.
#[derive(Default)]
pub struct LastNumber(Option<MemoryFile>);

impl LastNumber {
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

    pub fn set(&self, number: u64) {
        if let Some(file) = &self.0 {
            file.word(0).store(number, Ordering::Release);
        }
    }
}

/// Returns the last frame of a stream: no message followed this number.
pub fn bye(number: u64) -> Outgoing<'static> {
    let header = Header { correlation: number, ..Header::new(Kind::Bye, crate::codec::Encoding::Raw) };
    Outgoing::new(header, &[])
}

#[derive(Default)]
pub struct PeerLast {
    page: Option<PeerMemory>,
    said: Option<u64>,
}

impl PeerLast {
    /// Takes the descriptors of the answer to the hello. `Malformed` for several, and for anything but a memory file of
    /// this size.
    pub fn of(descriptors: Vec<OwnedFd>) -> Result<PeerLast> {
        if descriptors.len() > 1 {
            let text = format!("the publisher sent {} memory files, one is allowed", descriptors.len());
            return Err(Error::new(ErrorKind::Malformed, text));
        }
        let page = descriptors.into_iter().next();
        let page = page.map(|fd| PeerMemory::open(&PeerFile::from(fd), BYTES, MOST)).transpose()?;
        Ok(PeerLast { page, said: None })
    }

    pub fn said(&mut self, bye: &Header) {
        self.said = Some(bye.correlation);
    }

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

//! Shared memory of other programs, read-only: bytes, text, or the fields of a struct.
//!
//! No file is mapped: every read is a copy by a system call. If the owner truncates or changes its memory, this process
//! gets an error or a changed value, but no fault.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "in a test a panic is the report"))]
#![deny(missing_debug_implementations)]
#![forbid(unsafe_code)]

mod layout;
mod place;

use place::RegionMemory;

use linkspan_value::error::memory;
use linkspan_value::{Error, ErrorKind, Result, Value};

pub use layout::Layout;

/// Memory that another program shares, for reading.
///
/// ```no_run
/// # extern crate linkspan_region as linkspan;
/// # fn main() -> linkspan_value::Result<()> {
/// let table = linkspan::Region::open("posix:/vendor_sensors")?;
/// let layout: linkspan::Layout = "u32 count; f64 celsius; char name[16]; i16 raw[8] @64".parse()?;
/// let reading = table.read(&layout)?;
/// println!("{} °C", reading.at("celsius")?.as_f64()?);
/// # Ok(())
/// # }
/// ```
///
/// Every call copies the memory as it is then, so later changes by the owner, even a truncation, are harmless. A struct
/// that is written during a read may be half old and half new. [`Region::read_stable`] prevents this if the owner
/// counts its writes. System V memory is copied in words of eight bytes, so a field within such a word is never torn.
/// For a file the kernel guarantees nothing. Any number of threads may read one region.
#[derive(Debug)]
pub struct Region {
    source: String,
    memory: RegionMemory,
}

/// The most bytes in a search for the end of a text.
const LONGEST_TEXT: u64 = 16 << 20;

const TRIES: u32 = 64;

impl Region {
    /// Opens `posix:/name`, `sysv:0x1234`, `path:/dev/shm/x` or `/dev/shm/x`.
    ///
    /// `shm_open` takes the POSIX name, and `shmget` the System V key, decimal or hexadecimal.
    ///
    /// # Errors
    ///
    /// `NotFound` if the memory does not exist, `PermissionDenied` if it may not be read. `InvalidEndpoint` if the text
    /// has another form or does not name a regular file. `Stalled` if another process has a lease on the file.
    pub fn open(source: &str) -> Result<Region> {
        let memory = RegionMemory::open(source).map_err(|e| e.on(source))?;
        Ok(Region { source: source.to_owned(), memory })
    }

    /// Returns the text that opened it.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Returns the present number of bytes; the length of a file may change.
    pub fn len(&self) -> Result<u64> {
        self.memory.len().map_err(|e| e.on(&self.source))
    }

    /// Returns whether its length is zero.
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Returns a copy of `length` bytes from `offset` on; `OutOfRange` if some do not exist.
    pub fn bytes(&self, offset: u64, length: usize) -> Result<Vec<u8>> {
        self.copy(offset, length).map_err(|e| e.on(&self.source))
    }

    /// Errors do not name the region.
    fn copy(&self, offset: u64, length: usize) -> Result<Vec<u8>> {
        let there = self.memory.len()?;
        // Checked before the memory is allocated.
        if offset.checked_add(length as u64).is_none_or(|end| end > there) {
            return Err(out_of_range(offset, length, there));
        }
        let mut bytes = memory::zeroed(length)?;
        let copied = self.memory.copy(offset, &mut bytes)?;
        if copied < length {
            return Err(out_of_range(offset, length, offset + copied as u64));
        }
        Ok(bytes)
    }

    /// Returns the text at an offset, up to the first NUL or the end.
    ///
    /// `Malformed` for invalid UTF-8, `TooLarge` without a NUL within 16 MiB.
    pub fn text(&self, offset: u64) -> Result<String> {
        self.find_text(offset).map_err(|e| e.on(&self.source))
    }

    /// Errors do not name the region.
    fn find_text(&self, offset: u64) -> Result<String> {
        const STEP: u64 = 4096;
        let there = self.memory.len()?;
        if offset > there {
            return Err(out_of_range(offset, 0, there));
        }
        let mut text = Vec::new();
        loop {
            let at = offset + text.len() as u64;
            if text.len() as u64 >= LONGEST_TEXT && at < there {
                let what = format!(
                    "there is no zero byte in the {LONGEST_TEXT} bytes from {offset} on, so this is not a text; read it with bytes"
                );
                return Err(Error::new(ErrorKind::TooLarge, what));
            }
            let step = STEP.min(there.saturating_sub(at)).min(LONGEST_TEXT - text.len() as u64);
            let part = self.copy(at, step as usize)?;
            match memchr::memchr(0, &part) {
                Some(end) => text.extend_from_slice(&part[..end]),
                None => text.extend_from_slice(&part),
            }
            if memchr::memchr(0, &part).is_some() || part.is_empty() {
                break;
            }
        }
        String::from_utf8(text).map_err(|e| {
            let at = e.utf8_error().valid_up_to();
            let text = "the text is not UTF-8; read it with bytes";
            Error::new(ErrorKind::Malformed, text).at(offset as usize + at)
        })
    }

    /// Returns the fields of a struct at the beginning: a map in the order of the layout.
    pub fn read(&self, layout: &Layout) -> Result<Value> {
        self.read_at(0, layout)
    }

    /// As [`Region::read`], for a struct at an offset.
    ///
    /// In an array of structs, number `i` is at `i * layout.size()`.
    pub fn read_at(&self, offset: u64, layout: &Layout) -> Result<Value> {
        let values = self.copy(offset, layout.end()).and_then(|bytes| layout.values(&bytes));
        values.map_err(|e| e.on(&self.source))
    }

    /// As [`Region::read_at`], for a struct whose owner counts its writes in the field `counter`.
    ///
    /// The counter is odd during a write, and the next even number afterwards. All fields are then from one write.
    /// `Stalled` if a write disturbed every attempt.
    pub fn read_stable(&self, offset: u64, layout: &Layout, counter: &str) -> Result<Value> {
        self.try_read_stable(offset, layout, counter).map_err(|e| e.on(&self.source))
    }

    /// A sequence lock, read through system calls. Errors do not name the region.
    fn try_read_stable(&self, offset: u64, layout: &Layout, counter: &str) -> Result<Value> {
        let (at, length) = layout.counter(counter)?;
        let place = offset
            .checked_add(at as u64)
            .ok_or_else(|| out_of_range(offset, length, self.memory.len().unwrap_or(0)))?;
        let count = || self.copy(place, length);
        for _ in 0..TRIES {
            let before = count()?;
            let bytes = self.copy(offset, layout.end())?;
            // Each copy is a system call, and calls are not reordered: the counter is read before and after the fields.
            let (within, after) = (&bytes[at..at + length], count()?);
            if layout.is_even(&before) && before == within && before == after {
                return layout.values(&bytes);
            }
            std::thread::yield_now();
        }
        let text = format!(
            "the struct was being written at each of {TRIES} attempts ({counter} is odd or changes); try again, or check whether its owner died while it wrote"
        );
        Err(Error::new(ErrorKind::Stalled, text))
    }
}

fn out_of_range(offset: u64, length: usize, there: u64) -> Error {
    let text = format!(
        "{length} bytes from {offset} on were requested, and the memory has {there} bytes; check that the layout is that of the program that writes it"
    );
    Error::new(ErrorKind::OutOfRange, text)
}

/// A fuzzing target: reads any text as a layout, and the bytes after its first NUL with it.
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub fn fuzz(bytes: &[u8]) {
    let (text, memory) = bytes.split_at(bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len()));
    let Ok(layout) = String::from_utf8_lossy(text).parse::<Layout>() else { return };
    assert!(layout.end() <= layout.size(), "{layout:?}");
    assert!(layout.offsets().all(|(_, at)| at <= layout.end()), "{layout:?}");
    if layout.end() <= 1 << 16 {
        let mut memory = memory.to_vec();
        memory.resize(layout.end(), 0x41);
        drop(layout.values(&memory));
    }
}

#[cfg(test)]
#[path = "../../tests/support/seeds.rs"]
mod seeds;

#[cfg(test)]
mod tests {
    #[test]
    fn fuzz_seeds_of_layouts_are_values_or_errors() {
        super::seeds::replay("layout", super::fuzz);
    }
}

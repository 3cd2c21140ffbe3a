//! Allocations of a size that a peer or a file announces.
//!
//! A failure is the error `OutOfMemory`. The plain methods of `Vec` would end the program.

use super::{Error, ErrorKind, Result};

/// Returns the error of a failed allocation of `bytes` bytes.
#[cold]
pub fn out_of_memory(bytes: usize) -> Error {
    Error::new(
        ErrorKind::OutOfMemory,
        format!("no memory for {bytes} bytes; free some, or lower the option max_message_size"),
    )
}

/// Adds the missed messages to the error of a published message without memory: it and `more` before.
///
/// The publisher waits for nobody, so this message is missed as well.
#[cold]
pub fn missed(error: Error, more: u64) -> Error {
    error
        .with_hint("the message is missed, and the next call goes on behind it")
        .with_missed(more.saturating_add(1))
}

/// Makes room for exactly `more` more items.
pub fn reserve<T>(list: &mut Vec<T>, more: usize) -> Result<()> {
    list.try_reserve_exact(more).map_err(|_| out_of_memory(more.saturating_mul(size_of::<T>())))
}

/// Returns a copy of these bytes.
pub fn copy_bytes(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut copy = Vec::new();
    reserve(&mut copy, bytes.len())?;
    copy.extend_from_slice(bytes);
    Ok(copy)
}

/// Returns a copy of this text.
pub fn copy_text(text: &str) -> Result<String> {
    let mut copy = String::new();
    copy.try_reserve_exact(text.len()).map_err(|_| out_of_memory(text.len()))?;
    copy.push_str(text);
    Ok(copy)
}

/// Returns this number of zeros.
///
/// The kernel provides long blocks page by page at the first write, so an announced length costs little before its
/// bytes arrive.
pub fn zeroed(bytes: usize) -> Result<Vec<u8>> {
    bytemuck::try_zeroed_slice_box(bytes).map(Vec::from).map_err(|()| out_of_memory(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_allocation_is_an_error() {
        for error in [
            zeroed(isize::MAX as usize).unwrap_err(),
            reserve(&mut Vec::<u64>::new(), usize::MAX / 8).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::OutOfMemory);
        }
        assert_eq!(zeroed(3).unwrap(), [0, 0, 0]);
        assert_eq!(copy_text("é").unwrap(), "é");
    }
}

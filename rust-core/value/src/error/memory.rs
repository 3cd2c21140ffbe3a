//! Allocations whose size a peer or a file announces: a failure is the error `OutOfMemory`, and not
//! the end of the program, as it would be with the plain methods of `Vec`.

use super::{Error, ErrorKind, Result};

/// Returns the error of an allocation of `bytes` bytes that failed.
#[cold]
pub fn out_of_memory(bytes: usize) -> Error {
    Error::new(
        ErrorKind::OutOfMemory,
        format!("no memory for {bytes} bytes; free some, or lower the option max_message_size"),
    )
}

/// Adds to the error of a published message for which there was no memory that this one, and `more` before it, are
/// missed: their publisher waits for nobody.
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

/// Returns this many zeros. The kernel provides long blocks page by page when they are first
/// written, so an announced length costs little before its bytes have come.
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

//! Memory for what others announce: asked for, so that the lack of it is `OutOfMemory` and not the end of the program.

use super::{Error, ErrorKind, Result};

/// The error for memory that is not to be had.
#[cold]
pub fn out_of_memory(bytes: usize) -> Error {
    Error::new(
        ErrorKind::OutOfMemory,
        format!("no memory for {bytes} bytes; free some, or lower `limit`, the largest message"),
    )
}

/// Makes room for exactly so many more items.
pub fn reserve<T>(list: &mut Vec<T>, more: usize) -> Result<()> {
    list.try_reserve_exact(more).map_err(|_| out_of_memory(more.saturating_mul(size_of::<T>())))
}

/// A copy of these bytes.
pub fn copy_bytes(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut copy = Vec::new();
    reserve(&mut copy, bytes.len())?;
    copy.extend_from_slice(bytes);
    Ok(copy)
}

/// A copy of this text.
pub fn copy_text(text: &str) -> Result<String> {
    let mut copy = String::new();
    copy.try_reserve_exact(text.len()).map_err(|_| out_of_memory(text.len()))?;
    copy.push_str(text);
    Ok(copy)
}

/// So many zeros. Long blocks come from the kernel as they are first written, so what is announced costs nothing before
/// it is there.
pub fn zeroed(bytes: usize) -> Result<Vec<u8>> {
    bytemuck::try_zeroed_slice_box(bytes).map(Vec::from).map_err(|()| out_of_memory(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_is_not_there_is_an_error() {
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

//! What clients send is read beside the loop that serves others, where it is long.

use bytes::Bytes;
use linkspan::{Error, ErrorKind, Result};
use tokio::task::spawn_blocking;

/// What is longer is read on a thread for that: many values in it take their time, in which others are served.
const QUICKLY_READ: usize = 64 << 10;

/// Reads bytes that a client sent.
///
/// # Errors
/// Those of `decode`.
pub async fn read<T: Send + 'static>(
    bytes: Bytes,
    decode: impl FnOnce(&Bytes) -> Result<T> + Send + 'static,
) -> Result<T> {
    if bytes.len() <= QUICKLY_READ {
        return decode(&bytes);
    }
    let read = spawn_blocking(move || decode(&bytes)).await;
    let defect = |e| Err(Error::new(ErrorKind::Internal, format!("reading ended in a defect: {e}")));
    read.unwrap_or_else(defect)
}

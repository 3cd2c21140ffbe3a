//! Decodes long frames of clients in turn, off the event loop. A decoded value may need a hundred times the memory of
//! its bytes.

use bytes::Bytes;
use linkspan::{Error, ErrorKind, Result, Value};
use std::sync::{Mutex, PoisonError};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::frames::Written;

/// Frames above this many bytes are decoded on a thread, to keep the event loop responsive.
const QUICKLY_READ: usize = 64 << 10;

/// Held while a long value exists as a tree.
static TREES: Mutex<()> = Mutex::new(());
/// Bounds the blocking threads that wait for [`TREES`].
static READERS: Semaphore = Semaphore::const_new(1);

/// Calls `what` with the decoded value.
///
/// # Errors
/// Errors of the value and of `what`.
pub fn with_tree<T>(written: &Written, what: impl FnOnce(&Value) -> Result<T>) -> Result<T> {
    let _alone =
        (written.bytes() > QUICKLY_READ as u64).then(|| TREES.lock().unwrap_or_else(PoisonError::into_inner));
    what(&written.value()?)
}

/// Decodes bytes of a client.
///
/// # Errors
/// Errors of `decode`.
pub async fn read<T: Send + 'static>(
    bytes: Bytes,
    decode: impl FnOnce(&Bytes) -> Result<T> + Send + 'static,
) -> Result<T> {
    if bytes.len() <= QUICKLY_READ {
        return decode(&bytes);
    }
    let defect = |why: &str| Error::new(ErrorKind::Internal, format!("reading ended in a defect: {why}"));
    let _turn = READERS.acquire().await.map_err(|closed| defect(&closed.to_string()))?;
    let read = spawn_blocking(move || {
        let _alone = TREES.lock().unwrap_or_else(PoisonError::into_inner);
        decode(&bytes)
    });
    read.await.unwrap_or_else(|failed| Err(defect(&failed.to_string())))
}

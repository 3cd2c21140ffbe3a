//! What clients send is read besides the loop that serves others, if it is long, and one after the other: as a tree, a
//! value may take a hundred times as much as its bytes.

use bytes::Bytes;
use linkspan::{Error, ErrorKind, Result, Value};
use std::sync::{Mutex, PoisonError};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::frames::Written;

/// What is longer is read on a thread for that: many values in it take their time, in which others are served.
const QUICKLY_READ: usize = 64 << 10;

/// Long values that are trees now.
static TREES: Mutex<()> = Mutex::new(());
/// Who waits for them: the threads for that are few.
static READERS: Semaphore = Semaphore::const_new(1);

/// Does something with the tree of a value.
///
/// # Errors
/// Those of the value and of `what`.
pub fn with_tree<T>(written: &Written, what: impl FnOnce(&Value) -> Result<T>) -> Result<T> {
    let _alone =
        (written.bytes() > QUICKLY_READ as u64).then(|| TREES.lock().unwrap_or_else(PoisonError::into_inner));
    what(&written.value()?)
}

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
    let defect = |why: &str| Error::new(ErrorKind::Internal, format!("reading ended in a defect: {why}"));
    let _turn = READERS.acquire().await.map_err(|closed| defect(&closed.to_string()))?;
    let read = spawn_blocking(move || {
        let _alone = TREES.lock().unwrap_or_else(PoisonError::into_inner);
        decode(&bytes)
    });
    read.await.unwrap_or_else(|failed| Err(defect(&failed.to_string())))
}

//! Clients with a client id: a newer connection replaces the older one.
//!
//! After a reset that only the client saw, the old connection would otherwise block the client's own names.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use linkspan::{Error, ErrorKind, Result};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

/// How long a newer connection waits for the end of the older one.
const PATIENCE: Duration = Duration::from_secs(5);

/// Token and client id.
type Key = (String, String);

#[derive(Default)]
pub struct Clients(Mutex<HashMap<Key, Open>>);

struct Open {
    replaced: Arc<Notify>,
    ended: watch::Receiver<()>,
}

/// A client's connection. Dropping it signals that all of its operations have ended.
pub struct Connection {
    clients: Arc<Clients>,
    key: Key,
    replaced: Arc<Notify>,
    _ended: watch::Sender<()>,
}

impl Clients {
    fn open(&self) -> MutexGuard<'_, HashMap<Key, Open>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a connection the only one of its client. Waits until the older one has ended its publishers and served
    /// names.
    ///
    /// # Errors
    /// `Malformed` if the client id is not 16 to 64 letters and digits.
    pub async fn join(self: &Arc<Self>, token: &str, client: &str) -> Result<Connection> {
        if !(16..=64).contains(&client.len()) || !client.bytes().all(|one| one.is_ascii_alphanumeric()) {
            let text = "the client of hello has 16 to 64 letters and digits";
            return Err(Error::new(ErrorKind::Malformed, text));
        }
        let key = (token.to_owned(), client.to_owned());
        let (sender, ended) = watch::channel(());
        let replaced = Arc::new(Notify::new());
        let open = Open { replaced: replaced.clone(), ended };
        let older = self.open().insert(key.clone(), open);
        let connection = Connection { clients: self.clone(), key, replaced, _ended: sender };
        if let Some(mut older) = older {
            older.replaced.notify_one();
            // Drop closes this channel. A running call may take longer than the wait; names do not.
            let _ = timeout(PATIENCE, older.ended.changed()).await;
        }
        Ok(connection)
    }
}

impl Connection {
    pub async fn replaced(&self) {
        self.replaced.notified().await;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut open = self.clients.open();
        if open.get(&self.key).is_some_and(|known| Arc::ptr_eq(&known.replaced, &self.replaced)) {
            open.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: &str = "0123456789abcdef";

    #[tokio::test]
    async fn newer_connection_of_a_client_waits_for_the_end_of_the_older_one() {
        let clients = Arc::new(Clients::default());
        let older = clients.join("one", CLIENT).await.unwrap();
        let other = clients.join("two", CLIENT).await.unwrap();
        let ends = async {
            older.replaced().await;
            drop(older);
        };
        let (newer, ()) = tokio::join!(clients.join("one", CLIENT), ends);
        // Another token's connection stays, and the older one's end does not remove the newer one.
        assert_eq!(clients.open().len(), 2);
        drop((newer.unwrap(), other));
        assert!(clients.open().is_empty());
    }

    #[tokio::test]
    async fn client_of_another_form_is_refused() {
        let clients = Arc::new(Clients::default());
        for wrong in ["", "short", "0123456789abcde-", &"a".repeat(65)] {
            let refused = clients.join("one", wrong).await.err().map(|error| error.kind());
            assert_eq!(refused, Some(ErrorKind::Malformed), "{wrong}");
        }
        assert!(clients.open().is_empty());
    }
}

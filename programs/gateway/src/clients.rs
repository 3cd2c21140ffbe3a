//! Clients that say who they are: a newer connection of a client replaces its older one. After a reset that only one
//! side saw, the gateway would otherwise hold the names of the client against the client itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use linkspan::{Error, ErrorKind, Result};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

/// How long a newer connection waits for the end of the older one.
const PATIENCE: Duration = Duration::from_secs(5);

/// The token and the client of a connection.
type Key = (String, String);

/// The connections of clients that say who they are.
#[derive(Default)]
pub struct Clients(Mutex<HashMap<Key, Open>>);

struct Open {
    replaced: Arc<Notify>,
    ended: watch::Receiver<()>,
}

/// A connection of a client. Dropping it says that all that the connection held has ended.
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

    /// Makes a connection the only one of its client. Waits until the older one has ended, with its publishers and
    /// served names.
    ///
    /// # Errors
    /// `Malformed` for a client that is not 16 to 64 letters and digits.
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
            // Its end closes the channel. A call under way may outlast the patience; names do not.
            let _ = timeout(PATIENCE, older.ended.changed()).await;
        }
        Ok(connection)
    }
}

impl Connection {
    /// Waits until a newer connection of the client replaces this one.
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
        // The connection of another token goes on, and the end of the older one leaves the newer one known.
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

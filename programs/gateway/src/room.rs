//! Memory that the gateway holds for clients, counted per connection, per token and in total. [`HOLDERS`] lists its
//! uses.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use linkspan::{Error, ErrorKind, Result};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// The total limit in longest frames. One token gets half, and one connection a quarter.
const FRAMES: u64 = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    Frame,
    Body,
    Value,
    Request,
    Answer,
    Response,
    View,
}

/// Each holder, its content, and the effect of missing room.
pub const HOLDERS: [(Holder, &str, &str); 7] = [
    (Holder::Frame, "a frame that arrives", "nothing more is read"),
    (Holder::Body, "the body of a request over HTTP", "Full"),
    (Holder::Value, "a value to be published, called with or answered", "Full, or nothing more is read"),
    (Holder::Request, "calls of a name that a client serves", "they wait with their callers"),
    (Holder::Answer, "answers that the client has not taken", "nothing more is read"),
    (Holder::Response, "a response over HTTP", "Full"),
    (Holder::View, "what a subscription knows of each name", "Full"),
];

#[derive(Default)]
struct Held {
    total: u64,
    tokens: HashMap<String, u64>,
}

pub struct Room {
    most: u64,
    held: Mutex<Held>,
    freed: Notify,
    /// Lets one frame at a time arrive without room. Otherwise, partly arrived frames could wait for each other
    /// forever.
    last: Arc<Semaphore>,
}

pub struct Account {
    room: Arc<Room>,
    token: String,
    own: Mutex<u64>,
}

/// Held bytes; dropping it frees them.
pub struct Taken {
    account: Arc<Account>,
    holder: Holder,
    bytes: u64,
}

/// How a frame may continue to arrive.
pub enum Turn {
    Room(Taken),
    Last(Taken, OwnedSemaphorePermit),
}

impl Room {
    pub fn new(longest: usize) -> Arc<Room> {
        let most = (longest as u64).saturating_mul(FRAMES);
        Arc::new(Room {
            most,
            held: Mutex::default(),
            freed: Notify::new(),
            last: Arc::new(Semaphore::new(1)),
        })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn account(self: &Arc<Self>, token: &str) -> Arc<Account> {
        Arc::new(Account { room: self.clone(), token: token.to_owned(), own: Mutex::new(0) })
    }

    pub fn count(&self) -> u64 {
        self.held().total
    }
}

impl Account {
    /// Holds bytes. A sole holder may exceed its limit.
    ///
    /// # Errors
    /// `Full` if the connection, its token or all clients hold too much.
    pub fn take(self: &Arc<Self>, holder: Holder, bytes: u64) -> Result<Taken> {
        let mut taken = Taken { account: self.clone(), holder, bytes: 0 };
        taken.grow(bytes)?;
        Ok(taken)
    }

    /// Counts bytes that already exist, without a limit.
    pub fn take_in_any_case(self: &Arc<Self>, holder: Holder, bytes: u64) -> Taken {
        let mut taken = Taken { account: self.clone(), holder, bytes: 0 };
        taken.set(bytes);
        taken
    }

    /// Waits until a frame may continue to arrive: with room, or as the only one without.
    pub async fn turn(self: Arc<Self>, bytes: u64) -> Turn {
        let last = self.room.last.clone();
        tokio::select! {
            biased;
            taken = self.wait(Holder::Frame, bytes) => Turn::Room(taken),
            Ok(permit) = last.acquire_owned() => {
                Turn::Last(self.take_in_any_case(Holder::Frame, bytes), permit)
            }
        }
    }

    pub async fn wait(self: &Arc<Self>, holder: Holder, bytes: u64) -> Taken {
        loop {
            let freed = self.room.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            if let Ok(taken) = self.take(holder, bytes) {
                return taken;
            }
            freed.await;
        }
    }

    pub fn is_full(&self) -> bool {
        let (held, own) = (self.room.held(), *self.own.lock().unwrap_or_else(PoisonError::into_inner));
        !self.has_room(&held, own, 1)
    }

    fn has_room(&self, held: &Held, own: u64, more: u64) -> bool {
        let most = self.room.most;
        let of_token = held.tokens.get(&self.token).copied().unwrap_or(0);
        let fits = |held: u64, most: u64| held == 0 || held.saturating_add(more) <= most;
        fits(own, most / 4) && fits(of_token, most / 2) && fits(held.total, most)
    }
}

impl Taken {
    /// Holds more bytes.
    ///
    /// # Errors
    /// As [`Account::take`]; the held bytes then stay unchanged.
    pub fn grow(&mut self, more: u64) -> Result<()> {
        let (account, room) = (&self.account, &self.account.room);
        let mut held = room.held();
        let mut own = account.own.lock().unwrap_or_else(PoisonError::into_inner);
        if !account.has_room(&held, *own, more) {
            let most = room.most;
            let (_, what, _) =
                HOLDERS.into_iter().find(|(one, ..)| *one == self.holder).unwrap_or(HOLDERS[0]);
            let text = format!(
                "the gateway has no room for {what}: a connection holds {} bytes there at most, a token {} and all clients {most}; take answers, or try again",
                most / 4,
                most / 2
            );
            return Err(Error::new(ErrorKind::Full, text));
        }
        *own = own.saturating_add(more);
        held.total = held.total.saturating_add(more);
        let of_token = held.tokens.entry(account.token.clone()).or_default();
        *of_token = of_token.saturating_add(more);
        self.bytes = self.bytes.saturating_add(more);
        Ok(())
    }

    /// Changes the number of held bytes.
    ///
    /// # Errors
    /// As [`Taken::grow`].
    pub fn change(&mut self, bytes: u64) -> Result<()> {
        if bytes > self.bytes {
            return self.grow(bytes.saturating_sub(self.bytes));
        }
        if bytes < self.bytes {
            self.set(bytes);
        }
        Ok(())
    }

    /// Sets the number of held bytes, without a limit.
    pub fn set(&mut self, bytes: u64) {
        let (account, room) = (&self.account, &self.account.room);
        let mut held = room.held();
        let mut own = account.own.lock().unwrap_or_else(PoisonError::into_inner);
        let change = |held: u64| held.saturating_sub(self.bytes).saturating_add(bytes);
        (*own, held.total) = (change(*own), change(held.total));
        let of_token = change(held.tokens.get(&account.token).copied().unwrap_or(0));
        if of_token == 0 {
            held.tokens.remove(&account.token);
        } else {
            held.tokens.insert(account.token.clone(), of_token);
        }
        drop((held, own));
        if bytes < self.bytes {
            room.freed.notify_waiters();
        }
        self.bytes = bytes;
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_holder_is_bounded_for_a_connection_a_token_and_all() {
        for (holder, what, _) in HOLDERS {
            let room = Room::new(2);
            let kind =
                |taken: Result<Taken>| taken.err().map(|error| (error.kind(), error.text().contains(what)));
            let full = Some((ErrorKind::Full, true));
            let (one, two) = (room.account("greedy"), room.account("greedy"));
            let held = [one.take(holder, 3).unwrap(), one.take(holder, 1).unwrap()];
            assert_eq!(kind(one.take(holder, 1)), full, "a connection");
            let of_token = two.take(holder, 4).unwrap();
            assert_eq!(kind(room.account("greedy").take(holder, 1)), full, "a token");
            let others = room.account("panel").take(holder, 8).unwrap();
            assert_eq!(kind(room.account("late").take(holder, 1)), full, "all");
            drop((held, of_token, others));
            assert_eq!((room.count(), room.held().tokens.len()), (0, 0));
        }
    }

    #[test]
    fn holder_that_is_alone_has_room() {
        let room = Room::new(1);
        let account = room.account("one");
        let mut taken = account.take(Holder::Response, 100).unwrap();
        assert_eq!(account.take(Holder::Response, 1).err().map(|error| error.kind()), Some(ErrorKind::Full));
        taken.set(1);
        assert_eq!(room.count(), 1);
    }

    #[tokio::test]
    async fn wait_ends_when_there_is_room() {
        let room = Room::new(1);
        let account = room.account("one");
        let first = account.take(Holder::Frame, 100).unwrap();
        let (second, ()) = tokio::join!(account.wait(Holder::Frame, 1), async { drop(first) });
        assert_eq!(second.bytes, 1);
    }
}

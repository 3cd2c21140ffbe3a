//! Limits of connections: eviction for new ones, wrong tokens per peer, bytes before a token.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use linkspan::page::{Peer, Problem};
use linkspan::{Error, ErrorKind};
use tokio::sync::Notify;

use crate::arriving::Arriving;

/// The most connections without a token, of one peer and in all; and the most connections with a token.
const OF_ONE_PEER: usize = 24;
const WAITING: usize = 128;
pub const AUTHORISED: usize = 4_096;
/// With a proxy, all connections come from one peer.
const OF_ONE_PROXY: usize = WAITING / 2;
/// The most concurrent calls and look-ups. Each takes a thread.
pub const TURNS: usize = 256;
/// The most names that all clients publish and serve. A publisher takes descriptors and memory, a server takes a
/// thread.
pub const ALL_PUBLISHERS: usize = 1_024;
pub const ALL_SERVERS: usize = 512;
/// Wrong tokens within the time after which a peer must wait.
const WRONG_TOKENS: u32 = 10;
const WRONG_TIME: Duration = Duration::from_secs(60);
const PEERS: usize = 1_024;

/// Bytes that a connection may still send. The limit is low before a token.
#[derive(Default)]
pub struct Budget {
    state: Mutex<(Option<u64>, Option<Waker>)>,
    spent: Notify,
}

impl Budget {
    fn state(&self) -> MutexGuard<'_, (Option<u64>, Option<Waker>)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn set(&self, bytes: Option<u64>) {
        let mut state = self.state();
        state.0 = bytes;
        if let Some(waker) = state.1.take() {
            waker.wake();
        }
    }

    /// Returns how many bytes may be read now. At zero, `waker` is woken once there are more.
    pub fn left(&self, waker: &Waker) -> usize {
        let mut state = self.state();
        match state.0 {
            None => usize::MAX,
            Some(0) => {
                state.1 = Some(waker.clone());
                self.spent.notify_one();
                0
            }
            Some(left) => usize::try_from(left).unwrap_or(usize::MAX),
        }
    }

    /// Waits until the budget is used up and the reader wants more.
    pub async fn spent(&self) {
        self.spent.notified().await;
    }

    pub fn take(&self, bytes: usize) {
        if let Some(left) = &mut self.state().0 {
            *left = left.saturating_sub(bytes as u64);
        }
    }
}

struct Waiting {
    peer: Peer,
    evicted: Arc<Notify>,
    /// Whether it was refused and lingers, to let the client read the reason.
    lingers: Arc<AtomicBool>,
}

#[derive(Default)]
struct Open {
    /// By number, oldest first.
    waiting: BTreeMap<u64, Waiting>,
    /// Evicted connections that have not closed yet.
    leaving: BTreeSet<u64>,
    last: u64,
}

/// A bounded number of resources, counted per token. One token gets at most half.
pub struct Shares {
    held: Mutex<HashMap<String, usize>>,
    most: usize,
    what: &'static str,
    advice: &'static str,
}

/// One resource; dropping it frees it.
pub struct Share(Arc<Shares>, String);

impl Shares {
    pub fn new(most: usize, what: &'static str, advice: &'static str) -> Arc<Shares> {
        Arc::new(Shares { held: Mutex::default(), most, what, advice })
    }

    fn held(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one resource for a token.
    ///
    /// # Errors
    /// `Full` if too many are taken.
    pub fn take(self: &Arc<Self>, token: &str) -> Result<Share, Error> {
        let mut held = self.held();
        let own = held.get(token).copied().unwrap_or(0);
        let (most, what, advice) = (self.most, self.what, self.advice);
        if own >= most / 2 || held.values().sum::<usize>() >= most {
            let text =
                format!("this token has {own} {what}, of {} at most, and {most} of all; {advice}", most / 2);
            return Err(Error::new(ErrorKind::Full, text));
        }
        held.insert(token.to_owned(), own.saturating_add(1));
        Ok(Share(self.clone(), token.to_owned()))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut held = self.0.held();
        if let Some(own) = held.get_mut(&self.1) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                held.remove(&self.1);
            }
        }
    }
}

pub struct Places {
    of_one_peer: usize,
    open: Mutex<Open>,
    authorised: Arc<Shares>,
    wrong: Mutex<HashMap<Peer, (u32, Instant)>>,
}

/// An open connection; dropping it frees its place.
pub struct Place {
    all: Arc<Places>,
    number: u64,
    pub peer: Peer,
    evicted: Arc<Notify>,
    authorised: OnceLock<Share>,
    lingers: Arc<AtomicBool>,
    pub budget: Budget,
    pub arriving: Arriving,
}

impl Open {
    fn forget(&mut self, number: u64) {
        self.waiting.remove(&number);
        self.leaving.remove(&number);
    }

    fn evict_oldest_of(&mut self, peer: Peer) {
        let mut own = self.waiting.iter().filter(|(_, one)| one.peer == peer);
        // Refused connections go before connections that may still show a token.
        let first = own.clone().find(|(_, one)| one.lingers.load(Ordering::Relaxed)).or_else(|| own.next());
        let first = first.map(|(number, _)| *number);
        if let Some((number, one)) = first.and_then(|number| self.waiting.remove_entry(&number)) {
            self.leaving.insert(number);
            one.evicted.notify_one();
        }
    }

    /// Closes the oldest connection of the peer with the most connections; returns whether it found one.
    fn evict(&mut self) -> bool {
        let mut held = BTreeMap::<Peer, usize>::new();
        for one in self.waiting.values() {
            let held = held.entry(one.peer).or_default();
            *held = held.saturating_add(1);
        }
        let most = held.into_iter().max_by_key(|(_, count)| *count);
        if let Some((peer, _)) = most {
            self.evict_oldest_of(peer);
        }
        most.is_some()
    }
}

impl Places {
    pub fn new(behind_proxy: bool) -> Places {
        let of_one_peer = if behind_proxy { OF_ONE_PROXY } else { OF_ONE_PEER };
        let authorised = Shares::new(AUTHORISED, "connections", "close some");
        Places { of_one_peer, open: Mutex::default(), authorised, wrong: Mutex::default() }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a place for a new connection; if necessary, closes another connection without a token.
    pub fn admit(self: &Arc<Self>, peer: Peer) -> Arc<Place> {
        let mut open = self.open();
        let own = open.waiting.values().filter(|one| one.peer == peer).count();
        if own >= self.of_one_peer {
            open.evict_oldest_of(peer);
        } else if open.waiting.len() >= WAITING {
            open.evict();
        }
        open.last = open.last.wrapping_add(1);
        let (number, evicted, lingers) = (open.last, Arc::new(Notify::new()), Arc::<AtomicBool>::default());
        open.waiting.insert(number, Waiting { peer, evicted: evicted.clone(), lingers: lingers.clone() });
        drop(open);
        Arc::new(Place {
            all: self.clone(),
            number,
            peer,
            evicted,
            authorised: OnceLock::new(),
            lingers,
            budget: Budget::default(),
            arriving: Arriving::default(),
        })
    }

    /// Closes a connection without a token to free its descriptor.
    ///
    /// Returns whether a descriptor is free or soon will be.
    pub fn evict(&self) -> bool {
        let mut open = self.open();
        open.evict() || !open.leaving.is_empty()
    }

    /// Refuses a peer that has shown too many wrong tokens in the last minute.
    ///
    /// # Errors
    /// 429.
    pub fn check_attempts(&self, peer: Peer) -> Result<(), Problem> {
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((count, since)) = wrong.get(&peer).copied() else { return Ok(()) };
        if since.elapsed() >= WRONG_TIME {
            wrong.remove(&peer);
        } else if count >= WRONG_TOKENS {
            let text = format!(
                "{WRONG_TOKENS} wrong tokens came from here within a minute: wait for a minute, and give a right one"
            );
            return Err(Problem::new(429, ErrorKind::PermissionDenied, text));
        }
        Ok(())
    }

    pub fn wrong_token(&self, peer: Peer) {
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        if wrong.len() >= PEERS && !wrong.contains_key(&peer) {
            wrong.retain(|_, (_, since)| since.elapsed() < WRONG_TIME);
            let oldest = wrong.iter().min_by_key(|(_, (_, since))| *since).map(|(peer, _)| *peer);
            if let Some(oldest) = oldest.filter(|_| wrong.len() >= PEERS) {
                wrong.remove(&oldest);
            }
        }
        let (count, _) = wrong.entry(peer).or_insert((0, Instant::now()));
        *count = count.saturating_add(1);
    }
}

impl Place {
    /// Records that the connection has shown a token, which protects it from eviction.
    ///
    /// # Errors
    /// 503 if too many connections have a token.
    pub fn authorise(&self, token: &str) -> Result<(), Problem> {
        if self.authorised.get().is_some() {
            return Ok(());
        }
        let share = self.all.authorised.take(token);
        let share = share.map_err(|error| Problem::new(503, error.kind(), error.text()))?;
        let _ = self.authorised.set(share);
        self.all.open().forget(self.number);
        Ok(())
    }

    /// Marks the connection as refused; it lingers while the client reads the reason.
    pub fn linger(&self) {
        self.lingers.store(true, Ordering::Relaxed);
    }

    pub fn lingers(&self) -> bool {
        self.lingers.load(Ordering::Relaxed)
    }

    /// Waits until another connection takes this place.
    pub async fn evicted(&self) {
        self.evicted.notified().await;
        // A connection that shows its token at this moment keeps its place.
        if self.authorised.get().is_some() {
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.all.open().forget(self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Context;

    use super::*;

    #[test]
    fn peer_that_opens_too_many_loses_its_own_oldest() {
        let all = Arc::new(Places::new(false));
        let owner = all.admit(Peer::User(1000));
        let theirs: Vec<_> = (0..200).map(|_| all.admit(Peer::User(7))).collect();
        assert_eq!(all.open().waiting.len(), 1 + OF_ONE_PEER);
        assert!(owner.authorise("panel").is_ok() && owner.authorise("panel").is_ok());
        let last = theirs.len() - 1;
        theirs[last].linger();
        let one_more = all.admit(Peer::User(7));
        assert!(!all.open().waiting.contains_key(&theirs[last].number));
        assert!(all.open().waiting.contains_key(&theirs[last - 1].number));
        assert!(!all.open().leaving.is_empty());
        drop((theirs, one_more));
        assert!(all.open().leaving.is_empty() && !all.evict());
        assert!(all.open().waiting.is_empty() && all.authorised.held()["panel"] == 1);
        drop(owner);
        assert!(all.authorised.held().is_empty());
    }

    #[test]
    fn connection_that_shows_a_token_when_it_is_to_go_stays() {
        let all = Arc::new(Places::new(false));
        let [late, gone] = [(); 2].map(|()| all.admit(Peer::User(7)));
        let _others: Vec<_> = (0..OF_ONE_PEER).map(|_| all.admit(Peer::User(7))).collect();
        late.authorise("panel").unwrap();
        let mut context = Context::from_waker(Waker::noop());
        assert!(pin!(late.evicted()).poll(&mut context).is_pending());
        assert!(pin!(gone.evicted()).poll(&mut context).is_ready());
    }

    #[test]
    fn token_that_takes_all_it_may_leaves_half_to_others() {
        let all = Shares::new(6, "chairs", "get up");
        let mut taken: Vec<_> = (0..3).map(|_| all.take("greedy").unwrap()).collect();
        let error = all.take("greedy").err().unwrap();
        assert_eq!(error.text(), "this token has 3 chairs, of 3 at most, and 6 of all; get up");
        taken.extend(["a", "b", "a"].map(|token| all.take(token).unwrap()));
        assert_eq!(all.take("c").err().unwrap().kind(), ErrorKind::Full);
        taken.pop();
        assert!(all.take("c").is_ok());
        drop(taken);
        assert!(all.held().is_empty());
    }

    #[test]
    fn ten_wrong_tokens_make_their_peer_wait_and_no_other() {
        let all = Places::new(false);
        let (guesser, owner) = (Peer::User(7), Peer::User(1000));
        for _ in 0..WRONG_TOKENS {
            assert!(all.check_attempts(guesser).is_ok());
            all.wrong_token(guesser);
        }
        assert_eq!(all.check_attempts(guesser).unwrap_err().status(), 429);
        assert!(all.check_attempts(owner).is_ok());
        let at = |text: &str| Peer::at(text.parse().unwrap());
        assert_eq!(at("2001:db8:1:2:3:4:5:6"), at("2001:db8:1:2::9"));
        assert_ne!(at("192.0.2.1"), at("192.0.2.2"));
        for number in 0..2 * PEERS as u32 {
            all.wrong_token(Peer::User(number));
        }
        assert!(all.wrong.lock().unwrap().len() <= PEERS);
    }
}

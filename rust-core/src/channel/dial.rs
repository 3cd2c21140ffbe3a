//! Calling a listener until it answers: the side that connects, and connects again.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::agreement::Agreement;
use super::greeting::{self, Greeting};
use super::options::Options;
use super::session::redial::{Pause, Redial};
use crate::deadline::{Deadline, Waiting};
use crate::error::{Error, ErrorKind, Result};
use crate::sys::directory::Directory;
use crate::sys::inotify::Watch;
use crate::sys::lock::Lock;
use crate::sys::poll::{is_readable, wait_readable};
use crate::sys::timer::Timer;
use crate::transport::endpoint::{Endpoint, Transport};
use crate::transport::fifo;
use crate::transport::hello::{self, Call, Called};
use crate::transport::place::Place;
use crate::transport::stream::Stream;
use crate::transport::tcp::{self, Address};

/// Where to call, and what tells of a listener that appears while there is none.
pub struct Dialler {
    endpoint: Endpoint,
    target: Target,
    listener_watch: Mutex<Option<ListenerWatch>>,
    /// How often nobody listened in a row.
    redial: Mutex<Redial>,
    /// When somebody was reached last who said nothing.
    reached: Mutex<Option<Instant>>,
    /// What is known of the schemas there; none where the program has none.
    agreement: Option<Agreement>,
}

/// Where somebody listens, or will.
enum Target {
    /// At a name in a directory.
    Place(Place),
    /// At a named pipe.
    Pipe(Place),
    /// At an address.
    Address(Address),
}

/// What tells that calling again may help; there is one only while nobody listens.
enum ListenerWatch {
    /// A name has appeared.
    Name(Watch),
    /// It is time to try again, or a name has appeared: a TCP listener inside this machine tells of itself in its runtime directory,
    /// which need not be ours. Of others nothing tells but calling them.
    Moment(Timer, Option<Watch>),
}

impl ListenerWatch {
    /// Takes what it has told.
    fn drain(&self) {
        match self {
            ListenerWatch::Name(watch) => watch.drain(),
            ListenerWatch::Moment(timer, watch) => {
                timer.drain();
                if let Some(watch) = watch {
                    watch.drain();
                }
            }
        }
    }

    fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        match self {
            ListenerWatch::Name(watch) => watch.descriptors().to_vec(),
            ListenerWatch::Moment(timer, watch) => {
                let mut descriptors = vec![timer.as_fd()];
                descriptors.extend(watch.iter().flat_map(Watch::descriptors));
                descriptors
            }
        }
    }
}

/// How long to wait after a listener that was there could not take us: out of descriptors, or just ending.
const BUSY: Duration = Duration::from_millis(20);
/// How long a refusal because of our predecessor is not believed: one that was just killed may still look alive to the listener,
/// because the kernel of a busy machine brings the news of it late.
const LEAVING: Duration = Duration::from_millis(100);

/// How often schemas are compared in one call: a listener has one, and several that share a name have a few.
const COMPARISONS: usize = 8;

impl Dialler {
    /// Will call this endpoint.
    pub fn new(endpoint: &Endpoint, options: &Options) -> Result<Dialler> {
        let target = match endpoint.transport() {
            Transport::Shm | Transport::Unix => Place::of(endpoint).map(Target::Place),
            Transport::Fifo => Place::of(endpoint).map(Target::Pipe),
            Transport::Tcp => Address::of(endpoint).map(Target::Address),
            other => Err(other.unavailable()),
        };
        let target = target.map_err(|e| e.on(endpoint))?;
        let endpoint = endpoint.clone();
        let (listener_watch, redial, reached) = (Mutex::default(), Mutex::default(), Mutex::default());
        Ok(Dialler { endpoint, target, listener_watch, redial, reached, agreement: Agreement::of(options) })
    }

    /// Says hello until somebody answers. `offer` gives the descriptors that go along, anew for every call. None where one
    /// of `wakers` became readable while nobody listened.
    ///
    /// `NotFound` where nobody listened until the deadline; `SchemaMismatch` where the two sides' schemas do not fit. Any refusal is
    /// given as it is.
    pub fn dial<T>(
        &self,
        hello: &Greeting,
        mut offer: impl FnMut() -> Result<(T, Vec<OwnedFd>)>,
        wakers: &[BorrowedFd<'_>],
        waiting: &mut Waiting<'_>,
    ) -> Result<Option<(Called, Greeting, T)>> {
        let Some(agreement) = &self.agreement else {
            return self.dial_with(&hello.to_frame()?, &mut offer, wakers, waiting);
        };
        for _ in 0..COMPARISONS {
            let dialled = self.dial_with(&agreement.say(hello).to_frame()?, &mut offer, wakers, waiting)?;
            let Some((called, theirs, own)) = dialled else { return Ok(None) };
            if agreement.fits(&theirs).map_err(|e| e.on(&self.endpoint))? {
                return Ok(Some((called, theirs, own)));
            }
            // The listener has let us in nowhere; a pipe has one caller at a time.
            drop((called, own));
            let ask = |asking: &Greeting| self.ask(asking, wakers, waiting);
            agreement.compare(&theirs, ask).map_err(|e| e.on(&self.endpoint))?;
        }
        let text = "whoever listens there gave another schema at each call; try again";
        Err(Error::new(ErrorKind::Stalled, text).on(&self.endpoint))
    }

    /// The answer to a hello that only asks; none where nobody can answer just now.
    fn ask(
        &self,
        asking: &Greeting,
        wakers: &[BorrowedFd<'_>],
        waiting: &mut Waiting<'_>,
    ) -> Result<Option<Greeting>> {
        match self.call(&asking.to_frame()?, &[], wakers, waiting)? {
            Call::Answered(called) => greeting::read_answer(&called.answer).map(Some),
            Call::Nobody | Call::Busy => Ok(None),
        }
    }

    fn call(
        &self,
        frame: &[u8],
        descriptors: &[BorrowedFd<'_>],
        wakers: &[BorrowedFd<'_>],
        waiting: &mut Waiting<'_>,
    ) -> Result<Call> {
        match &self.target {
            Target::Place(place) => {
                hello::call(place, self.endpoint.transport().carries(), frame, descriptors, waiting)
            }
            Target::Pipe(place) => fifo::call(place, frame, waiting),
            Target::Address(address) => tcp::call(address, frame, wakers, waiting),
        }
    }

    fn dial_with<T>(
        &self,
        frame: &[u8],
        offer: &mut impl FnMut() -> Result<(T, Vec<OwnedFd>)>,
        wakers: &[BorrowedFd<'_>],
        waiting: &mut Waiting<'_>,
    ) -> Result<Option<(Called, Greeting, T)>> {
        let begun = Instant::now();
        let call = |waiting: &mut Waiting<'_>| {
            let (own, descriptors) = offer()?;
            let lent: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
            Ok(match self.call(frame, &lent, wakers, waiting)? {
                Call::Answered(called) => match greeting::read_answer(&called.answer) {
                    Err(e)
                        if e.kind() == ErrorKind::AddressInUse
                            && begun.elapsed() < LEAVING
                            && waiting.deadline().left().is_none_or(|left| left > BUSY) =>
                    {
                        Call::Busy
                    }
                    greeting => Call::Answered((called, greeting?, own)),
                },
                Call::Nobody => Call::Nobody,
                Call::Busy => Call::Busy,
            })
        };
        self.until_answered(call, wakers, waiting)
    }

    /// Connects to whoever listens without a hello, as soon as somebody does; otherwise like [`Dialler::dial`].
    pub fn reach(&self, wakers: &[BorrowedFd<'_>], waiting: &mut Waiting<'_>) -> Result<Option<Stream>> {
        let reach = |waiting: &mut Waiting<'_>| {
            let mut last = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
            // A listener that hangs up on us at once cannot say why: it is not to be called as fast as we can.
            if last.is_some_and(|last| last.elapsed() < BUSY) {
                pause(waiting)?;
            }
            let reached = match &self.target {
                Target::Place(place) => hello::reach(place, self.endpoint.transport().carries(), waiting),
                Target::Pipe(place) => fifo::reach(place),
                Target::Address(address) => tcp::reach(address, wakers, waiting),
            }?;
            if matches!(reached, Call::Answered(_)) {
                *last = Some(Instant::now());
            }
            Ok(reached)
        };
        self.until_answered(reach, wakers, waiting)
    }

    fn until_answered<T>(
        &self,
        mut call: impl FnMut(&mut Waiting<'_>) -> Result<Call<T>>,
        wakers: &[BorrowedFd<'_>],
        waiting: &mut Waiting<'_>,
    ) -> Result<Option<T>> {
        let mut dialled = || -> Result<_> {
            loop {
                // Before the look, so that what happens after it wakes the next sleep.
                if let Some(listener_watch) = self.listener_watch().as_ref() {
                    listener_watch.drain();
                }
                match call(waiting)? {
                    Call::Answered(answer) => {
                        *self.listener_watch() = None;
                        self.redial().succeeded();
                        return Ok(Some(answer));
                    }
                    Call::Nobody if self.begin_waiting()? => {}
                    Call::Nobody if self.wait_for_listener(wakers, waiting)? => {}
                    Call::Nobody => return Ok(None),
                    Call::Busy => pause(waiting)?,
                }
            }
        };
        dialled().map_err(|e| match e.kind() {
            ErrorKind::Timeout => self.nobody(waiting).on(&self.endpoint),
            _ => e.on(&self.endpoint),
        })
    }

    /// Says beside the name that somebody waits there for a publisher, as long as this is kept; see
    /// [`Place::is_awaited`]. None where nothing can be said.
    pub fn mark(&self) -> Option<Lock> {
        match &self.target {
            // Without a mark it waits all the same.
            Target::Place(place) => place.await_owner().ok(),
            Target::Address(address) => told_of(address)?.await_owner().ok(),
            Target::Pipe(_) => None,
        }
    }

    /// What wakes an epoll set once calling again may help.
    pub fn with_descriptors<R>(&self, f: impl FnOnce(Vec<BorrowedFd<'_>>) -> R) -> Option<R> {
        self.listener_watch().as_ref().map(|listener_watch| f(listener_watch.descriptors()))
    }

    fn listener_watch(&self) -> MutexGuard<'_, Option<ListenerWatch>> {
        self.listener_watch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn redial(&self) -> MutexGuard<'_, Redial> {
        self.redial.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True where it was not watching yet and has to look once more before it sleeps: the name may have appeared just
    /// before. A timer is set anew after each call.
    fn begin_waiting(&self) -> Result<bool> {
        let watched = !matches!(self.target, Target::Address(_));
        let next = self.redial().failed(watched, greeting::random()?);
        let mut listener_watch = self.listener_watch();
        if let (Pause::For(pause), Target::Address(address)) = (next, &self.target) {
            let (timer, watch, is_new) = match listener_watch.take() {
                Some(ListenerWatch::Moment(timer, watch)) => (timer, watch, false),
                // Without a watch it is called now and then all the same.
                _ => {
                    let watch = told_of(address).and_then(|place| Watch::new(&place.directory).ok());
                    let is_new = watch.is_some();
                    (Timer::new()?, watch, is_new)
                }
            };
            timer.arm(pause)?;
            *listener_watch = Some(ListenerWatch::Moment(timer, watch));
            return Ok(is_new);
        }
        match (&self.target, &mut *listener_watch) {
            (Target::Place(place) | Target::Pipe(place), none @ None) => {
                *none = Some(ListenerWatch::Name(Watch::new(&place.directory)?));
                Ok(true)
            }
            // A pipe may have been there long before somebody opens it to read.
            (Target::Pipe(place), Some(ListenerWatch::Name(watch))) => {
                watch.opening(&place.directory, &place.file)
            }
            _ => Ok(false),
        }
    }

    /// False where a waker ended the wait.
    fn wait_for_listener(&self, wakers: &[BorrowedFd<'_>], waiting: &mut Waiting<'_>) -> Result<bool> {
        let listener_watch = self.listener_watch();
        let Some(listener_watch) = listener_watch.as_ref() else { return Ok(true) };
        let mut on = wakers.to_vec();
        on.extend(listener_watch.descriptors());
        wait_readable(waiting, &on)?;
        Ok(wakers.iter().all(|waker| !is_readable(*waker)))
    }

    fn nobody(&self, waiting: &Waiting<'_>) -> Error {
        let how = if waiting.is_none() { "was looked for once" } else { "was waited for" };
        let text = match &self.target {
            Target::Place(place) | Target::Pipe(place) => format!(
                "nobody listens: {} {how}; start the other side, and see that both use the same directory (LINKSPAN_DIR)",
                place.path().display()
            ),
            Target::Address(address) => {
                format!(
                    "nobody listens: {address} {how}; start the other side, and see that both use the same port"
                )
            }
        };
        Error::new(ErrorKind::NotFound, text)
    }
}

/// Where a listener at an address inside this machine tells of itself, to programs with the same runtime directory.
fn told_of(address: &Address) -> Option<Place> {
    let file = Endpoint::of_address(address.inside()?).file_name();
    Some(Place { directory: Arc::new(Directory::runtime().ok()?), file })
}

fn pause(waiting: &mut Waiting<'_>) -> Result<()> {
    if waiting.deadline().has_passed() {
        let text = "somebody listens there but could not take the connection in time; try again";
        return Err(Error::new(ErrorKind::Stalled, text));
    }
    waiting.sleep()?;
    let moment = Deadline::after(BUSY).sooner(waiting.deadline()).left().unwrap_or(BUSY);
    std::thread::sleep(moment);
    waiting.woke(false)
}

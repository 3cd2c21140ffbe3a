//! Calling a listener until it answers: the side that connects, and connects again.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::greeting::{self, Greeting};
use crate::deadline::{Deadline, Waiting};
use crate::error::{Error, ErrorKind, Result};
use crate::sys::inotify::Watch;
use crate::sys::poll::{is_readable, wait_readable};
use crate::transport::endpoint::{Endpoint, Transport};
use crate::transport::hello::{self, Call, Called};
use crate::transport::place::Place;
use crate::transport::stream::Stream;

/// Where to call, and the watch for a listener to appear while there is none.
pub struct Dialler {
    endpoint: Endpoint,
    place: Place,
    watch: Mutex<Option<Watch>>,
    /// When somebody was reached last who said nothing.
    reached: Mutex<Option<Instant>>,
}

/// How long to wait after a listener that was there could not take us: out of descriptors, or just ending.
const BUSY: Duration = Duration::from_millis(20);

impl Dialler {
    /// Will call this endpoint.
    pub fn new(endpoint: &Endpoint) -> Result<Dialler> {
        if !matches!(endpoint.transport(), Transport::Shm | Transport::Unix) {
            return Err(endpoint.transport().unavailable().on(endpoint));
        }
        let place = Place::of(endpoint).map_err(|e| e.on(endpoint))?;
        Ok(Dialler { endpoint: endpoint.clone(), place, watch: Mutex::new(None), reached: Mutex::new(None) })
    }

    /// Says hello until somebody answers. `offer` gives the descriptors that go along, anew for every call. None where one
    /// of `wakers` became readable while nobody listened.
    ///
    /// `NotFound` where nobody listened until the deadline. Any refusal is given as it is.
    pub fn dial<T>(
        &self,
        hello: &Greeting,
        mut offer: impl FnMut() -> Result<(T, Vec<OwnedFd>)>,
        wakers: &[BorrowedFd<'_>],
        waiting: &mut Waiting<'_>,
    ) -> Result<Option<(Called, Greeting, T)>> {
        let frame = hello.to_frame()?;
        let call = |waiting: &mut Waiting<'_>| {
            let (own, descriptors) = offer()?;
            let lent: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
            Ok(match hello::call(&self.place, &frame, &lent, waiting)? {
                Call::Answered(called) => {
                    let greeting = greeting::read_answer(&called.answer)?;
                    Call::Answered((called, greeting, own))
                }
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
            *last = Some(Instant::now());
            hello::reach(&self.place, waiting)
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
                if let Some(watch) = self.watch().as_ref() {
                    watch.drain();
                }
                match call(waiting)? {
                    Call::Answered(answer) => {
                        *self.watch() = None;
                        return Ok(Some(answer));
                    }
                    Call::Nobody if self.begin_watching()? => {}
                    Call::Nobody if self.wait_for_name(wakers, waiting)? => {}
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

    /// What wakes an epoll set once calling again may help.
    pub fn with_descriptors<R>(&self, f: impl FnOnce([BorrowedFd<'_>; 2]) -> R) -> Option<R> {
        self.watch().as_ref().map(|watch| f(watch.descriptors()))
    }

    fn watch(&self) -> MutexGuard<'_, Option<Watch>> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True where it was not watching yet: then it has to look once more before it sleeps.
    fn begin_watching(&self) -> Result<bool> {
        let mut watch = self.watch();
        let begins = watch.is_none();
        if begins {
            *watch = Some(Watch::new(&self.place.directory)?);
        }
        Ok(begins)
    }

    /// False where a waker ended the wait.
    fn wait_for_name(&self, wakers: &[BorrowedFd<'_>], waiting: &mut Waiting<'_>) -> Result<bool> {
        let watch = self.watch();
        let Some(watch) = watch.as_ref() else { return Ok(true) };
        let mut on = wakers.to_vec();
        on.extend(watch.descriptors());
        wait_readable(waiting, &on)?;
        Ok(wakers.iter().all(|waker| !is_readable(*waker)))
    }

    fn nobody(&self, waiting: &Waiting<'_>) -> Error {
        let how = if waiting.is_none() { "was looked for once" } else { "was waited for" };
        let text = format!(
            "nobody listens: {} {how}; start the other side, and see that both use the same directory (LINKSPAN_DIR)",
            self.place.path().display()
        );
        Error::new(ErrorKind::NotFound, text)
    }
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

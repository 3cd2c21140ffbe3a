//! The thread that writes a replica: each write waits for the disk, and the loop must not wait.
//!
//! The loop queues jobs. While the queue is full, it takes no records from the network, and the stream's window stops
//! the other machine. The thread appends queued records together and reports through the inbox.
//!
//! If the disk is full, the thread repeats the job until there is room. After any other error, it discards jobs up to
//! the next `open`, because they follow a missing record.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use linkspan::service::start_thread;
use linkspan::{Error, ErrorKind, History, Options, Result};
use linkspan_relay::{Replica, ReplicaRecord};

use crate::inbox::Inbox;

/// Queued bytes above which no more are taken from the network.
const QUEUED: usize = 4 << 20;
/// The most bytes that are written and synced together.
const TOGETHER: usize = 1 << 20;
/// How often a write to a full disk is repeated.
const RETRY: Duration = Duration::from_secs(1);
/// The counted bytes of a queued job in addition to its body.
const OVERHEAD: usize = 200;

enum Job {
    /// Open the replica of this journal; the result contains the number.
    Open(u64, Box<(History, Options)>),
    /// Keep this schema, before the first record that names it.
    Schema(Bytes),
    Record(ReplicaRecord),
    RetireBefore(u64),
}

impl Job {
    fn size(&self) -> usize {
        match self {
            Job::Record(record) => {
                record.body.len().saturating_add(record.source.len()).saturating_add(OVERHEAD)
            }
            Job::Schema(form) => form.len().saturating_add(OVERHEAD),
            Job::Open(..) | Job::RetireBefore(_) => OVERHEAD,
        }
    }
}

/// Progress since the last call of [`Writer::progress`].
#[derive(Default)]
pub struct Progress {
    /// The replica is open: the number given to `open`, and the number of its last record.
    pub opened: Option<(u64, u64)>,
    /// The number of written and synced records.
    pub written: u64,
    /// Why writing is stalled while it is repeated; `Some(None)` after it continues.
    pub problem: Option<Option<Error>>,
    /// Why the replica accepts no records until it is opened again.
    pub failed: Option<Error>,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    bytes: usize,
    progress: Progress,
    /// Whether the thread must end after the current write.
    ends: bool,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    inbox: Inbox,
}

pub struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread for this endpoint's replica. Its progress wakes the inbox.
    ///
    /// # Errors
    /// System errors of starting a thread.
    pub fn start(endpoint: &str, inbox: &Inbox) -> Result<Writer> {
        let shared =
            Arc::new(Shared { state: Mutex::default(), changed: Condvar::new(), inbox: inbox.clone() });
        let (of_thread, endpoint) = (shared.clone(), endpoint.to_owned());
        let thread = start_thread("linkspan-replica", move || of_thread.run(&endpoint))?;
        Ok(Writer { shared, thread: Some(thread) })
    }

    /// Opens the replica, or opens it again.
    ///
    /// [`Progress::opened`] returns this number, or [`Progress::failed`] the error.
    pub fn open(&self, number: u64, of: History, options: Options) {
        self.push(Job::Open(number, Box::new((of, options))));
    }

    pub fn schema(&self, form: Bytes) {
        self.push(Job::Schema(form));
    }

    pub fn record(&self, record: ReplicaRecord) {
        self.push(Job::Record(record));
    }

    pub fn retire_before(&self, number: u64) {
        self.push(Job::RetireBefore(number));
    }

    fn push(&self, job: Job) {
        let mut state = self.shared.state();
        state.bytes = state.bytes.saturating_add(job.size());
        state.jobs.push_back(job);
        self.shared.changed.notify_one();
    }

    pub fn has_room(&self) -> bool {
        self.shared.state().bytes < QUEUED
    }

    pub fn progress(&self) -> Progress {
        std::mem::take(&mut self.shared.state().progress)
    }
}

impl Drop for Writer {
    /// Ends the thread. Records that are not on disk are requested again at the next import.
    fn drop(&mut self) {
        self.shared.state().ends = true;
        self.shared.changed.notify_one();
        // Waits for the current write. A panicked thread has already printed its panic.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl Shared {
    /// Returns the state, even after a panic of the other side.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn report(&self, what: impl FnOnce(&mut Progress)) {
        what(&mut self.state().progress);
        self.inbox.wake();
    }

    /// Waits for the next job, or several records to write together; `None` at the end.
    fn next(&self) -> Option<Vec<Job>> {
        let mut state = self.state();
        loop {
            if state.ends {
                return None;
            }
            let (mut jobs, mut bytes) = (Vec::new(), 0);
            while let Some(job) = state.jobs.front()
                && (jobs.is_empty() || matches!((job, jobs.last()), (Job::Record(_), Some(Job::Record(_)))))
                && (jobs.is_empty() || job.size().saturating_add(bytes) <= TOGETHER)
            {
                bytes = bytes.saturating_add(job.size());
                jobs.extend(state.jobs.pop_front());
            }
            if !jobs.is_empty() {
                state.bytes = state.bytes.saturating_sub(bytes);
                return Some(jobs);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn run(&self, endpoint: &str) {
        let mut replica: Option<Replica> = None;
        while let Some(jobs) = self.next() {
            let done = self.carry_out(endpoint, jobs, &mut replica);
            if let Err(error) = done {
                // The queued records follow a missing one.
                replica = None;
                self.report(|progress| progress.failed = Some(error));
            } else {
                self.inbox.wake();
            }
        }
    }

    /// Runs jobs that were taken together, and reports the progress.
    ///
    /// # Errors
    /// Errors of opening and writing the replica, except a full disk.
    fn carry_out(&self, endpoint: &str, jobs: Vec<Job>, replica: &mut Option<Replica>) -> Result<()> {
        let mut records = Vec::new();
        for job in jobs {
            match (job, replica.as_mut()) {
                (Job::Open(number, how), _) => {
                    // A replica has one writer, so the previous one is closed first.
                    *replica = None;
                    let opened = self.persist(|| Replica::open(endpoint, &how.1, &how.0))?;
                    let Some(opened) = opened else { return Ok(()) };
                    let last = replica.insert(opened).last();
                    self.report(|progress| progress.opened = Some((number, last)));
                }
                // The replica has failed and must be opened again first.
                (_, None) => {}
                (Job::Schema(form), Some(replica)) => {
                    self.persist(|| replica.keep_schema(&form))?;
                }
                (Job::RetireBefore(number), Some(replica)) => replica.retire_before(number)?,
                (Job::Record(record), Some(_)) => records.push(record),
            }
        }
        let Some(replica) = replica.as_mut().filter(|_| !records.is_empty()) else { return Ok(()) };
        let before = replica.last();
        // `append` skips records that the replica already has.
        self.persist(|| replica.append(records.clone()))?;
        let written = replica.last().saturating_sub(before);
        self.report(|progress| progress.written = progress.written.saturating_add(written));
        Ok(())
    }

    /// Repeats a write while the disk is full. Returns `None` if the thread must end before it succeeds.
    fn persist<T>(&self, mut what: impl FnMut() -> Result<T>) -> Result<Option<T>> {
        let mut is_full = false;
        loop {
            match what() {
                Err(e) if e.kind() == ErrorKind::NoSpace => {
                    is_full = true;
                    self.report(|progress| progress.problem = Some(Some(e)));
                    let state = self.state();
                    let waited = self.changed.wait_timeout_while(state, RETRY, |state| !state.ends);
                    if waited.unwrap_or_else(PoisonError::into_inner).0.ends {
                        return Ok(None);
                    }
                }
                done => {
                    if is_full {
                        self.report(|progress| progress.problem = Some(None));
                    }
                    return done.map(Some);
                }
            }
        }
    }
}

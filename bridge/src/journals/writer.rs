//! The thread that writes a replica: each write waits for the disk, and the loop must not.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use linkspan::{Error, ErrorKind, History, Options, Replica, ReplicaRecord, Result};

use crate::inbox::Inbox;

/// Bytes that wait for the disk, beyond which no more are taken from the network.
const QUEUED: usize = 4 << 20;
/// Bytes that are brought to the disk together, at most.
const TOGETHER: usize = 1 << 20;
/// How often it is tried whether a full disk has room again.
const RETRY: Duration = Duration::from_secs(1);
/// Counted for each record beside its body.
const OVERHEAD: usize = 200;

/// What is to be done.
enum Job {
    /// Open the replica of this journal; the number comes back with the result.
    Open(u64, Box<(History, Options)>),
    Schema(Bytes),
    Record(ReplicaRecord),
    RetireBefore(u64),
}

impl Job {
    fn size(&self) -> usize {
        match self {
            Job::Record(record) => record.body.len() + record.source.len() + OVERHEAD,
            Job::Schema(form) => form.len() + OVERHEAD,
            Job::Open(..) | Job::RetireBefore(_) => OVERHEAD,
        }
    }
}

/// What has been done since the last call of [`Writer::progress`].
#[derive(Default)]
pub struct Progress {
    /// The replica is open: the number that was given to open it, and the number of the last record there.
    pub opened: Option<(u64, u64)>,
    /// Records that are on the disk now.
    pub written: u64,
    /// Why nothing is written just now, though it is tried again; `Some(None)` once it goes on.
    pub problem: Option<Option<Error>>,
    /// Why the replica takes nothing more until it is opened again.
    pub failed: Option<Error>,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    bytes: usize,
    progress: Progress,
    ends: bool,
}

/// What the thread and the loop share.
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    inbox: Inbox,
}

/// The thread, and what it is to do.
pub struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread for the replica at this endpoint. The inbox is woken by all that it does.
    pub fn start(endpoint: &str, inbox: &Inbox) -> Result<Writer> {
        let shared =
            Arc::new(Shared { state: Mutex::default(), changed: Condvar::new(), inbox: inbox.clone() });
        let (of_thread, endpoint) = (shared.clone(), endpoint.to_owned());
        let thread = std::thread::Builder::new().name("linkspan-replica".to_owned());
        let thread = thread.spawn(move || of_thread.run(&endpoint));
        let os = |e: std::io::Error| Error::os("starting a thread", e.raw_os_error().unwrap_or(0));
        Ok(Writer { shared, thread: Some(thread.map_err(os)?) })
    }

    /// Opens the replica, again where it is open; [`Progress::opened`] returns this number, or [`Progress::failed`] the error.
    pub fn open(&self, number: u64, of: History, options: Options) {
        self.push(Job::Open(number, Box::new((of, options))));
    }

    /// Keeps a schema.
    pub fn schema(&self, form: Bytes) {
        self.push(Job::Schema(form));
    }

    /// Writes a record.
    pub fn record(&self, record: ReplicaRecord) {
        self.push(Job::Record(record));
    }

    /// Deletes the records below this number.
    pub fn retire_before(&self, number: u64) {
        self.push(Job::RetireBefore(number));
    }

    fn push(&self, job: Job) {
        let mut state = self.shared.state();
        state.bytes += job.size();
        state.jobs.push_back(job);
        self.shared.changed.notify_one();
    }

    /// Whether there is room for more.
    pub fn has_room(&self) -> bool {
        self.shared.state().bytes < QUEUED
    }

    /// What has been done since the last call.
    pub fn progress(&self) -> Progress {
        std::mem::take(&mut self.shared.state().progress)
    }
}

impl Drop for Writer {
    /// What is not on the disk by now is asked for again when the name is next imported.
    fn drop(&mut self) {
        self.shared.state().ends = true;
        self.shared.changed.notify_one();
        // It ends with the write that is under way. A panic there has been printed.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the progress and wakes the loop.
    fn report(&self, what: impl FnOnce(&mut Progress)) {
        what(&mut self.state().progress);
        self.inbox.wake();
    }

    /// The next job, or as many records as are to be written together; none at the end.
    fn next(&self) -> Option<Vec<Job>> {
        let mut state = self.state();
        loop {
            if state.ends {
                return None;
            }
            let (mut jobs, mut bytes) = (Vec::new(), 0);
            while let Some(job) = state.jobs.front()
                && (jobs.is_empty() || matches!((job, jobs.last()), (Job::Record(_), Some(Job::Record(_)))))
                && (jobs.is_empty() || bytes + job.size() <= TOGETHER)
            {
                bytes += job.size();
                jobs.extend(state.jobs.pop_front());
            }
            if !jobs.is_empty() {
                state.bytes -= bytes;
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
                // What waits follows a record that is missing now.
                replica = None;
                self.report(|progress| progress.failed = Some(error));
            } else {
                self.inbox.wake();
            }
        }
    }

    fn carry_out(&self, endpoint: &str, jobs: Vec<Job>, replica: &mut Option<Replica>) -> Result<()> {
        let mut records = Vec::new();
        for job in jobs {
            match (job, replica.as_mut()) {
                (Job::Open(number, how), _) => {
                    // One process writes it: the one before ends first.
                    *replica = None;
                    let opened = self.persist(|| Replica::open(endpoint, &how.1, &how.0))?;
                    let Some(opened) = opened else { return Ok(()) };
                    let last = replica.insert(opened).last();
                    self.report(|progress| progress.opened = Some((number, last)));
                }
                // It has failed, and is opened again first.
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
        // Those that are there already are passed over.
        self.persist(|| replica.append(records.clone()))?;
        let written = replica.last() - before;
        self.report(|progress| progress.written += written);
        Ok(())
    }

    /// Tries until the disk has room; none where the thread is to end before.
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

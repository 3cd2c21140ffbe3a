//! Requests schemas and machine names from the publishing programs.

use std::collections::HashMap;
use std::sync::PoisonError;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use linkspan::schema::Schema;
use linkspan::service::start_thread;
use linkspan::{Error, ErrorKind, Result, registry};

use super::publisher::Origin;
use super::queue::Queue;

/// Asks programs. The waits have a small budget of time per second, and stop while the queue fills.
///
/// A program that does not answer therefore causes no losses for others.
pub struct Asking<'a> {
    queue: &'a Queue,
    /// The asking threads. An abandoned thread ends within the time limit of its question.
    threads: Vec<JoinHandle<()>>,
    left: Duration,
    since: Instant,
    known: HashMap<String, Schema>,
}

/// The budget for all answers; one program may take 3 s for its schema.
const PATIENCE: Duration = Duration::from_secs(4);
/// The budget grows by one part in this many of the elapsed time.
const REGAIN: u32 = 10;
/// Below this budget nothing is asked.
const LEAST: Duration = Duration::from_secs(1);
const THREADS: usize = 8;
/// How long to wait for an answer between two checks of the queue.
const LOOK: Duration = Duration::from_millis(10);
const KNOWN: usize = 256;

impl Asking<'_> {
    pub fn new(queue: &Queue) -> Asking<'_> {
        Asking { queue, threads: Vec::new(), left: PATIENCE, since: Instant::now(), known: HashMap::new() }
    }

    /// Returns the machine that a bridge imported this name from.
    pub fn machine(&mut self, name: &str) -> Option<String> {
        let name = name.to_owned();
        self.ask(move || registry::machine(&name)).ok().flatten()
    }

    /// Returns the schema of the messages of an origin; `None` if their sender gave none.
    ///
    /// # Errors
    /// A text, if the schema was not received. The publisher may have ended, and another program may have its name.
    pub fn schema(&mut self, origin: &Origin) -> std::result::Result<Option<Schema>, String> {
        let name = origin.publisher.endpoint.name.clone();
        if origin.publisher.is_stored {
            let first = origin.first.lock().unwrap_or_else(PoisonError::into_inner).take();
            let form = self.ask(move || match &first {
                Some(first) => registry::schema_of(&name, first),
                None => registry::schema(&name),
            });
            return Ok(form.and_then(|form| Schema::from_bytes(&form)).ok());
        }
        let Some(id) = &origin.schema_id else { return Ok(None) };
        if let Some(known) = self.known.get(id) {
            return Ok(Some(known.clone()));
        }
        let why = match self.ask(move || registry::schema(&name)).and_then(|form| Schema::from_bytes(&form)) {
            Ok(schema) if has_id(&schema, id) => {
                if self.known.len() < KNOWN {
                    self.known.insert(id.clone(), schema.clone());
                }
                return Ok(Some(schema));
            }
            Ok(_) => "the program that is there now has another one".to_owned(),
            Err(error) => error.to_string(),
        };
        Err(format!(
            "the schema of these messages, whose fingerprint begins with {id}, is not in the recording, since their publisher had ended \
             or did not answer when it was asked for it: {why}"
        ))
    }

    fn ask<T: Send + 'static>(&mut self, question: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let regained = self.since.elapsed().checked_div(REGAIN).unwrap_or_default();
        self.left = self.left.saturating_add(regained).min(PATIENCE);
        self.since = Instant::now();
        self.threads.retain(|thread| !thread.is_finished());
        if self.left < LEAST || self.threads.len() >= THREADS {
            let text = "others took too long to answer, and the recorder has messages to write";
            return Err(Error::new(ErrorKind::Timeout, text));
        }
        let answer = self.ask_beside(question);
        self.left = self.left.saturating_sub(self.since.elapsed());
        self.since = Instant::now();
        answer
    }

    /// Asks in a thread, and waits for the answer until the queue fills.
    fn ask_beside<T: Send + 'static>(
        &mut self,
        question: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (answers, answer) = sync_channel(1);
        let asks = move || drop(answers.send(question()));
        self.threads.push(start_thread("record-asks", asks)?);
        loop {
            match answer.recv_timeout(LOOK) {
                Ok(answer) => return answer,
                Err(RecvTimeoutError::Timeout) if self.queue.is_filling() => {
                    let text = "it has not answered yet, and the recorder has messages to write";
                    return Err(Error::new(ErrorKind::Timeout, text));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Error::new(ErrorKind::Internal, "the thread that asked panicked"));
                }
            }
        }
    }
}

fn has_id(schema: &Schema, id: &str) -> bool {
    schema.fingerprint().is_ok_and(|fingerprint| fingerprint.to_string().starts_with(id))
}

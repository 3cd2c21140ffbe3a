//! A program whose power is cut: it makes random writes to a journal, a durable spool or a file.
//!
//! It prints the promises of the library.
//!
//! usage: `power_victim journal|serve|channel|file PATH FORM SEED FIRST`. One line each on the standard
//! output:
//!
//! | line | meaning |
//! |---|---|
//! | `try ID` | the text of this number is about to be passed to the library |
//! | `ask ID` | ... as a request |
//! | `fetch ID`, `fetched ID` | its answer is about to be fetched, and was |
//! | `bad ID FILE`, `posted ID FILE` | a file that is not a message is about to be there, and is |
//! | `kept ID [NUMBER]` | the library has accepted it, in a journal under this number |
//! | `seen ID [NUMBER]` | it was delivered |
//! | `done WHO ID\|NUMBER`, `finish WHO ...` | it was acknowledged, is about to be |

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]
#![allow(clippy::print_stderr, clippy::print_stdout, reason = "a program for tests to read")]

#[path = "../../engine/src/histories.rs"]
#[allow(dead_code, reason = "a part of it is used")]
mod histories;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use histories::Random;
use linkspan::{
    Channel, Error, ErrorKind, Listener, Message, Options, PendingReply, Publisher, Request, Result, Server,
    Subscriber, Value,
};
use text::{Form, Shape, id, schemas_of_server, text, with_schemas};

const SOON: Duration = Duration::from_secs(60);
const NOW: Duration = Duration::ZERO;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |n: usize| words.get(n).and_then(|word| word.parse().ok()).unwrap_or(0u64);
    let (Some(role), Some(path)) = (words.first(), words.get(1)) else { std::process::exit(2) };
    let mut part =
        Part { path: path.clone(), form: number(2), random: Random::new(number(3)), next: number(4) };
    let done = match role.as_str() {
        "journal" => part.journal(),
        "serve" => part.serve(),
        "channel" => part.channel(),
        _ => part.file(),
    };
    if let Err(e) = done {
        print_line(&format!("failed {e}"));
        let _ = writeln!(std::io::stderr(), "{}: {e:?}", words.join(" "));
        std::process::exit(1);
    }
    // Half of the programs end without a goodbye.
    if part.random.one_in(2) {
        std::process::exit(0);
    }
}

/// Prints with one call: buffered output would be lost.
fn print_line(what: &str) {
    let line = format!("{what}\n");
    let mut out = std::io::stdout().lock();
    if out.write_all(line.as_bytes()).and_then(|()| out.flush()).is_err() {
        std::process::exit(3);
    }
}

fn options(set: &[(&str, Value)]) -> Result<Options> {
    let mut options = Options::default();
    for (name, value) in set {
        options.set(name, value)?;
    }
    Ok(options)
}

/// Turns errors about absence into `None`.
fn there<T>(found: Result<T>) -> Result<Option<T>> {
    match found {
        Err(e) if matches!(e.kind(), ErrorKind::Empty | ErrorKind::Timeout | ErrorKind::NotFound) => Ok(None),
        found => found.map(Some),
    }
}

fn known(message: &Message) -> Result<u64> {
    let text = message.value()?.as_text()?;
    id(text).ok_or_else(|| Error::new(ErrorKind::Corrupt, format!("no text of ours: {:.40}", text)))
}

struct Part {
    path: String,
    form: u64,
    random: Random,
    next: u64,
}

impl Part {
    fn fresh(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    fn publisher(&self, endpoint: &str) -> Result<Publisher> {
        let Shape { segment, bytes, consumed } = Shape::of(self.form);
        let mut options = options(&[
            ("client_id", "writer".into()),
            ("segment_bytes", segment.into()),
            ("retain_consumed", consumed.into()),
        ])?;
        if let Some(bytes) = bytes {
            options.set("retain_bytes", &bytes.into())?;
        }
        if with_schemas(self.form) {
            // A newer version each time: it is less than the number of each text that it describes.
            let text = format!("name = \"power\"\nversion = {}\ntype = \"text\"\n", self.next);
            options.set("schema", &text.as_str().into())?;
        }
        Publisher::new(endpoint, &options)
    }

    fn journal(&mut self) -> Result<()> {
        let endpoint = format!("journal:{}", self.path);
        let mut publisher = self.publisher(&endpoint)?;
        let mut consumers: BTreeMap<&str, Subscriber> = BTreeMap::new();
        // A reader without an acknowledgement lacks a position in the journal, so nothing is kept for it.
        let mut placed: BTreeSet<&str> = BTreeSet::new();
        for _ in 0..12 + self.random.below(24) {
            match self.random.below(14) {
                0..5 => send(&publisher, self.fresh())?,
                5 => {
                    let threads = 2 + self.random.below(4) as u64;
                    let (first, each) = (self.next, 1 + self.random.below(3) as u64);
                    self.next += threads * each;
                    std::thread::scope(|scope| {
                        let publisher = &publisher;
                        let all: Vec<_> = (0..threads)
                            .map(|n| first + n * each)
                            .map(|first| {
                                scope.spawn(move || {
                                    (first..first + each).try_for_each(|id| send(publisher, id))
                                })
                            })
                            .collect();
                        all.into_iter()
                            .try_for_each(|one| one.join().unwrap_or_else(|_| std::process::exit(4)))
                    })?;
                }
                6..10 => {
                    let name = *self.random.pick(&["a", "b"]);
                    if !consumers.contains_key(name) {
                        let options = options(&[("client_id", name.into()), ("ack", "manual".into())])?;
                        consumers.insert(name, Subscriber::new(&endpoint, &options)?);
                    }
                    let Some(consumer) = consumers.get(name) else { continue };
                    for _ in 0..1 + self.random.below(5) {
                        match there(consumer.try_recv()) {
                            Ok(None) => break,
                            Ok(Some(message)) => {
                                let number = message.sequence();
                                print_line(&format!("seen {} {number}", known(&message)?));
                                if self.random.one_in(5) {
                                    continue;
                                }
                                print_line(&format!("finish {name} {number}"));
                                consumer.ack()?;
                                print_line(&format!("done {name} {number}"));
                                placed.insert(name);
                            }
                            Err(e)
                                if e.kind() == ErrorKind::Lagged
                                    && (Shape::of(self.form).bytes.is_some() || !placed.contains(name)) => {}
                            Err(e) => return Err(e),
                        }
                    }
                }
                10 => drop(consumers.remove(*self.random.pick(&["a", "b"]))),
                11 => {
                    let from =
                        options(&[("from", self.random.pick(&["first", "newest"]).to_string().into())])?;
                    let reader = Subscriber::new(&endpoint, &from)?;
                    for _ in 0..3 {
                        let Some(message) = there(reader.try_recv())? else { break };
                        print_line(&format!("seen {} {}", known(&message)?, message.sequence()));
                    }
                }
                _ => {
                    if self.random.one_in(2) {
                        publisher.close(SOON).unwrap();
                    }
                    drop(publisher);
                    publisher = self.publisher(&endpoint)?;
                }
            }
        }
        if self.random.one_in(2) {
            publisher.close(SOON).unwrap();
        }
        Ok(())
    }

    fn durable(&self, name: &str) -> Result<Options> {
        options(&[
            ("durable", true.into()),
            ("encoding", "json".into()),
            ("ack", "manual".into()),
            ("client_id", name.into()),
        ])
    }

    fn server(&self) -> Result<Options> {
        let mut options = self.durable("worker")?;
        if with_schemas(self.form) {
            schemas_of_server().iter().try_for_each(|(name, schema)| options.set(name, schema))?;
        }
        Ok(options)
    }

    fn serve(&mut self) -> Result<()> {
        let endpoint = format!("spool:{}", self.path);
        let mut clients = Vec::new();
        let mut server = None;
        if self.random.one_in(2) {
            server = Some(Server::serve(&endpoint, &self.server()?)?);
        }
        for name in ["panel", "desk"] {
            clients.push((name, Channel::connect(&endpoint, &self.durable(name)?, SOON)?));
        }
        let mut asked: Vec<(u64, usize, PendingReply)> = Vec::new();
        let mut open: Vec<(u64, Request)> = Vec::new();
        for _ in 0..15 + self.random.below(30) {
            match self.random.below(16) {
                0..3 => {
                    let (id, (name, client)) = (self.fresh(), self.random.pick(&clients));
                    print_line(&format!("try {id} {name}"));
                    client.send(&Value::from(text(id)), SOON)?;
                    print_line(&format!("kept {id}"));
                }
                3..6 => {
                    let (id, who) = (self.fresh(), self.random.below(clients.len()));
                    let (name, client) = &clients[who];
                    let payload = client.encode(&Value::from(text(id)))?;
                    print_line(&format!("try {id} {name}"));
                    print_line(&format!("ask {id}"));
                    asked.push((id, who, client.start_call(&payload, SOON)?));
                    print_line(&format!("kept {id}"));
                }
                6..10 => {
                    if server.is_none() {
                        server = Some(Server::serve(&endpoint, &self.server()?)?);
                    }
                    let Some(server) = &server else { continue };
                    let Some(request) = there(server.next(NOW))?.flatten() else { continue };
                    let id = known(request.message())?;
                    print_line(&format!("seen {id}"));
                    if request.wants_reply() {
                        open.push((id, request));
                        continue;
                    }
                    print_line(&format!("finish server {id}"));
                    request.ack()?;
                    print_line(&format!("done server {id}"));
                }
                10 | 11 => {
                    if open.is_empty() {
                        continue;
                    }
                    let (id, request) = open.remove(self.random.below(open.len()));
                    print_line(&format!("finish server {id}"));
                    request.reply(&Value::from(text(id)))?;
                    print_line(&format!("done server {id}"));
                }
                12 | 13 => {
                    for n in 0..asked.len() {
                        let (id, who, question) = &asked[n];
                        let (name, client) = &clients[*who];
                        print_line(&format!("fetch {id}"));
                        match there(client.finish_call(question, NOW)) {
                            Ok(None) => continue,
                            Ok(Some(answer)) => print_line(&format!("fetched {} {name}", known(&answer)?)),
                            Err(e) if e.kind() == ErrorKind::Remote => {}
                            Err(e) => return Err(e),
                        }
                        drop(asked.remove(n));
                        break;
                    }
                }
                14 => {
                    let good = self.random.one_in(2);
                    self.post(good)?;
                }
                _ => {
                    // A dropped request gets an answer, which reports the drop.
                    for (id, _) in open.drain(..) {
                        print_line(&format!("finish server {id}"));
                    }
                    if let Some(server) = server.take()
                        && self.random.one_in(2)
                    {
                        server
                            .close(NOW)
                            .or_else(|e| if e.kind() == ErrorKind::Timeout { Ok(()) } else { Err(e) })?;
                    }
                }
            }
        }
        if self.random.one_in(2) {
            std::process::exit(0);
        }
        open.iter().for_each(|(id, _)| print_line(&format!("finish server {id}")));
        // Dropping a handle would withdraw its request, which the next life must find.
        asked.into_iter().for_each(|(_, _, pending)| std::mem::forget(pending));
        Ok(())
    }

    /// Works like a careful script: syncs the bytes, renames, syncs the name.
    fn post(&mut self, good: bool) -> Result<()> {
        let id = self.fresh();
        // An endpoint's name is a file in the state directory.
        let spool = match self.path.strip_prefix('/') {
            Some(_) => self.path.clone(),
            None => format!(
                "{}/{}.spool",
                std::env::var("LINKSPAN_STATE_DIR").unwrap_or_default(),
                self.path.replace('/', "@")
            ),
        };
        let folder = Path::new(&spool).join("server");
        let word = if good { "try" } else { "bad" };
        let name = if good { format!("job-{id}.data.json") } else { format!("bad-{id}.json") };
        let body = if good { format!("{:?}", text(id)) } else { format!("{{ {}", text(id)) };
        print_line(&format!("{word} {id} {name}"));
        let posted = (|| {
            let new = folder.join(format!(".{name}"));
            let mut file = std::fs::File::create(&new)?;
            file.write_all(body.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&new, folder.join(&name))?;
            std::fs::File::open(&folder)?.sync_all()
        })();
        posted.map_err(|e| Error::new(ErrorKind::Internal, e.to_string()))?;
        print_line(&format!("{} {id} {name}", if good { "kept" } else { "posted" }));
        Ok(())
    }

    fn channel(&mut self) -> Result<()> {
        let endpoint = format!("spool:{}", self.path);
        let mut far = Channel::connect(&endpoint, &self.durable("panel")?, SOON)?;
        let mut near = self.accept(&endpoint)?;
        // The unacknowledged messages of each side: one acknowledgement covers all.
        let mut given: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        for _ in 0..15 + self.random.below(30) {
            match self.random.below(10) {
                0..4 => {
                    let id = self.fresh();
                    let (from, name) = *self.random.pick(&[(&far, "panel"), (&near, "server")]);
                    print_line(&format!("try {id} {name}"));
                    from.send(&Value::from(text(id)), SOON)?;
                    print_line(&format!("kept {id}"));
                }
                4..9 => {
                    let (at, name) = *self.random.pick(&[(&far, "panel"), (&near, "server")]);
                    let Some(message) = there(at.try_recv())? else { continue };
                    let id = known(&message)?;
                    print_line(&format!("seen {id}"));
                    let given = given.entry(name).or_default();
                    given.push(id);
                    if self.random.one_in(4) {
                        continue;
                    }
                    given.iter().for_each(|id| print_line(&format!("finish {name} {id}")));
                    at.ack()?;
                    given.drain(..).for_each(|id| print_line(&format!("done {name} {id}")));
                }
                _ => {
                    if self.random.one_in(2) {
                        given.remove("panel");
                        far.close(NOW)?;
                        drop(far);
                        far = Channel::connect(&endpoint, &self.durable("panel")?, SOON)?;
                    } else {
                        given.remove("server");
                        near.close(NOW)?;
                        drop(near);
                        near = self.accept(&endpoint)?;
                    }
                }
            }
        }
        if self.random.one_in(2) {
            std::process::exit(0);
        }
        Ok(())
    }

    fn accept(&self, endpoint: &str) -> Result<Channel> {
        Listener::listen(endpoint, &self.durable("worker")?)?.accept(SOON)
    }

    fn file(&mut self) -> Result<()> {
        let endpoint = format!("file:{}", self.path);
        let form = Form::of(self.form);
        let options = form.options()?;
        let mut publisher = Publisher::new(&endpoint, &options)?;
        for _ in 0..4 + self.random.below(20) {
            if self.random.one_in(5) {
                publisher = Publisher::new(&endpoint, &options)?;
            }
            let id = self.fresh();
            print_line(&format!("try {id}"));
            let number = publisher.send(&form.value(&text(id)))?;
            print_line(&format!("kept {id} {number}"));
        }
        Ok(())
    }
}

fn send(publisher: &Publisher, id: u64) -> Result<()> {
    print_line(&format!("try {id}"));
    let number = publisher.send(&Value::from(text(id)))?;
    print_line(&format!("kept {id} {number}"));
    Ok(())
}

//! Long arrays and bytes in shared memory: loaned and viewed, or copied once; sent or published.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use linkspan::{Channel, Message, NdArray, Options, Payload, Publisher, Subscriber, Value};

use super::channel::{content, endpoint, options};
use crate::Result;
use crate::cpu::{End, Placement, pin};
use crate::ends::{Shared, fork_far};
use crate::worker::{Work, serve};

const START: Duration = Duration::from_secs(20);

/// The key of the array, because the C interface only sends maps.
const WAVE: &str = "wave";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// Loaned by the connection for each message; the sender writes eight bytes.
    Loaned,
    /// Owned by the program, equal for each message.
    Own,
    /// As `Own`, but opaque bytes instead of an array.
    Bytes,
}

impl Memory {
    pub fn from_name(name: &str) -> Result<Memory> {
        match name {
            "loaned" => Ok(Memory::Loaned),
            "own" => Ok(Memory::Own),
            "bytes" => Ok(Memory::Bytes),
            _ => Err(format!("no memory is called {name}").into()),
        }
    }
}

fn message(array: Value) -> Value {
    Value::map([(WAVE, array)])
}

/// The program's value, equal for each message; `None` for loaned memory.
fn own(bytes: usize, memory: Memory) -> Option<Value> {
    match memory {
        Memory::Loaned => None,
        Memory::Own => Some(message(Value::NdArray(NdArray::vector(&vec![7u64; bytes / 8])))),
        Memory::Bytes => Some(message(Value::Bytes(vec![7; bytes].into()))),
    }
}

/// Reads the first eight bytes of a message's array or bytes in place.
fn touch(got: &Message) -> Result<u64> {
    let data = match got.get(WAVE)? {
        Value::NdArray(array) => &array.data,
        Value::Bytes(bytes) => bytes,
        _ => return Err("neither an array nor bytes came".into()),
    };
    let (first, _) = data.split_first_chunk::<8>().ok_or("an empty array came")?;
    Ok(u64::from_le_bytes(*first))
}

struct Sender {
    channel: Channel,
    length: u64,
    own: Option<Value>,
    sent: u64,
}

impl Sender {
    fn new(channel: Channel, bytes: usize, memory: Memory) -> Sender {
        Sender { channel, length: bytes as u64 / 8, own: own(bytes, memory), sent: 0 }
    }

    fn send(&mut self) -> Result<()> {
        self.sent += 1;
        match &self.own {
            Some(value) => self.channel.send(value, linkspan::Timeout::Default)?,
            None => {
                let mut loan = self.channel.loan::<u64>(&[self.length])?;
                loan[0] = self.sent;
                self.channel.send(&message(Value::from(loan)), linkspan::Timeout::Default)?
            }
        };
        Ok(())
    }
}

impl Work for Sender {
    fn once(&mut self) -> Result<()> {
        self.send()?;
        let back = touch(&self.channel.recv(linkspan::Timeout::Default)?)?;
        // The far end counts its answers.
        if self.own.is_none() && back != self.sent {
            return Err(format!("answer {back} came to message {}", self.sent).into());
        }
        Ok(())
    }
}

/// Answers every array with another one, until the other side has closed.
fn answer(
    endpoint: &str,
    bytes: usize,
    memory: Memory,
    placement: Placement,
    options: &Options,
) -> Result<()> {
    let mut to = Sender::new(Channel::open(endpoint, options, START)?, bytes, memory);
    let mut pinned = false;
    loop {
        std::hint::black_box(touch(&to.channel.recv(None)?)?);
        if !std::mem::replace(&mut pinned, true) {
            pin(placement, End::Far)?;
        }
        to.send()?;
    }
}

/// `far arrays …`: `answer` with loaned arrays, for a near end in another language.
pub fn answer_alone(endpoint: &str, bytes: &str, placement: &str, spin: &str) -> Result<()> {
    let placement = Placement::from_name(placement)?;
    answer(endpoint, bytes.parse()?, Memory::Loaned, placement, &options(spin.parse()?)?)
}

/// An array in each direction, with eight bytes read of each.
pub fn round_trip(memory: Memory, bytes: usize, placement: Placement, spin: u64) -> Result<()> {
    let endpoint = endpoint("shm");
    let options = options(spin)?;
    fork_far(|| answer(&endpoint, bytes, memory, placement, &options))?;
    let mut work = Sender::new(Channel::connect(&endpoint, &options, START)?, bytes, memory);
    work.once()?;
    pin(placement, End::Near)?;
    serve(work)
}

/// The words that a publisher's two processes write.
#[repr(C)]
struct Words {
    /// Whether all subscribers are connected.
    begun: AtomicU64,
    /// The number of messages that all subscribers have read.
    read: AtomicU64,
}

enum Published {
    Loaned(u64),
    Own(Value),
    /// 64 bytes, for comparison.
    Short(Payload),
}

struct Publishing {
    publisher: Publisher,
    what: Published,
    words: Shared<Words>,
    sent: u64,
}

impl Work for Publishing {
    fn once(&mut self) -> Result<()> {
        self.sent += 1;
        match &self.what {
            Published::Loaned(length) => {
                let mut loan = self.publisher.loan::<u64>(&[*length])?;
                loan[0] = self.sent;
                self.publisher.send(&message(Value::from(loan)))?
            }
            Published::Own(value) => self.publisher.send(value)?,
            Published::Short(payload) => self.publisher.send_payload(payload)?,
        };
        // Each message is read before the next one, because a publisher does not wait for subscribers.
        while self.words.read.load(Ordering::Acquire) < self.sent {
            std::hint::spin_loop();
        }
        Ok(())
    }
}

/// Reads every message with every subscriber.
fn read(endpoint: &str, readers: usize, short: bool, words: &Words) -> Result<()> {
    let options = options(100)?;
    let readers =
        (0..readers).map(|_| Ok(Subscriber::new(endpoint, &options)?)).collect::<Result<Vec<_>>>()?;
    // A subscriber connects with its first receive call.
    while words.begun.load(Ordering::Acquire) == 0 {
        for reader in &readers {
            reader.poll()?;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    pin(Placement::Apart, End::Far)?;
    loop {
        for reader in &readers {
            let got = reader.recv(None)?;
            if got.missed() > 0 {
                return Err(format!("{} messages were missed", got.missed()).into());
            }
            if !short {
                std::hint::black_box(touch(&got)?);
            }
        }
        words.read.fetch_add(1, Ordering::Release);
    }
}

/// An array, or 64 bytes, to subscribers that another process on another processor reads in turn.
pub fn published(what: &str, bytes: usize, readers: usize) -> Result<()> {
    let endpoint = endpoint("shm");
    let words = Shared::<Words>::zeroed()?;
    let (theirs, short) = (words.clone(), what == "short");
    fork_far(|| read(&endpoint, readers, short, &theirs))?;
    let publisher = Publisher::new(&endpoint, &options(100)?)?;
    publisher.wait_for_subscribers(readers, START)?;
    words.begun.store(1, Ordering::Release);
    let what = match what {
        "short" => Published::Short(content(bytes)),
        memory => match own(bytes, Memory::from_name(memory)?) {
            None => Published::Loaned(bytes as u64 / 8),
            Some(value) => Published::Own(value),
        },
    };
    let mut work = Publishing { publisher, what, words, sent: 0 };
    work.once()?;
    pin(Placement::Apart, End::Near)?;
    serve(work)
}

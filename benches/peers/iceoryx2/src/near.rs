//! The measuring end: it sends, and spins until the answer arrives.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use iceoryx2::port::client::Client;
use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::prelude::*;

use crate::worker::{Work, pin, serve};
use crate::{BLOCK, END, Result, ways};

pub struct Far {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Far {
    pub fn start(case: &[&str; 2]) -> Result<Far> {
        let near = std::process::id().to_string();
        let mut child = Command::new(std::env::current_exe()?)
            .arg("far")
            .args(case)
            .arg(&near)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (to, from) = (child.stdin.take(), child.stdout.take());
        let (Some(to), Some(from)) = (to, from) else { return Err("the far end has no pipes".into()) };
        let mut far = Far { child, to: Some(to), from: BufReader::new(from) };
        far.line()?;
        Ok(far)
    }

    pub fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        match self.from.read_line(&mut line)? {
            0 => Err("the far end ended".into()),
            _ => Ok(line),
        }
    }

    pub fn begin(&mut self) -> Result<()> {
        self.to.as_mut().ok_or("the far end has gone")?.write_all(&[1])?;
        Ok(())
    }
}

impl Drop for Far {
    fn drop(&mut self) {
        // At the end of its standard input it leaves its loop and removes its segments.
        drop(self.to.take());
        // A failure means that the process no longer exists.
        let _ = self.child.wait();
    }
}

/// One publication in each direction. Each writes and reads `touched` bytes.
struct RoundTrip<const PER: u64> {
    far: Far,
    to: Publisher<ipc::Service, [u8], ()>,
    from: Subscriber<ipc::Service, [u8], ()>,
    bytes: usize,
    own: Vec<u8>,
}

impl<const PER: u64> RoundTrip<PER> {
    fn send(&mut self, first: u8) -> Result<()> {
        // SAFETY: every byte is valid, and neither end reads unwritten bytes.
        let mut sample = unsafe { self.to.loan_slice_uninit(self.bytes)?.assume_init() };
        self.own[0] = first;
        sample.payload_mut()[..self.own.len()].copy_from_slice(&self.own);
        sample.send()?;
        Ok(())
    }

    fn receive(&mut self) -> Result<()> {
        loop {
            if let Some(sample) = self.from.receive()? {
                let count = self.own.len().min(sample.payload().len());
                self.own[..count].copy_from_slice(&sample.payload()[..count]);
                return Ok(());
            }
            std::hint::spin_loop();
        }
    }
}

impl<const PER: u64> Work for RoundTrip<PER> {
    const PER: u64 = PER;
    fn begin(&mut self) -> Result<()> {
        self.far.begin()
    }
    fn once(&mut self) -> Result<()> {
        for _ in 0..PER {
            self.send(1)?;
        }
        self.receive()
    }
    fn end(&mut self) -> Result<()> {
        self.send(END)
    }
}

struct Request {
    far: Far,
    client: Client<ipc::Service, [u8], (), [u8], ()>,
    own: Vec<u8>,
}

impl Request {
    fn call(&mut self, first: u8) -> Result<()> {
        self.own[0] = first;
        let request = self.client.loan_slice_uninit(self.own.len())?.write_from_slice(&self.own);
        let pending = request.send()?;
        while first != END {
            if let Some(response) = pending.receive()? {
                self.own.copy_from_slice(response.payload());
                break;
            }
            std::hint::spin_loop();
        }
        Ok(())
    }
}

impl Work for Request {
    fn begin(&mut self) -> Result<()> {
        self.far.begin()
    }
    fn once(&mut self) -> Result<()> {
        self.call(1)
    }
    fn end(&mut self) -> Result<()> {
        self.call(END)
    }
}

/// `publish`, `view`, `stream` or `request`.
pub fn work(case: &str, bytes: &str) -> Result<()> {
    let count: usize = bytes.parse()?;
    let far = Far::start(&[case, bytes])?;
    pin(false);
    let node = NodeBuilder::new().config(&crate::config(std::process::id())?).create::<ipc::Service>()?;
    let (there, back) = ways(std::process::id())?;
    if case == "request" {
        let service = node.service_builder(&there).request_response::<[u8], [u8]>().open()?;
        let client = service.client_builder().initial_max_slice_len(count).create()?;
        return serve(Request { far, client, own: vec![7; count] });
    }
    let to = node.service_builder(&there).publish_subscribe::<[u8]>().open()?;
    let from = node.service_builder(&back).publish_subscribe::<[u8]>().open()?;
    let to = to.publisher_builder().initial_max_slice_len(count).create()?;
    let from = from.subscriber_builder().create()?;
    // A view reads eight bytes; the rest is not copied.
    let own = vec![7; if case == "view" { 8 } else { count }];
    if case == "stream" {
        serve(RoundTrip::<BLOCK> { far, to, from, bytes: count, own })
    } else {
        serve(RoundTrip::<1> { far, to, from, bytes: count, own })
    }
}

//! Many connections to one server: opened, and called in turn.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use linkspan::Channel;

use crate::Result;
use crate::cpu::Placement;
use crate::ends::{fork_far, split};
use crate::floor::{Ready, socket_path};
use crate::ours::channel::{answer, content, endpoint, options};
use crate::worker::serve_measured;

const START: Duration = Duration::from_secs(20);

/// Raises the limit of descriptors to the highest that this process may have.
pub fn raise_descriptors() -> Result<()> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes a limit of ours, then reads it.
    let failed = unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) != 0 || {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit) != 0
        }
    };
    if failed {
        Err(format!("raising the limit of descriptors: {}", io::Error::last_os_error()).into())
    } else {
        Ok(())
    }
}

fn connected(endpoint: &str, count: usize) -> Result<Vec<Channel>> {
    let options = options(0)?;
    (0..count).map(|_| Ok(Channel::connect(endpoint, &options, START)?)).collect()
}

fn server(transport: &str) -> Result<String> {
    raise_descriptors()?;
    let endpoint = endpoint(transport);
    fork_far(|| answer(&endpoint, Placement::Together, 0))?;
    // The server pins itself at its first request.
    connected(&endpoint, 1)?[0].call_payload(&content(64), START)?;
    crate::cpu::pin(Placement::Together, crate::cpu::End::Near)?;
    Ok(endpoint)
}

/// The time to open this many connections.
pub fn open(transport: &str, count: usize) -> Result<()> {
    let endpoint = server(transport)?;
    serve_measured(|| {
        let start = Instant::now();
        let channels = connected(&endpoint, count)?;
        let took = start.elapsed().as_nanos() as f64;
        // The server closes its ends before the next connections are opened.
        channels.iter().try_for_each(|channel| channel.close(START))?;
        Ok(took)
    })
}

/// The time for one call over each connection.
pub fn call(transport: &str, count: usize) -> Result<()> {
    let endpoint = server(transport)?;
    let (channels, payload) = (connected(&endpoint, count)?, content(64));
    serve_measured(|| {
        let start = Instant::now();
        for channel in &channels {
            channel.call_payload(&payload, START)?;
        }
        Ok(start.elapsed().as_nanos() as f64)
    })
}

/// As `open`, with bare sockets.
pub fn open_floor(count: usize) -> Result<()> {
    raise_descriptors()?;
    let path = socket_path();
    let listener = UnixListener::bind(&path)?;
    split(Placement::Together, move || {
        let mut held = Vec::new();
        loop {
            held.push(listener.accept()?);
            // The connections of the previous measurement are closed by now.
            if held.len() > 2 * count {
                held.drain(..count);
            }
        }
    })?;
    serve_measured(|| {
        let start = Instant::now();
        let sockets = (0..count).map(|_| UnixStream::connect(&path)).collect::<io::Result<Vec<_>>>()?;
        let took = start.elapsed().as_nanos() as f64;
        drop(sockets);
        Ok(took)
    })
}

/// As `call`, with bare sockets and a server in epoll.
pub fn call_floor(count: usize) -> Result<()> {
    raise_descriptors()?;
    let pairs = (0..count).map(|_| UnixStream::pair()).collect::<io::Result<Vec<_>>>()?;
    let (mut ours, mut theirs): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    split(Placement::Together, move || {
        let ready = Ready::new(&theirs)?;
        let (mut waiting, mut content) = (Vec::new(), [0; 64]);
        loop {
            ready.wait(&mut waiting);
            for index in waiting.drain(..) {
                theirs[index].read_exact(&mut content)?;
                theirs[index].write_all(&content)?;
            }
        }
    })?;
    serve_measured(|| {
        let (start, mut content) = (Instant::now(), [7; 64]);
        for socket in &mut ours {
            socket.write_all(&content)?;
            socket.read_exact(&mut content)?;
        }
        Ok(start.elapsed().as_nanos() as f64)
    })
}

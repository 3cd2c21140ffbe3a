//! Futures of Linkspan in a program of tokio: a task of its runtime turns the reactor.
//!
//! ```
//! # use linkspan::Value;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> linkspan::Result<()> {
//! # let directory = std::env::temp_dir().join(format!("linkspan-tokio-{}", std::process::id()));
//! # unsafe { std::env::set_var("LINKSPAN_DIR", &directory) };
//! let reactor = linkspan_tokio::reactor()?;
//! let readings = linkspan::subscribe("lab/temperature")?;
//! # let out = linkspan::publisher("lab/temperature")?;
//! # out.send(&Value::map([("celsius", 21.4)]))?;
//! let reading = readings.recv_async(&reactor).await?;
//! println!("{}", reading.get("celsius")?.as_f64()?);
//! # drop((out, readings));
//! # std::fs::remove_dir_all(&directory).unwrap();
//! # Ok(())
//! # }
//! ```
//!
//! tokio has the time-outs: `tokio::time::timeout(duration, readings.recv_async(&reactor))`. Dropping a future loses no
//! message.

#![deny(missing_debug_implementations)]
#![forbid(unsafe_code)]

use std::time::Duration;

use linkspan::service::check_threads;
use linkspan::{Error, ErrorKind, Reactor, Result, Turner};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::{Builder, Handle, Runtime};

/// Longer than any runtime lives.
const ALWAYS: Duration = Duration::from_secs(u32::MAX as u64);

/// Makes the runtime of a server of Linkspan: one thread turns it, and `waiting` threads may block.
///
/// `name` is the thread's name, for errors. The first of the blocking threads starts now and stays. If no other can be
/// started, it does the work of all; without it tokio would panic at a client's question.
///
/// # Errors
///
/// `OutOfMemory` if the process may start no thread or open no descriptor.
#[doc(hidden)]
pub fn runtime(name: &str, waiting: usize) -> Result<Runtime> {
    check_threads(name, 2)?;
    let mut runtime = Builder::new_current_thread();
    let runtime = runtime.enable_all().max_blocking_threads(waiting).thread_keep_alive(ALWAYS);
    let runtime = runtime.build().map_err(|e| {
        Error::os(format_args!("starting the event loop of the thread {name}"), e.raw_os_error().unwrap_or(0))
    })?;
    drop(runtime.spawn_blocking(|| ()));
    Ok(runtime)
}

/// Returns a reactor that a task of the current runtime turns.
///
/// The task ends with the last clone of the reactor or with the runtime. One reactor serves any number of objects.
///
/// # Errors
///
/// `InvalidState` outside of a runtime, or in one without its driver for I/O (`enable_io`). `OutOfMemory` if the
/// process may open no more descriptors.
pub fn reactor() -> Result<Reactor> {
    let handle = Handle::try_current().map_err(|e| {
        let text = format!("a reactor is made in a runtime of tokio, whose task turns it: {e}");
        Error::new(ErrorKind::InvalidState, text)
    })?;
    let reactor = Reactor::new()?;
    let turner = reactor.turner();
    // tokio panics if its runtime has no driver for I/O.
    #[allow(deprecated, reason = "a turner keeps its descriptor, open and the same, as long as it lives")]
    let watched = std::panic::catch_unwind(move || AsyncFd::with_interest(turner, Interest::READABLE));
    let watched = match watched {
        Ok(watched) => {
            watched.map_err(|e| Error::new(ErrorKind::OutOfMemory, format!("watching a reactor: {e}")))?
        }
        Err(_) => {
            let text = "the runtime of tokio has no driver for I/O: build it with enable_io or enable_all";
            return Err(Error::new(ErrorKind::InvalidState, text));
        }
    };
    handle.spawn(turn(watched));
    Ok(reactor)
}

/// Turns the reactor whenever it has something to do, to its end.
async fn turn(turner: AsyncFd<Turner>) {
    while let Ok(mut ready) = turner.readable().await {
        if !matches!(turner.get_ref().turn(Duration::ZERO), Ok(true)) {
            return;
        }
        // An event since the turn makes it readable again.
        ready.clear_ready();
    }
}

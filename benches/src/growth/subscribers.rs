//! One message to many sleeping subscribers: the time until the last one has it.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use linkspan::{Publisher, Subscriber};

use super::connections::raise_descriptors;
use crate::Result;
use crate::cpu::{End, Placement, pin};
use crate::ends::{Shared, fork_far};
use crate::floor::futex;
use crate::ours::channel::{content, endpoint, options};
use crate::worker::serve_measured;

const START: Duration = Duration::from_secs(20);

/// Runs one thread per reader; the last one to get a message acknowledges it.
fn read_all<R: Send>(
    readers: Vec<R>,
    done: &UnixStream,
    next: impl Fn(&mut R) -> Result<()> + Sync,
) -> Result<()> {
    let (count, read) = (readers.len(), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let (read, next) = (&read, &next);
        for mut reader in readers {
            scope.spawn(move || {
                while next(&mut reader).is_ok() {
                    if (read.fetch_add(1, Ordering::AcqRel) + 1).is_multiple_of(count) {
                        // Fails if the near end has ended, and this process ends with it.
                        let _ = (&mut &*done).write_all(&[1]);
                    }
                }
            });
        }
    });
    Ok(())
}

/// A message to subscribers that are threads of the far end, all on one processor.
pub fn publish(transport: &str, count: usize) -> Result<()> {
    raise_descriptors()?;
    let endpoint = endpoint(transport);
    let (mut done, theirs) = UnixStream::pair()?;
    fork_far(|| {
        let options = options(0)?;
        let readers =
            (0..count).map(|_| Subscriber::new(&endpoint, &options)).collect::<linkspan::Result<Vec<_>>>()?;
        pin(Placement::Together, End::Far)?;
        read_all(readers, &theirs, |reader| {
            reader.recv(None)?;
            Ok(())
        })
    })?;
    let publisher = Publisher::new(&endpoint, &options(0)?)?;
    publisher.wait_for_subscribers(count, START)?;
    pin(Placement::Together, End::Near)?;
    let payload = content(64);
    serve_measured(|| {
        let start = Instant::now();
        publisher.send_payload(&payload)?;
        done.read_exact(&mut [0])?;
        Ok(start.elapsed().as_nanos() as f64)
    })
}

/// Threads asleep in one futex, woken by one call; the last one writes a byte, as above.
pub fn futex_floor(count: usize) -> Result<()> {
    // The number of the last message.
    let table = Shared::<AtomicU32>::zeroed()?;
    let (mut done, theirs) = UnixStream::pair()?;
    let far = table.clone();
    fork_far(move || {
        pin(Placement::Together, End::Far)?;
        let published: &AtomicU32 = &far;
        read_all(vec![0; count], &theirs, |last: &mut u32| {
            while published.load(Ordering::Acquire) == *last {
                futex(published, libc::FUTEX_WAIT, *last);
            }
            *last = last.wrapping_add(1);
            Ok(())
        })
    })?;
    pin(Placement::Together, End::Near)?;
    serve_measured(|| {
        let start = Instant::now();
        table.fetch_add(1, Ordering::Release);
        futex(&table, libc::FUTEX_WAKE, i32::MAX as u32);
        done.read_exact(&mut [0])?;
        Ok(start.elapsed().as_nanos() as f64)
    })
}

/// The floor: equal bytes written to sockets.
pub fn floor(count: usize) -> Result<()> {
    raise_descriptors()?;
    let pairs = (0..count).map(|_| UnixStream::pair()).collect::<io::Result<Vec<_>>>()?;
    let (mut sockets, readers): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    let (mut done, theirs) = UnixStream::pair()?;
    fork_far(|| {
        pin(Placement::Together, End::Far)?;
        read_all(readers, &theirs, |reader| Ok(reader.read_exact(&mut [0; 64])?))
    })?;
    pin(Placement::Together, End::Near)?;
    serve_measured(|| {
        let start = Instant::now();
        for socket in &mut sockets {
            socket.write_all(&[7; 64])?;
        }
        done.read_exact(&mut [0])?;
        Ok(start.elapsed().as_nanos() as f64)
    })
}

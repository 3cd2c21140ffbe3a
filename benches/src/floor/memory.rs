//! Floors in memory: a word between two processors, with and without a copy, spinning or asleep.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::Result;
use crate::cpu::Placement;
use crate::ends::{Shared, split};
use crate::worker::{Work, serve};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Spin,
    Futex,
}

const LONGEST: usize = 16 << 20;

/// A word on a separate pair of cache lines, because the processor fetches lines in pairs.
#[repr(C, align(128))]
struct Line(AtomicU32);

#[repr(C)]
struct Table {
    /// The last round trip that the near end began.
    ping: Line,
    /// The last round trip that the far end answered.
    pong: Line,
    /// Odd during a round.
    round: Line,
    there: [u8; LONGEST],
    back: [u8; LONGEST],
}

struct Near {
    table: Shared<Table>,
    how: How,
    trip: u32,
    own: Vec<u8>,
    copies: Copies,
}

/// How often content is copied in each direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Copies {
    /// The writer copies in, the reader copies out.
    Two,
    /// The writer copies in; the reader reads in place.
    One,
}

/// `FUTEX_WAIT` without a time-out, or `FUTEX_WAKE`.
pub fn futex(word: &AtomicU32, operation: i32, value: u32) {
    let timeout: *const libc::timespec = std::ptr::null();
    // SAFETY: the word outlives the call; after EAGAIN and EINTR the caller checks again anyway.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), operation, value, timeout) };
}

fn store(line: &Line, value: u32, how: How) {
    line.0.store(value, Ordering::Release);
    if how == How::Futex {
        futex(&line.0, libc::FUTEX_WAKE, 1);
    }
}

fn wait(line: &Line, value: u32, how: How) {
    loop {
        let now = line.0.load(Ordering::Acquire);
        if now == value {
            return;
        }
        match how {
            How::Spin => std::hint::spin_loop(),
            How::Futex => futex(&line.0, libc::FUTEX_WAIT, now),
        }
    }
}

/// Copies the other side's bytes, like a transport that returns separate memory.
fn copy_bytes(from: *const u8, to: *mut u8, count: usize) {
    // SAFETY: both have at least `LONGEST` bytes (or the vector's length) and never overlap. The words keep the two
    // processes from touching an area at once.
    unsafe { std::ptr::copy_nonoverlapping(from, to, count) };
}

impl Work for Near {
    fn begin(&mut self) -> Result<()> {
        self.table.round.0.fetch_add(1, Ordering::Release);
        futex(&self.table.round.0, libc::FUTEX_WAKE, 1);
        Ok(())
    }

    fn once(&mut self) -> Result<()> {
        self.trip = self.trip.wrapping_add(1);
        let table = self.table.as_ptr();
        // SAFETY: only the address is taken; the mapping is as large as a Table.
        let (there, back) = unsafe { (&raw mut (*table).there, &raw const (*table).back) };
        copy_bytes(self.own.as_ptr(), there.cast(), self.own.len());
        store(&self.table.ping, self.trip, self.how);
        wait(&self.table.pong, self.trip, self.how);
        if self.copies == Copies::Two {
            copy_bytes(back.cast(), self.own.as_mut_ptr(), self.own.len());
        }
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        // A spinning far end also polls this word.
        self.table.round.0.fetch_add(1, Ordering::Release);
        if self.how == How::Futex {
            futex(&self.table.ping.0, libc::FUTEX_WAKE, 1);
        }
        Ok(())
    }
}

fn far(table: &Shared<Table>, how: How, copies: Copies, bytes: usize) -> Result<()> {
    // Written, because all-zero memory would be a single page of the kernel, which stays in the nearest cache.
    let mut own = vec![1u8; bytes];
    // SAFETY: only the address is taken; the mapping is as large as a Table.
    let (there, back) = unsafe { (&raw const (*table.as_ptr()).there, &raw mut (*table.as_ptr()).back) };
    let mut trip = 1;
    loop {
        let round = table.round.0.load(Ordering::Acquire);
        if round.is_multiple_of(2) {
            futex(&table.round.0, libc::FUTEX_WAIT, round);
            continue;
        }
        loop {
            let ping = table.ping.0.load(Ordering::Acquire);
            if ping == trip {
                if copies == Copies::Two {
                    copy_bytes(there.cast(), own.as_mut_ptr(), bytes);
                }
                copy_bytes(own.as_ptr(), back.cast(), bytes);
                store(&table.pong, trip, how);
                trip = trip.wrapping_add(1);
            } else if how == How::Futex {
                // The far end sleeps between rounds, so it uses no processor time.
                futex(&table.ping.0, libc::FUTEX_WAIT, ping);
            } else if table.round.0.load(Ordering::Relaxed) != round {
                break;
            } else {
                std::hint::spin_loop();
            }
        }
    }
}

/// One word in each direction. With `bytes` above 8, both sides also copy that much content in and out.
pub fn ping_pong(bytes: usize, placement: Placement, how: How) -> Result<()> {
    // Up to the size of a word, the word is the message.
    exchange(if bytes <= 8 { 0 } else { bytes }, placement, how, Copies::Two)
}

/// With sleeping ends, and one copy in each direction.
pub fn one_copy(bytes: usize, placement: Placement) -> Result<()> {
    exchange(bytes, placement, How::Futex, Copies::One)
}

fn exchange(bytes: usize, placement: Placement, how: How, copies: Copies) -> Result<()> {
    if bytes > LONGEST {
        return Err(format!("at most {LONGEST} bytes").into());
    }
    let table = Shared::<Table>::zeroed()?;
    let theirs = table.clone();
    split(placement, move || far(&theirs, how, copies, bytes))?;
    serve(Near { table, how, trip: 0, own: vec![1; bytes], copies })
}

struct Copy {
    from: Vec<u8>,
    to: Vec<u8>,
}

impl Work for Copy {
    fn once(&mut self) -> Result<()> {
        self.to.copy_from_slice(&self.from);
        std::hint::black_box(&mut self.to);
        Ok(())
    }
}

pub fn copy(bytes: usize) -> Result<()> {
    crate::cpu::pin(Placement::Apart, crate::cpu::End::Near)?;
    serve(Copy { from: vec![1; bytes], to: vec![0; bytes] })
}

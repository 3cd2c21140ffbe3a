//! SIGKILL at random moments: the survivor notices, carries on with the next incarnation, and nothing is left behind.
//!
//! Over each transport, in each role that it suits, on either side: 1,000 in all, 100,000 by night. `LINKSPAN_KILLS`
//! sets how many in each case, `LINKSPAN_SEED` the moments; the seed is printed.

use std::thread;
use std::time::{Duration, Instant};

use crate::support::alone::one_at_a_time;
use crate::support::victims::{Life, Random, Role, Survivor, held, nothing_more_is_held};

/// How many times the last incarnation, which is not killed, repeats its work.
const WHOLE: i64 = 20;

/// How many kills all cases have together.
const KILLS: i64 = 1_000;

/// The longest life, where a victim is at work by then; a longer one only takes longer.
const LONGEST: Duration = Duration::from_millis(8);

/// The incarnations that only measure how long it takes.
const FIRST: i64 = 5;

fn kills() -> i64 {
    std::env::var("LINKSPAN_KILLS").map_or(KILLS / CASES + 1, |n| n.parse().unwrap())
}

/// How long it takes on this machine today until a victim is at work: the middle of a few.
fn lead(survivor: &mut Survivor) -> Duration {
    let one = |i: i64| {
        let began = Instant::now();
        let mut victim = survivor.meet(i, Life::default());
        while survivor.received == 0 {
            assert!(victim.ended().is_none(), "a victim ended before it was killed");
            survivor.step();
        }
        let lead = began.elapsed();
        victim.kill();
        survivor.settle();
        lead
    };
    let mut times: Vec<_> = (0..FIRST).map(one).collect();
    times.sort();
    times[times.len() / 2]
}

/// The survivor continues with one victim after the other.
fn survives(transport: &str, role: Role) {
    let _alone = one_at_a_time();
    let mut random = Random::new();
    let kills = kills();
    let mut survivor = Survivor::new(transport, role);
    let lead = lead(&mut survivor);
    let reach = (3 * lead).clamp(LONGEST / 2, LONGEST.max(3 * lead / 2).min(3 * LONGEST));
    let mut before = held();
    for incarnation in FIRST..kills + FIRST {
        let victim = survivor.meet(incarnation, Life::default());
        // From before its start to the middle of its work.
        let moment = Duration::from_micros(random.below(reach.as_micros() as u64));
        let killer = thread::spawn(move || {
            thread::sleep(moment);
            victim.kill();
        });
        while !killer.is_finished() {
            survivor.step();
        }
        killer.join().unwrap();
        if incarnation == kills.min(20) + FIRST - 1 {
            before = held();
        }
    }
    let Survivor { total, refused, .. } = survivor;
    println!(
        "{transport} {role:?}: {kills} kills within {reach:.1?}; {total} times it worked, {refused} times it did not"
    );
    assert!(survivor.total > 0);
    // The incarnation after all those is served as the first was.
    let last = survivor.meet(kills + FIRST, Life { times: Some(WHOLE), ..Life::default() });
    survivor.see_out(last);
    nothing_more_is_held(before);
    survivor.leave();
}

macro_rules! suite {
    ($($transport:ident: $($role:ident)*;)*) => {
        $(#[allow(non_snake_case, reason = "a case is called as its role is")]
        mod $transport {
            use super::Role;
            $(#[test] fn $role() { super::survives(stringify!($transport), Role::$role) })*
        })*
        const CASES: i64 = [$($(stringify!($role),)*)*].len() as i64;
    };
}

suite! {
    shm: Exchange Listen Serve Call Publish Subscribe SendMany ReceiveMany;
    unix: Exchange Listen Serve Call Publish Subscribe SendMany ReceiveMany;
    tcp: Exchange Listen Serve Call Publish Subscribe;
    spool: Exchange Listen Serve Call;
    fifo: Exchange Listen Serve Call;
    dgram: Send Receive;
    file: Publish Subscribe;
    journal: Publish Subscribe;
}

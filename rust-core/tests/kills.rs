//! SIGKILL at random moments: the survivor notices, continues with the next incarnation, and nothing remains.
//!
//! The cases cover each transport, role and side: 1,000 kills, by night 100,000. `LINKSPAN_KILLS` sets the
//! kills of each case, `LINKSPAN_SEED` the moments.

use std::thread;
use std::time::{Duration, Instant};

use crate::support::alone::one_at_a_time;
use crate::support::victims::{Life, Random, Role, Survivor, held, nothing_more_is_held};

const WHOLE: i64 = 20;

const KILLS: i64 = 1_000;

/// The longest life after a victim has begun its work; a longer one only takes more time.
const LONGEST: Duration = Duration::from_millis(8);

/// The incarnations that only measure the time to the start of work.
const FIRST: i64 = 5;

fn kills() -> i64 {
    std::env::var("LINKSPAN_KILLS").map_or(KILLS / CASES + 1, |n| n.parse().unwrap())
}

/// Returns the median time until a victim works on this machine.
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
    // The incarnation after all kills is served like the first.
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

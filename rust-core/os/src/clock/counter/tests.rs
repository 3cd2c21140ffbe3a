//! Simulated clocks: threads read the time during clock changes, interruptions and suspensions.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Copy)]
struct Machine {
    /// Nanoseconds since its start without suspensions, in thousandths.
    steady: u128,
    offset: i64,
    /// The counter, in thousandths of a cycle, and the cycles of a nanosecond, in thousandths.
    cycles: u128,
    mega_hertz: u128,
    /// Nanoseconds that a reading of a clock takes, and the next reading's interruption.
    reading: u128,
    interruption: u128,
}

thread_local! {
    static MACHINE: Cell<Machine> = const {
        Cell::new(Machine { steady: 0, offset: 0, cycles: 0, mega_hertz: 0, reading: 0, interruption: 0 })
    };
}

impl Machine {
    fn change(change: impl FnOnce(&mut Machine)) {
        let mut machine = MACHINE.get();
        change(&mut machine);
        MACHINE.set(machine);
    }

    fn pass(nanos: u128) {
        Machine::change(|machine| {
            machine.steady += nanos * 1000;
            machine.cycles += nanos * machine.mega_hertz;
        });
    }

    fn read<T>(value: impl FnOnce(Machine) -> T) -> T {
        let Machine { reading, interruption, .. } = MACHINE.get();
        Machine::pass(reading);
        let value = value(MACHINE.get());
        Machine::pass(reading + interruption);
        Machine::change(|machine| machine.interruption = 0);
        value
    }

    fn wall(self) -> i64 {
        (self.steady / 1000) as i64 + self.offset
    }
}

const CLOCKS: Clocks = Clocks {
    wall: || Machine::read(Machine::wall),
    steady: || Machine::read(|machine| (machine.steady / 1000) as i64),
    cycles: || {
        let cycles = (MACHINE.get().cycles / 1000) as u64;
        Machine::pass(5);
        cycles
    },
};

fn time(reading: &mut Reading) -> (i64, bool) {
    let by_counter = (reading.valid != 0).then(|| reading.at((CLOCKS.cycles)())).flatten();
    by_counter.map_or_else(|| (reading.renew(CLOCKS), true), |now| (now, false))
}

fn machine(mega_hertz: u128) {
    let offset = 1_700_000_000_000_000_000;
    MACHINE.set(Machine {
        steady: 7 << 60,
        offset,
        cycles: 3 << 60,
        mega_hertz,
        reading: 20,
        interruption: 0,
    });
}

#[derive(Clone, Debug)]
enum Event {
    Pass(u32),
    Interrupt(u32),
    Set(i64),
    Suspend(u32, bool),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        30 => (0u32..2_000).prop_map(Event::Pass),
        10 => (0u32..3_000_000).prop_map(Event::Pass),
        2 => (0u32..2_000_000_000).prop_map(Event::Pass),
        2 => (0u32..20_000_000).prop_map(Event::Interrupt),
        1 => (-5_000_000_000i64..5_000_000_000).prop_map(Event::Set),
        1 => (2_000_000u32..2_000_000_000, any::<bool>()).prop_map(|(nanos, on)| Event::Suspend(nanos, on)),
    ]
}

proptest! {
    /// The time lags by less than the shortest noticed interruption, and leads only right after a change.
    #[test]
    fn time_lags_little_and_never_leads(
        rate in 600u128..5_000,
        events in proptest::collection::vec(event(), 1..400),
    ) {
        machine(rate);
        let mut reading = Reading::NONE;
        let mut changed = 0;
        for event in events {
            let until = MACHINE.get().steady + u128::from(Reading::VALID) * 1000 * 10;
            match event {
                Event::Pass(nanos) => Machine::pass(nanos.into()),
                Event::Interrupt(nanos) => Machine::change(|machine| machine.interruption = nanos.into()),
                Event::Set(by) => {
                    Machine::change(|machine| machine.offset += by);
                    changed = until;
                }
                Event::Suspend(nanos, goes_on) => {
                    Machine::change(|machine| {
                        machine.offset += i64::from(nanos);
                        machine.cycles += if goes_on { u128::from(nanos) * machine.mega_hertz } else { 0 };
                    });
                    changed = until;
                }
            }
            let before = MACHINE.get();
            let (now, _) = time(&mut reading);
            let after = MACHINE.get();
            if before.steady > changed {
                prop_assert!(now >= before.wall() - 10_000, "{} behind", before.wall() - now);
                prop_assert!(now <= after.wall() + 10, "{} ahead", now - after.wall());
            }
        }
    }
}

#[test]
fn clock_is_read_once_a_millisecond() {
    machine(2_445);
    let mut reading = Reading::NONE;
    let mut count = || {
        (0..100_000)
            .filter(|_| {
                Machine::pass(100);
                time(&mut reading).1
            })
            .count()
    };
    (0..6).for_each(|_| _ = count());
    let read = count();
    assert!((8..=12).contains(&read), "{read}");
}

#[test]
fn clock_is_read_always_while_measurements_disagree() {
    machine(2_445);
    let mut reading = Reading::NONE;
    for turn in 0..100 {
        Machine::pass(10_000_000);
        Machine::change(|machine| machine.mega_hertz = 1_000 + turn % 7 * 300);
        assert!(time(&mut reading).1 && reading.valid == 0, "{turn}");
    }
}

#[test]
fn counter_that_begins_anew_is_measured_anew() {
    machine(2_445);
    let mut reading = Reading::NONE;
    for _ in 0..3_000 {
        Machine::pass(100_000);
        time(&mut reading);
    }
    assert!(reading.valid != 0);
    Machine::change(|machine| (machine.cycles, machine.offset) = (0, machine.offset + 1_000_000_000));
    let (now, by_clock) = time(&mut reading);
    assert!(by_clock && MACHINE.get().wall() - now < 1_000);
    assert_eq!((reading.valid, reading.rate), (0, 0));
}

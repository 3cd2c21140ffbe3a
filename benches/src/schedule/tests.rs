//! Tests of the schedule: a row is measured again while its floor changes.

use super::*;
use crate::statistics::Taken;

fn plan(again: usize) -> Plan {
    Plan {
        repetitions: 9,
        round: Duration::from_millis(1),
        only: None,
        again,
        row: Duration::from_secs(1),
        quick: true,
        peers: true,
        until: Instant::now() + Duration::from_secs(60),
    }
}

fn measured(floor: &[f64]) -> Measured {
    let shell = |_: &str| Case { label: "x".into(), program: "/bin/true".into(), arguments: vec![] };
    let row = Row {
        what: "x".into(),
        ours: shell("ours"),
        floor: Some(shell("floor")),
        peers: vec![],
        mark: None,
        unit: Unit::Time,
    };
    let taken = Taken { rounds: floor.to_vec(), singles: vec![] };
    Measured { row, ours: Ok(taken.clone()), floor: Some(Ok(taken)), peers: vec![], attempts: 1 }
}

#[test]
fn row_whose_floor_moved_is_measured_again_until_it_stands_still() {
    let moved = [[100.0; 3], [100.0; 3], [200.0; 3]].concat();
    let mut runs = [moved.clone(), moved.clone(), vec![100.0; 9], moved].into_iter();
    let row = steady(&plan(5), || measured(&runs.next().unwrap()));
    assert_eq!((row.attempts, row.drift() < 1e-9), (3, true));
    assert_eq!(runs.len(), 1, "a floor that stands still ends it");
}

#[test]
fn row_whose_floor_never_stands_still_is_measured_a_bounded_number_of_times() {
    let mut count = 0;
    let row = steady(&plan(2), || {
        count += 1;
        let level = if count == 2 { 150.0 } else { 200.0 };
        measured(&[[100.0; 3], [100.0; 3], [level; 3]].concat())
    });
    assert_eq!((count, row.attempts), (3, 3));
    assert!((row.drift() - 0.5).abs() < 1e-9, "the run whose floor moved least is kept");
}

#[test]
fn row_is_not_measured_again_when_the_run_is_over() {
    let over = Plan { until: Instant::now(), ..plan(5) };
    let moved = [[100.0; 3], [100.0; 3], [200.0; 3]].concat();
    assert_eq!(steady(&over, || measured(&moved)).attempts, 1);
}

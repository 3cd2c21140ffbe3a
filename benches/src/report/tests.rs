//! Tests of the table: marks, peers, floors that moved.

use super::units::amount;
use super::*;
use crate::rows::{Mark, Row, own};
use crate::worker_process::Outcome;

fn taken(level: f64) -> Taken {
    Taken { rounds: vec![level; 9], singles: vec![level * 2.0; 9] }
}

fn measured(mark: Option<Mark>, ours: Outcome) -> Measured {
    Measured {
        row: Row {
            what: "a row".into(),
            ours: own("ours", "x"),
            floor: Some(own("floor", "x")),
            peers: vec![own("peer", "x"), own("absent", "x")],
            mark,
            unit: Unit::Time,
        },
        ours,
        floor: Some(Ok(taken(1000.0))),
        peers: vec![Ok(taken(5000.0)), Err("not installed: apt install libx-dev".into())],
        attempts: 1,
    }
}

#[test]
fn mark_says_what_was_reached_and_whether_it_is_met() {
    let text = |mark, ours: f64| lines(&measured(Some(mark), Ok(taken(ours))))[0][5].clone();
    assert_eq!(text(Mark::Ratio(1.5, 1.2), 1600.0), "mark 1.5, reached 1.6, missed");
    assert_eq!(text(Mark::Ratio(1.5, 1.2), 1400.0), "mark 1.5, reached 1.4, met");
    assert_eq!(text(Mark::Ratio(1.05, 1.0), 1000.0), "mark 1.05, reached 1.0, moonshot met");
    assert_eq!(text(Mark::Most(5000.0), 6200.0), "mark 5.00 µs, reached 6.20 µs, missed");
    let failed = measured(Some(Mark::Ratio(1.5, 1.2)), Err("Disconnected".into()));
    assert_eq!(lines(&failed)[0][5], "mark 1.5, not measured");
}

#[test]
fn row_names_ours_floor_and_each_peer_with_its_ratio_or_its_reason() {
    let lines = lines(&measured(None, Ok(taken(3000.0))));
    assert_eq!(lines[0][..5], ["a row", "ours", "3.00 µs (6.00 µs)", "3.00", "0 %"]);
    assert_eq!(lines[1][..4], ["", "floor: floor", "1.00 µs (2.00 µs)", ""]);
    assert_eq!(lines[2][..4], ["", "beside: peer", "5.00 µs (10.0 µs)", "5.00"]);
    assert_eq!(lines[3][2], "not measured: not installed: apt install libx-dev");
}

#[test]
fn floor_that_moved_is_named() {
    let mut row = measured(None, Ok(taken(3000.0)));
    row.floor = Some(Ok(Taken { rounds: [[100.0; 3], [100.0; 3], [150.0; 3]].concat(), singles: vec![] }));
    row.attempts = 3;
    assert_eq!(lines(&row)[1][5], "the floor moved by 50 %; measured 3 ×");
    assert!(steadiness(&[row]).contains("1 rows were measured again"));
}

#[test]
fn units_have_three_digits() {
    assert_eq!(time(999.7), "1.00 µs");
    assert_eq!(time(12_340.0), "12.3 µs");
    assert_eq!(time(2.5e9), "2.50 s");
    assert_eq!(amount(Unit::CpuPerMillion, 1500.0), "1.50 s");
    assert_eq!(amount(Unit::Bytes, 614_400.0), "600 KiB");
    assert_eq!(amount(Unit::Count, 0.0), "0");
}

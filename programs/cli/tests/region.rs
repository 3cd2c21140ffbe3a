//! `linkspan region`: another program's memory by a layout, as text, and memory that cannot be read.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "in a test a panic is the report"
)]

mod program;
use program::Place;

#[test]
fn struct_in_a_mapped_file_is_read() {
    let place = Place::new();
    let file = place.path().join("table");
    let mut bytes = 7u32.to_le_bytes().to_vec();
    bytes.extend([0; 4]);
    bytes.extend(21.5f64.to_le_bytes());
    bytes.extend(b"north\0\0\0");
    std::fs::write(&file, bytes).unwrap();
    let file = file.to_str().unwrap();
    let layout = "little; u32 count; f64 celsius; char name[8]";

    let finished = place.run_with(&["region", file, layout, "--json"], b"");
    assert_eq!((finished.code, finished.err.as_str()), (Some(0), ""));
    assert_eq!(finished.out, "{\"count\":7,\"celsius\":21.5,\"name\":\"north\"}\n");
    let finished = place.run_with(&["region", file, "--offset", "16"], b"");
    assert_eq!((finished.code, finished.out.as_str()), (Some(0), "north\n"));
    let finished = place.run_with(&["region", file, "f64 far @1000"], b"");
    assert_eq!((finished.code, finished.out.as_str()), (Some(1), ""));
    assert!(finished.err.contains("OutOfRange (123)"), "{}", finished.err);
    let finished = place.run_with(&["region", "posix:/linkspan-no-such-memory"], b"");
    assert_eq!(finished.code, Some(4), "{}", finished.err);
    assert!(finished.err.contains("NotFound (103)"), "{}", finished.err);
}

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

    let said = place.run_with(&["region", file, layout, "--json"], b"");
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    assert_eq!(said.out, "{\"count\":7,\"celsius\":21.5,\"name\":\"north\"}\n");
    let said = place.run_with(&["region", file, "--offset", "16"], b"");
    assert_eq!((said.code, said.out.as_str()), (Some(0), "north\n"));
    let said = place.run_with(&["region", file, "f64 far @1000"], b"");
    assert_eq!((said.code, said.out.as_str()), (Some(1), ""));
    assert!(said.err.contains("OutOfRange (123)"), "{}", said.err);
    let said = place.run_with(&["region", "posix:/linkspan-no-such-memory"], b"");
    assert_eq!(said.code, Some(4), "{}", said.err);
    assert!(said.err.contains("NotFound (103)"), "{}", said.err);
}

//! Encodes the seeds of the fuzzing target `cdr`, which must all have a form for viewers.

#[path = "support/any_messages.rs"]
mod any_messages;

#[test]
fn fuzz_seeds_have_a_form_for_viewers() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/seeds/cdr");
    let mut count = 0;
    for file in std::fs::read_dir(folder).expect("the seeds are there") {
        any_messages::write(&std::fs::read(file.expect("a file").path()).expect("it is read"));
        count += 1;
    }
    assert!(count >= 8, "{count} seeds");
}

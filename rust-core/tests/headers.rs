//! Properties of any bytes as a message header; used by the replay of its seeds and by the fuzzing target.

use linkspan::frame::{HEADER, Header};

/// Reads the first 64 bytes as a message header: one that is written like this again, or an error with its offset.
pub fn header(bytes: &[u8]) {
    let Some(bytes) = bytes.first_chunk::<HEADER>() else { return };
    match Header::from_bytes(bytes) {
        Ok(header) => assert_eq!(header.to_bytes(), *bytes, "{header:?}"),
        Err(error) => assert!(error.offset().is_some_and(|offset| offset < HEADER as u64), "{error:?}"),
    }
}

#[test]
fn header_seeds_are_headers_or_errors() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/seeds/header");
    let seeds: Vec<_> = std::fs::read_dir(folder).unwrap().map(|seed| seed.unwrap().path()).collect();
    assert!(seeds.len() > 10, "{folder} has {} seeds", seeds.len());
    for seed in seeds {
        println!("header {}", seed.display());
        header(&std::fs::read(seed).unwrap());
    }
}

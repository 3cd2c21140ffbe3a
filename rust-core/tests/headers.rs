//! Properties of any bytes as a message header, for the replay of seeds and the fuzzing target.

use linkspan::frame::{HEADER, Header};

#[cfg(test)]
#[path = "support/seeds.rs"]
mod seeds;

/// Reads a header: either its bytes round-trip, or there is an error with its offset.
pub fn header(bytes: &[u8]) {
    let Some(bytes) = bytes.first_chunk::<HEADER>() else { return };
    match Header::from_bytes(bytes) {
        Ok(header) => assert_eq!(header.to_bytes(), *bytes, "{header:?}"),
        Err(error) => assert!(error.offset().is_some_and(|offset| offset < HEADER as u64), "{error:?}"),
    }
}

#[test]
fn header_seeds_are_headers_or_errors() {
    let replayed = seeds::replay("header", header);
    assert!(replayed > 10, "{replayed} seeds");
}

//! The beginning of a fingerprint as a number, for messages and records of a journal.

/// Returns the first 8 bytes of a fingerprint as a number, never 0, which means no schema.
#[doc(hidden)]
pub fn id_of(fingerprint: &[u8; 32]) -> u64 {
    from_first(std::array::from_fn(|at| fingerprint[at]))
}

/// Returns this number for a fingerprint in hexadecimal digits; `None` for another text.
#[doc(hidden)]
pub fn id_of_text(fingerprint: &str) -> Option<u64> {
    let (first, rest) = fingerprint.as_bytes().split_first_chunk::<16>()?;
    if rest.len() != 48 {
        return None;
    }
    let (pairs, _) = first.as_chunks::<2>();
    let mut bytes = [0; 8];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        let digit = |digit: u8| char::from(digit).to_digit(16);
        *byte = (digit(*high)? << 4 | digit(*low)?) as u8;
    }
    Some(from_first(bytes))
}

fn from_first(first: [u8; 8]) -> u64 {
    u64::from_le_bytes(first).max(1)
}

//! Random bytes from the kernel, for tokens, identities and temporary names.

use rustix::rand::{GetRandomFlags, getrandom};

use crate::error::{Error, ErrorKind, Result};

/// Returns `N` unpredictable bytes, at most 256.
///
/// # Errors
/// `Internal` if the kernel gives fewer.
pub fn bytes<const N: usize>() -> Result<[u8; N]> {
    const { assert!(N <= 256, "the kernel may give fewer bytes than that in one call") };
    let mut bytes = [0; N];
    match getrandom(&mut bytes, GetRandomFlags::empty()) {
        Ok(got) if got == N => Ok(bytes),
        _ => Err(Error::new(ErrorKind::Internal, "the kernel gave no random bytes")),
    }
}

/// Returns a number other than 0.
///
/// # Errors
/// As [`bytes`].
pub fn number() -> Result<u64> {
    bytes().map(|bytes| u64::from_le_bytes(bytes) | 1)
}

/// Returns `N` bytes in hexadecimal.
///
/// # Errors
/// As [`bytes`].
pub fn digits<const N: usize>() -> Result<String> {
    Ok(bytes::<N>()?.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_bytes_differ_and_have_requested_length() {
        assert_ne!(bytes::<16>().unwrap(), bytes::<16>().unwrap());
        assert_ne!(number().unwrap(), 0);
        let digits = digits::<12>().unwrap();
        assert!(digits.len() == 24 && digits.bytes().all(|b| b.is_ascii_hexdigit()), "{digits}");
    }
}

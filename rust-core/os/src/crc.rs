//! The CRC-32C of a header or a body.
//!
//! For the eight words of a header, the processor's instruction needs 1/4 of the crate's time.

/// Returns the CRC-32C of these bytes.
pub use crc32c::crc32c as of_bytes;

/// Returns the CRC-32C of these words, little-endian.
pub fn of_words(words: &[u64; 8]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if std::is_x86_feature_detected!("sse4.2") {
        return by_instruction(words);
    }
    by_bytes(words)
}

/// Assembly, because the compiler inlines the intrinsic only in builds for such processors.
#[cfg(target_arch = "x86_64")]
fn by_instruction(words: &[u64; 8]) -> u32 {
    let mut sum = u64::from(u32::MAX);
    for word in words {
        // SAFETY: computes only in registers; the processor has the instruction.
        unsafe {
            std::arch::asm!("crc32 {0}, {1}", inout(reg) sum, in(reg) *word, options(pure, nomem, nostack, preserves_flags));
        }
    }
    !(sum as u32)
}

#[cold]
fn by_bytes(words: &[u64; 8]) -> u32 {
    words.iter().fold(0, |sum, word| crc32c::crc32c_append(sum, &word.to_le_bytes()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn words_have_the_check_sum_of_their_bytes(words in any::<[u64; 8]>()) {
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            prop_assert_eq!(of_words(&words), crc32c::crc32c(&bytes));
            prop_assert_eq!(by_bytes(&words), crc32c::crc32c(&bytes));
        }
    }
}

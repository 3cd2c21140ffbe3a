//! The CRC-32C of a header or a body, by the processor's instruction for eight bytes where it has that.
//!
//! The crate `crc32c` takes longer for 64 bytes to choose its method than for the checksum. For bodies of some
//! kilobytes its three sums side by side are put together too often, or are too long to be used.

/// The longest block for which one sum is faster than three, in bytes.
#[cfg(any(test, target_arch = "x86_64"))]
const SHORT: usize = 256;

/// The bytes of each of three sums that are computed side by side: the instruction takes three cycles, and one begins
/// in each.
#[cfg(any(test, target_arch = "x86_64"))]
const LANE: usize = 1024;

/// Returns the CRC-32C of these bytes.
pub fn of_bytes(bytes: &[u8]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if (bytes.len() <= SHORT || bytes.len() >= 3 * LANE) && std::is_x86_feature_detected!("sse4.2") {
        return by_instructions(bytes);
    }
    crc32c::crc32c(bytes)
}

/// For a processor with SSE 4.2.
#[cfg(target_arch = "x86_64")]
fn by_instructions(bytes: &[u8]) -> u32 {
    let mut sum = u64::from(u32::MAX);
    let (blocks, rest) = bytes.as_chunks::<{ 3 * LANE }>();
    for block in blocks {
        let (words, _) = block.as_chunks::<8>();
        let (first, behind) = words.split_at(LANE / 8);
        let (second, third) = behind.split_at(LANE / 8);
        let mut sums = [sum, 0, 0];
        for ((first, second), third) in first.iter().zip(second).zip(third) {
            sums = [append(sums[0], first), append(sums[1], second), append(sums[2], third)];
        }
        let two = before_zeros(sums[0] as u32) ^ sums[1] as u32;
        sum = u64::from(before_zeros(two) ^ sums[2] as u32);
    }
    if rest.len() > SHORT {
        return crc32c::crc32c_append(!(sum as u32), rest);
    }
    let (words, rest) = rest.as_chunks::<8>();
    let mut sum = words.iter().fold(sum, append) as u32;
    for byte in rest {
        // SAFETY: computes in registers alone; `of_bytes` has found that the processor has the instruction.
        unsafe {
            std::arch::asm!("crc32 {0:e}, {1}", inout(reg) sum, in(reg_byte) *byte, options(pure, nomem, nostack, preserves_flags));
        }
    }
    !sum
}

/// Returns the sum with eight more bytes.
#[cfg(target_arch = "x86_64")]
fn append(mut sum: u64, word: &[u8; 8]) -> u64 {
    let word = u64::from_le_bytes(*word);
    // SAFETY: computes in registers alone; `of_bytes` has found that the processor has the instruction.
    unsafe {
        std::arch::asm!("crc32 {0}, {1}", inout(reg) sum, in(reg) word, options(pure, nomem, nostack, preserves_flags));
    }
    sum
}

/// Returns the sum with [`LANE`] zeros behind it: what each of its bytes becomes, put together.
#[cfg(target_arch = "x86_64")]
fn before_zeros(sum: u32) -> u32 {
    let bytes = sum.to_le_bytes();
    BEFORE_ZEROS.iter().zip(bytes).fold(0, |sum, (table, byte)| sum ^ table[usize::from(byte)])
}

/// For each byte of a sum, what each of its values becomes.
#[cfg(target_arch = "x86_64")]
static BEFORE_ZEROS: [[u32; 256]; 4] = {
    /// The polynomial, its bits reversed.
    const CASTAGNOLI: u32 = 0x82F6_3B78;
    let mut tables = [[0; 256]; 4];
    let mut bit = 0;
    while bit < 32 {
        let mut sum = 1u32 << bit;
        let mut zeros = 0;
        while zeros < LANE * 8 {
            sum = (sum >> 1) ^ (CASTAGNOLI * (sum & 1));
            zeros += 1;
        }
        let mut value = 0;
        while value < 256 {
            if value >> (bit % 8) & 1 == 1 {
                tables[bit / 8][value] ^= sum;
            }
            value += 1;
        }
        bit += 1;
    }
    tables
};

/// Returns the CRC-32C of these words' bytes, the lowest of each first.
// Always: as a function to call, it gets the words in memory.
pub fn of_words(words: &[u64; 8]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if std::is_x86_feature_detected!("sse4.2") {
        return by_instruction(words);
    }
    by_bytes(words)
}

/// For a processor with SSE 4.2. Not the intrinsic function: the compiler inlines it only where the whole program
/// is built for such processors, and the words would have to go through memory.
#[cfg(target_arch = "x86_64")]
fn by_instruction(words: &[u64; 8]) -> u32 {
    let mut sum = u64::from(u32::MAX);
    for word in words {
        // SAFETY: computes in registers alone; the caller has found that the processor has the instruction.
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

        #[test]
        fn bytes_have_the_check_sum_that_the_crate_computes(bytes in prop::collection::vec(any::<u8>(), 0..2 * SHORT), seed in any::<u64>(), length in 0..8 * LANE) {
            prop_assert_eq!(of_bytes(&bytes), crc32c::crc32c(&bytes));
            let next = |last: &u64| Some(last.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
            let long: Vec<u8> = std::iter::successors(Some(seed), next).map(|n| (n >> 40) as u8).take(length).collect();
            for length in [length, length / (3 * LANE) * (3 * LANE)] {
                prop_assert_eq!(of_bytes(&long[..length]), crc32c::crc32c(&long[..length]));
            }
        }
    }
}

//! For tests with random histories: the generator, the seed from the environment, and its printing.

/// A xorshift64* generator. It is part of this crate, because a seed must always give equal numbers.
pub struct Random(u64);

impl Random {
    /// Spreads successive seeds far apart.
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % below.max(1)
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

pub fn given_seed() -> Option<u64> {
    std::env::var("LINKSPAN_SEED").ok().map(|text| text.parse().expect("LINKSPAN_SEED is a number"))
}

pub struct Seed(pub u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("LINKSPAN_SEED={} runs this history again", self.0);
        }
    }
}

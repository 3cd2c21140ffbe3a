//! Random numbers with a printed seed: `LINKSPAN_SEED=…` repeats a failure.

/// The printed seed: from the environment, else from the clock.
pub fn seed() -> u64 {
    let seed = match std::env::var("LINKSPAN_SEED") {
        Ok(text) => text.parse().expect("LINKSPAN_SEED is a number"),
        Err(_) => std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64 | 1,
    };
    println!("LINKSPAN_SEED={seed}");
    seed
}

/// A separate small generator (xorshift64*) gives a seed one meaning forever.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % below.max(1)
    }
}

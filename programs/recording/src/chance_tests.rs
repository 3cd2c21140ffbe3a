//! Random numbers for the tests of this crate. The seed `LINKSPAN_SEED` is printed.

/// Returns a generator of numbers below a limit.
pub fn below() -> impl FnMut(u64) -> u64 {
    let seed = std::env::var("LINKSPAN_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| u64::from(std::process::id()));
    println!("LINKSPAN_SEED={seed}");
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    move |limit| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % limit
    }
}

//! Shared memory: each side owns one sealed memory file that only it writes, and reads the other's.

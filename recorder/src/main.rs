//! The program `linkspan-record`: records what programs publish, and shows, checks, changes, exports and replays recordings.

fn main() {}

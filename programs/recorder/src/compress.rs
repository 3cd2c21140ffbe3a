//! The option for the compression of a recording.

use linkspan_recording::Compression;

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Compress {
    None,
    Lz4,
    Zstd,
}

impl From<Compress> for Option<Compression> {
    fn from(word: Compress) -> Option<Compression> {
        match word {
            Compress::None => None,
            Compress::Lz4 => Some(Compression::Lz4),
            Compress::Zstd => Some(Compression::Zstd),
        }
    }
}

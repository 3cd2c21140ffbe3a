//! How the messages of a recording are compressed, as an option says it.

use linkspan_recording::Compression;

/// The word of the option.
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

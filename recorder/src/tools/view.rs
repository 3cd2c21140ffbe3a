//! `linkspan recording view`: the recording in the scope page of the gateway, which is a program of its own.

use std::convert::Infallible;
use std::path::PathBuf;

use linkspan::Result;
use linkspan_program::companion::Companion;
use linkspan_recording::parts;

use super::open;

/// Show a recording in the browser: play it, draw its numbers, arrays and images, at any speed
///
/// Prints an address with a token, which shows the files of this recording and nothing else, until Ctrl-C. Needs the
/// program linkspan-gateway.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  linkspan recording view run42.mcap")]
pub struct Arguments {
    /// The file of the recording; its further parts are found
    file: PathBuf,
    /// Listen at this address of this machine; at any port where none is given
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: String,
}

/// Has the page.
const GATEWAY: Companion = Companion {
    program: "linkspan-gateway",
    command: "recording view",
    shown_as: "linkspan recording",
    sources: "gateway",
    is_in_wheel: false,
};

/// Becomes the program that shows it.
pub fn run(arguments: &Arguments) -> Result<Infallible> {
    // What is no recording is said here, and not in the page.
    drop(open(&arguments.file)?);
    let words = ["view".into(), "--listen".into(), arguments.listen.clone().into(), "--".into()];
    let files = parts::existing(&arguments.file).into_iter().map(PathBuf::into_os_string);
    GATEWAY.run(words.into_iter().chain(files))
}

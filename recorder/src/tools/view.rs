//! `linkspan recording view`: the recording in the scope page of the gateway, which is a program of its own.

use std::convert::Infallible;
use std::ffi::OsString;
use std::path::PathBuf;

use linkspan::Result;
use linkspan_program::companion::Companion;
use linkspan_program::stderr;
use linkspan_recording::{Reader, parts};

use super::limits;

/// Show a recording in the browser: play it, draw its numbers, arrays and images, at any speed
///
/// Prints an address with a token, which shows the files of this recording and nothing else, until Ctrl-C, and opens it
/// in the browser of a desktop. Needs the program linkspan-gateway.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  linkspan recording view run42.mcap")]
pub struct Arguments {
    /// The file of the recording; its further parts are found
    file: PathBuf,
    /// Listen at this address of this machine; at any port where none is given
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: String,
    /// Do not open the page in a browser, which is done where a terminal of a desktop shows the address
    #[arg(long)]
    no_open: bool,
}

/// Has the page.
const GATEWAY: Companion = Companion {
    program: "linkspan-gateway",
    command: "recording view",
    shown_as: "linkspan recording",
    sources: "gateway",
    is_in_wheel: false,
};

/// Becomes the program that shows it. What is no recording is said here, and not in the page; what lies in the place of
/// a further part, and is none, is left out.
pub fn run(arguments: &Arguments) -> Result<Infallible> {
    let mut paths = parts::existing(&arguments.file);
    if paths.is_empty() {
        paths.push(arguments.file.clone());
    }
    let mut identity = None;
    let mut files = Vec::new();
    for path in paths {
        match Reader::of_found(&arguments.file, path.clone(), limits(), identity.clone()) {
            Ok(reader) => {
                identity = identity.or_else(|| reader.identity().cloned());
                // The page gets this very file, whatever takes its place meanwhile.
                let (device, number) = reader.file_number()?;
                files.push((format!("--is={device}:{number}"), path));
            }
            Err(error) if identity.is_some() => stderr::print_error(&error),
            Err(error) => return Err(error),
        }
    }
    let words = ["view".into(), "--listen".into(), arguments.listen.clone().into()];
    let (numbers, paths): (Vec<String>, Vec<PathBuf>) = files.into_iter().unzip();
    let words = words.into_iter().chain(arguments.no_open.then(|| "--no-open".into()));
    let words = words.chain(numbers.into_iter().map(OsString::from)).chain(["--".into()]);
    GATEWAY.run(words.chain(paths.into_iter().map(PathBuf::into_os_string)))
}

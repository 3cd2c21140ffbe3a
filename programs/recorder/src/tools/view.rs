//! `linkspan recording view`: shows the recording in the scope page of the gateway, another program.

use std::convert::Infallible;
use std::ffi::OsString;
use std::path::PathBuf;

use linkspan::Result;
use linkspan_program::companion::Companion;
use linkspan_program::stderr;
use linkspan_recording::Reader;
use linkspan_recording::reader::OfRecording;

use super::opening::limits;

/// Play a recording in the browser, with plots of its numbers, arrays and images
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Prints an address whose token shows only this recording, until Ctrl-C, and opens it on a desktop.
Needs the program linkspan-gateway.

Examples:
  linkspan recording view run42.mcap
  linkspan recording view run42.mcap --listen 127.0.0.1:8080 --no-open"
)]
pub struct Arguments {
    /// First file of the recording; later parts are found
    file: PathBuf,
    /// Address on this machine; port 0 chooses a free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: String,
    /// Do not open the page in a browser
    #[arg(long)]
    no_open: bool,
}

const GATEWAY: Companion = Companion {
    program: "linkspan-gateway",
    command: "recording view",
    shown_as: "linkspan recording",
    sources: "programs/gateway",
    is_in_wheel: false,
};

/// Replaces this process by the gateway.
///
/// Files that are not recordings and missing parts are reported here rather than in the page. Other files at the path
/// of a part are left out.
pub fn run(arguments: &Arguments) -> Result<Infallible> {
    let (files, problems) = Reader::files(&arguments.file, limits())?;
    problems.iter().for_each(|problem| stderr::print_line(&problem.to_string()));
    // The page gets exactly these files, even if others replace them in the meantime.
    let is = |file: OfRecording| (format!("--is={}:{}", file.device, file.number), file.path);
    let (numbers, paths): (Vec<String>, Vec<PathBuf>) = files.into_iter().map(is).unzip();
    let words = ["view".into(), "--listen".into(), arguments.listen.clone().into()];
    let words = words.into_iter().chain(arguments.no_open.then(|| "--no-open".into()));
    let words = words.chain(numbers.into_iter().map(OsString::from)).chain(["--".into()]);
    GATEWAY.run(words.chain(paths.into_iter().map(PathBuf::into_os_string)))
}

//! `linkspan top`: a live view of the open endpoints and of the services.
//!
//! | what | lives in |
//! |---|---|
//! | the command line | `args` |
//! | the columns of both tables | `columns` |
//! | rows, rates, order, filter | `model` |
//! | the state of the screen, changed by keys | `screen` |
//! | drawing the screen | `render` |
//! | reading endpoints and services: once, and at each interval | `sampler`, `watcher` |
//! | the terminal: keys in, frames out, restored at the end | `terminal` |
//! | samples as text or JSON, without a terminal | `print` |

mod args;
// Without the live view, parts for the screen are unused.
#[cfg_attr(not(feature = "top"), allow(dead_code))]
mod columns;
#[cfg_attr(not(feature = "top"), allow(dead_code))]
mod model;
mod print;
#[cfg(feature = "top")]
mod render;
mod sampler;
#[cfg(feature = "top")]
mod screen;
#[cfg(feature = "top")]
mod terminal;
#[cfg(feature = "top")]
mod watcher;

pub use args::TopArgs;

use crate::exit::Exit;
use crate::signals::Signals;

pub fn top(args: &TopArgs, signals: &Signals) -> Result<(), Exit> {
    if args.once || args.json {
        return print::print(args, signals);
    }
    #[cfg(feature = "top")]
    return terminal::run(args, signals);
    #[cfg(not(feature = "top"))]
    Err(crate::features::missing("the live view of `linkspan top`", "top", "use --once or --json, or ")
        .into())
}

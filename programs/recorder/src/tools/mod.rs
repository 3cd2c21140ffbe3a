//! `linkspan recording`: shows, checks, copies and exports recordings.

mod check;
pub mod choice;
mod copy;
mod export;
mod faults;
mod info;
pub mod opening;
mod progress;
mod report;
mod source;
mod together;
mod view;

use std::process::ExitCode;

use linkspan::Result;

/// The commands for recordings.
#[derive(Debug, clap::Subcommand)]
pub enum Action {
    Info(info::Arguments),
    Check(check::Arguments),
    Cut(copy::Cut),
    Merge(copy::Merge),
    Split(copy::Split),
    Export(export::Arguments),
    Report(report::Arguments),
    View(view::Arguments),
}

impl Action {
    pub fn run(&self) -> Result<ExitCode> {
        match self {
            Action::Check(arguments) => return check::run(arguments),
            Action::Info(arguments) => info::run(arguments),
            Action::Cut(arguments) => arguments.run(),
            Action::Merge(arguments) => arguments.run(),
            Action::Split(arguments) => arguments.run(),
            Action::Export(arguments) => export::run(arguments),
            Action::Report(arguments) => report::run(arguments),
            Action::View(arguments) => match view::run(arguments)? {},
        }
        .map(|()| ExitCode::SUCCESS)
    }
}

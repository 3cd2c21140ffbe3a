//! Programs with faulty syncs, made by omitting syncs from a record. The checks must find each.

use std::collections::HashMap;

use super::Kind;
use super::disk::{Inode, ROOT, Step};

pub enum Fault {
    Forgotten,
    /// They are made after the next output.
    AfterTheLine,
    /// They are made after the next two changes of names (a rename) and the sync of the directory.
    AfterTheRename,
}

pub struct Mutant {
    pub name: &'static str,
    pub kind: Kind,
    /// Selects the syncs by the names of their files and directories.
    pub of: fn(&str) -> bool,
    pub fault: Fault,
}

const fn forgotten(name: &'static str, kind: Kind, of: fn(&str) -> bool) -> Mutant {
    Mutant { name, kind, of, fault: Fault::Forgotten }
}

/// Mutants that one image in a thousand shows: tried only with more images than in a daily run.
pub const RARE: [&str; 3] =
    ["the places before segments go", "the directory client", "the directory rejected"];

pub const MUTANTS: [Mutant; 22] = [
    forgotten("a round of records", Kind::Journal, is_segment),
    forgotten("a new segment's page", Kind::Journal, |name| is_new(name, ".segment")),
    forgotten("the journal's directory", Kind::Journal, |name| name.ends_with(".journal")),
    forgotten("the directory around the journal", Kind::Journal, |name| name == "state"),
    forgotten("the directory around the state directory", Kind::Journal, |name| name == "var"),
    forgotten("a new place's file", Kind::Journal, |name| is_new(name, ".consumer")),
    forgotten("the places before segments go", Kind::Journal, |name| {
        name.ends_with(".consumer") && !name.starts_with(".new.")
    }),
    Mutant {
        name: "a round of records after it was acknowledged",
        kind: Kind::Journal,
        of: is_segment,
        fault: Fault::AfterTheLine,
    },
    Mutant {
        name: "a new segment's page after it has its name",
        kind: Kind::Journal,
        of: |name| is_new(name, ".segment"),
        fault: Fault::AfterTheRename,
    },
    forgotten("a schema of a journal", Kind::Journal, |name| is_new(name, ".schema")),
    forgotten("a schema of a spool", Kind::Serve, |name| is_new(name, "schema")),
    forgotten("a message's file", Kind::Serve, |name| name.is_empty()),
    forgotten("the directory server", Kind::Serve, |name| name == "server"),
    forgotten("the directory client", Kind::Serve, |name| name == "client"),
    forgotten("the directory rejected", Kind::Serve, |name| name == "rejected"),
    forgotten("a new spool's root", Kind::Serve, |name| is_new(name, ".spool")),
    forgotten("the directory around the spool", Kind::Serve, |name| name == "state"),
    forgotten("the directory server of a channel", Kind::Channel, |name| name == "server"),
    forgotten("the directory client of a channel", Kind::Channel, |name| name == "client"),
    forgotten("a value", Kind::File, |name| is_new(name, ".file")),
    forgotten("a value in place", Kind::File, |name| name == "lab.file"),
    forgotten("the directory of a value", Kind::File, |name| name == "/"),
];

fn is_segment(name: &str) -> bool {
    name.ends_with(".segment") && !name.starts_with(".new.")
}

fn is_new(name: &str, end: &str) -> bool {
    // Some end in random digits.
    name.starts_with(".new.") && name.split('~').next().is_some_and(|name| name.ends_with(end))
}

impl Mutant {
    pub fn leave_out(&self, steps: &[Step]) -> Vec<Step> {
        let mut names: HashMap<Inode, &str> = HashMap::from([(ROOT, "/")]);
        let mut left: Vec<Step> = Vec::with_capacity(steps.len());
        // The delayed steps, and how many more steps of the awaited kind each waits for.
        let mut late: Vec<(Step, usize)> = Vec::new();
        for step in steps {
            match step {
                Step::SyncBegins(_, inode) | Step::SyncEnds(_, inode)
                    if (self.of)(names.get(inode).copied().unwrap_or_default()) =>
                {
                    match self.fault {
                        Fault::Forgotten => {}
                        Fault::AfterTheLine => late.push((step.clone(), 1)),
                        Fault::AfterTheRename => late.push((step.clone(), 3)),
                    }
                    continue;
                }
                Step::Name(_, name, Some(inode)) => drop(names.insert(*inode, name)),
                _ => {}
            }
            left.push(step.clone());
            let is_awaited = match self.fault {
                Fault::Forgotten => false,
                Fault::AfterTheLine => matches!(step, Step::Printed(_)),
                Fault::AfterTheRename => matches!(step, Step::Name(..) | Step::SyncEnds(..)),
            };
            if is_awaited {
                late.iter_mut().for_each(|(_, waits)| *waits -= 1);
                let due = late.iter().filter(|(_, waits)| *waits == 0).count();
                left.extend(late.drain(..due).map(|(step, _)| step));
            }
        }
        left
    }
}

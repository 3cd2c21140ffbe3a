//! One name: its holder, its files, and similar open names.

use super::directories;
use super::finding::Finding;
use super::{names, remedy};
use crate::engine::service_side::open_names;
use crate::error::ErrorKind;
use crate::registry::{self, Inspection, Leftover, Listed};
use crate::sys::beneath::Whose;
use crate::sys::directory::{runtime_path, state_path};
use crate::sys::environment;
use crate::transport::endpoint::Endpoint;
use crate::transport::kind::{NameDirectory, Naming};

pub fn examine(endpoint: &str) -> Vec<Finding> {
    let parsed: Endpoint = match endpoint.parse() {
        Ok(parsed) => parsed,
        Err(e) => {
            return vec![Finding::problem(
                format!("no program can have that name: {}", e.text()),
                "choose another one",
            )];
        }
    };
    if parsed.transport().naming() == Naming::Address {
        let what = format!("{parsed} is an address, and no name of this machine's directory");
        return vec![Finding::note(what, "`ss -ltnp` shows the process that listens at its port")];
    }
    match registry::inspect_name(&parsed) {
        Ok(Inspection { listed, left }) => match listed.first() {
            Some(listed) => held(listed),
            None => free(&parsed, left.first()),
        },
        Err(e) => {
            let what = format!("{parsed} cannot be had: {}", e.text());
            let advice = "see the directory's owner and mode: `linkspan doctor`";
            vec![Finding::problem(what, remedy::for_error(&e, advice))]
        }
    }
}

fn held(listed: &Listed) -> Vec<Finding> {
    let endpoint = &listed.endpoint;
    let mut findings = vec![match (listed.live, &listed.problem) {
        (true, None) => {
            let serves = listed.pattern.map(|pattern| format!(", as {pattern}")).unwrap_or_default();
            let what = format!(
                "{endpoint} is served by {}{serves}; another program cannot listen there while it lives",
                holder(listed)
            );
            Finding::fine(what)
        }
        (true, Some(problem)) => {
            let what = format!(
                "{endpoint} is held by {}, and cannot be queried: {}",
                holder(listed),
                problem.text()
            );
            Finding::problem(what, names::for_problem(listed, problem))
        }
        (false, None) => Finding::fine(format!(
            "{endpoint} exists, and no process has it: messages are kept there, and the next program goes on with it"
        )),
        (false, Some(problem)) => {
            let what = format!("{endpoint} exists, and cannot be used: {}", problem.text());
            Finding::problem(what, names::for_problem(listed, problem))
        }
    }];
    findings.extend(names::mismatch(listed));
    findings
}

fn holder(listed: &Listed) -> String {
    let process = match listed.pid {
        Some(pid) => format!("process {pid}"),
        // A number of another PID namespace would be another process here.
        None if listed.is_elsewhere => {
            "a process whose number is not known here, because it is in another container".to_owned()
        }
        None if listed.problem.as_ref().is_some_and(|e| e.kind() == ErrorKind::PermissionDenied) => {
            "a process whose number this user may not ask for".to_owned()
        }
        None => "a process whose number is not recorded".to_owned(),
    };
    let program = listed.program.as_ref().map(|program| format!(" ({program})")).unwrap_or_default();
    let of_user = listed.user.as_ref().map(|user| format!(" of user {user}")).unwrap_or_default();
    format!("{process}{program}{of_user}")
}

fn free(endpoint: &Endpoint, left: Option<&Leftover>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let directory = match (endpoint.absolute(), endpoint.transport().names()) {
        (Some((path, _)), _) => Some(path.to_owned()),
        (None, NameDirectory::State) => state_path().ok().map(|(path, _)| path),
        (None, _) => Some(runtime_path().0),
    };
    let of_another = left.and_then(|left| left.of_others.first());
    // The first program that listens creates a missing directory.
    let obstacle = directory.filter(|path| path.exists()).and_then(|path| directories::obstacle(&path));
    if let Some((path, uid)) = of_another {
        let what = format!(
            "{endpoint} cannot be had: a file of {} lies at {}, and another user's files are not taken over",
            Whose(*uid),
            path.display()
        );
        findings.push(Finding::problem(what, "have that user, or root, remove it"));
    } else if let Some((what, remedy)) = obstacle {
        let what = format!("no process has {endpoint}, and this user's programs cannot listen there: {what}");
        findings.push(Finding::problem(what, remedy));
    } else {
        findings.push(Finding::fine(format!(
            "{endpoint} is free: no process has it, and this user's programs may listen there"
        )));
        findings.extend(left.map(names::leftover));
    }
    let (near, _) = open_names::nearest_open(endpoint);
    if !near.is_empty() {
        let what = format!(
            "a program that connects to {endpoint} finds nobody; open names like it are {}",
            near.join(", ")
        );
        findings.push(Finding::note(
            what,
            environment::advice(
                "see that both programs use the same name and the same directory (LINKSPAN_DIR)",
                "see that both programs use the same name and this directory",
            ),
        ));
    }
    findings
}

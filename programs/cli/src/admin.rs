//! `linkspan ls`, `clean`, `doctor` and `setup`.

use std::path::Path;
use std::time::Duration;

use linkspan::doctor::{self, Finding, Severity};
use linkspan::registry::{self, Listed};
use linkspan::{Error, ErrorKind, Value, one_line};

use crate::exit::Exit;
use crate::{display, output, table};

pub fn list(patterns: &[String], json: bool, verbose: bool, names: bool) -> Result<(), Exit> {
    let mut listed = registry::list()?;
    listed.retain(|listed| {
        let name = listed.endpoint.split_once(':').map_or("", |(_, name)| name);
        let is_like = |pattern: &String| {
            registry::matches(pattern, &listed.endpoint) || registry::matches(pattern, name)
        };
        patterns.is_empty() || patterns.iter().any(is_like)
    });
    let peers = if verbose { listed.iter().map(connected).collect() } else { Vec::new() };
    if json {
        return lines_of_json(
            listed.iter().enumerate().map(|(at, listed)| with_peers(listed, peers.get(at))),
        );
    }
    if names {
        let name = |listed: &Listed| {
            format!("{}\n", listed.endpoint.strip_prefix("shm:").unwrap_or(&listed.endpoint))
        };
        return output::write(listed.iter().map(name).collect::<String>().as_bytes());
    }
    let titles = ["ENDPOINT", "PATTERN", "PROGRAM", "PID", "USER", "PEERS", "MESSAGES", "BEHIND", "ENCODING"];
    let mut rows = vec![titles.map(String::from).to_vec()];
    rows.extend(listed.iter().map(row));
    // With a bridge, these names have machines.
    if listed.iter().any(|listed| listed.machine.is_some()) {
        rows[0].push("MACHINE".into());
        rows[1..].iter_mut().zip(&listed).for_each(|(row, listed)| row.push(shown(listed.machine.as_ref())));
    }
    let mut text = table::text(&rows);
    for listed in &listed {
        text.extend(listed.problem.as_ref().map(|problem| problem_line(&listed.endpoint, problem)));
        text.extend(lost(listed));
        text.extend(mismatched(listed));
    }
    if verbose {
        text += &format!("\n{}", peer_table(&listed, &peers));
    }
    output::write(text.as_bytes())
}

/// How long a listener may take to tell its peers. It has just answered the listing.
const ANSWER_TIME: Duration = Duration::from_secs(1);

/// Returns the connected peers of a name; none for stores, and for names that cannot be queried.
fn connected(listed: &Listed) -> Result<Vec<Value>, Error> {
    if !listed.live || listed.problem.is_some() {
        return Ok(Vec::new());
    }
    match registry::peers(&listed.endpoint, ANSWER_TIME) {
        Err(error) if error.kind() == ErrorKind::Unsupported => Ok(Vec::new()),
        peers => peers,
    }
}

fn with_peers(listed: &Listed, peers: Option<&Result<Vec<Value>, Error>>) -> Value {
    let mut value = listed.to_value();
    let peers = peers.and_then(|peers| peers.as_ref().ok()).cloned();
    if let (Value::Map(entries), Some(peers)) = (&mut value, peers) {
        entries.insert("connected".into(), Value::Array(peers));
    }
    value
}

/// Returns a line for each peer of each name.
fn peer_table(listed: &[Listed], peers: &[Result<Vec<Value>, Error>]) -> String {
    let mut rows = vec![["ENDPOINT", "CONNECTED", "PID", "SINCE", "BEHIND"].map(String::from).to_vec()];
    let mut problems = String::new();
    for (listed, peers) in listed.iter().zip(peers) {
        let peers = match peers {
            Ok(peers) => peers,
            Err(error) => {
                problems += &problem_line(&listed.endpoint, error);
                continue;
            }
        };
        rows.extend(peers.iter().map(|peer| {
            let cell = |key: &str| match peer.at(key) {
                Ok(Value::Null) | Err(_) => "-".to_owned(),
                Ok(value) => one_line(&display::lines(value)).to_string(),
            };
            vec![listed.endpoint.clone(), cell("program"), cell("pid"), cell("since"), cell("behind")]
        }));
    }
    table::text(&rows) + &problems
}

/// A listener's lost messages for absent clients, as a line.
fn lost(listed: &Listed) -> Option<String> {
    let count = listed.forgotten.filter(|count| *count > 0)?;
    Some(format!(
        "{}: {count} messages for clients that are away are lost: too many are away; see its events and the option absent_clients\n",
        listed.endpoint
    ))
}

/// The schema differences of the last mismatched caller, as a line.
fn mismatched(listed: &Listed) -> Option<String> {
    let mismatch = one_line(listed.mismatch.as_ref()?);
    Some(format!("{}: a program connected whose schema does not fit, {mismatch}\n", listed.endpoint))
}

fn problem_line(endpoint: &str, problem: &Error) -> String {
    format!("{endpoint}: {} ({}): {}\n", problem.kind(), problem.kind().code(), one_line(problem.text()))
}

/// Escaped, because it may come from another process.
fn shown(cell: Option<impl ToString>) -> String {
    cell.map_or_else(|| "-".into(), |cell| one_line(&cell.to_string()).to_string())
}

fn row(listed: &Listed) -> Vec<String> {
    vec![
        listed.endpoint.clone(),
        shown(listed.pattern),
        shown(listed.program.as_ref()),
        shown(listed.pid),
        shown(listed.user.as_ref()),
        shown(listed.peers),
        shown(listed.messages),
        shown(listed.behind),
        shown(listed.encoding.as_ref()),
    ]
}

/// Prints the removed and the remaining files of this user's dead processes.
pub fn clean() -> Result<(), Exit> {
    let cleaned = registry::clean()?;
    let mut text: String = cleaned.removed.iter().map(|endpoint| format!("removed {endpoint}\n")).collect();
    text.extend(
        cleaned.tidied.iter().map(|endpoint| format!("removed what dead processes left beside {endpoint}\n")),
    );
    for (endpoint, why) in &cleaned.left {
        text += &format!("left {}", problem_line(endpoint, why));
    }
    output::write(text.as_bytes())
}

/// Prints the findings about one name or everything, and ends with 1 for a problem.
pub fn doctor(name: Option<&str>, json: bool, repair: bool) -> Result<(), Exit> {
    let mut findings = if repair { doctor::repair() } else { Vec::new() };
    findings.extend(name.map_or_else(doctor::examine, doctor::examine_name));
    if json {
        lines_of_json(findings.iter().map(|finding| {
            Value::map([
                ("severity", finding.severity.name()),
                ("what", &finding.what),
                ("remedy", &finding.remedy),
            ])
        }))?;
    } else {
        let text: String = findings.iter().map(paragraph).collect();
        output::write(text.as_bytes())?;
    }
    match findings.iter().any(|finding| finding.severity == Severity::Problem) {
        true => Err(Exit::ProblemFound),
        false => Ok(()),
    }
}

fn paragraph(finding: &Finding) -> String {
    let remedy = match finding.remedy.is_empty() {
        true => String::new(),
        false => format!("         → {}\n", one_line(&finding.remedy)),
    };
    format!("{:<8} {}\n{remedy}", finding.severity.name(), one_line(&finding.what))
}

/// Makes a runtime directory for a group, or removes it without one, and prints the steps.
pub fn setup(group: Option<&str>, root: &Path) -> Result<(), Exit> {
    let done = group.map_or_else(|| doctor::undo_setup(root), |group| doctor::setup(group, root))?;
    output::write(format!("{}\n", done.join("\n")).as_bytes())
}

fn lines_of_json(values: impl Iterator<Item = Value>) -> Result<(), Exit> {
    let mut text = String::new();
    for value in values {
        text += &output::json_line(&value)?;
    }
    output::write(text.as_bytes())
}

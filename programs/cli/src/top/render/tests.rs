//! The screen in terminals of many sizes.

use linkspan::Value;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::*;

fn drawn(screen: &mut Screen, width: u16, height: u16) -> (Vec<String>, Buffer) {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, screen, 1.0)).unwrap();
    let buffer = terminal.backend().buffer().clone();
    let line = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
    ((0..height).map(line).collect(), buffer)
}

fn screen(endpoints: u64, services: u64) -> Screen {
    let mut screen = Screen::new();
    screen.no_controller = None;
    for at in [0u64, 1] {
        let endpoint = |n: u64| {
            Value::map([
                ("endpoint", Value::from(format!("shm:lab/e{n:02}"))),
                ("pattern", "publish".into()),
                ("program", "python3".into()),
                ("pid", (4000 + n).into()),
                ("messages", (1000 + at * n * 100).into()),
                ("peers", 2.into()),
                ("behind", n.into()),
            ])
        };
        let service = |n: u64| {
            Value::map([
                ("name", Value::from(format!("lab/s{n:02}"))),
                ("state", if n == 1 { "FAILED" } else { "RUNNING" }.into()),
                ("view", "CONNECTED".into()),
                ("busy", 1.5.into()),
                ("steps", (at * 20).into()),
                ("pid", (5000 + n).into()),
                ("reason", if n == 1 { "the disk is full" } else { "" }.into()),
            ])
        };
        let (endpoints, services) =
            ((0..endpoints).map(endpoint).collect(), (0..services).map(service).collect());
        screen.update(Table::Endpoints, |samples| samples.take(Table::Endpoints, endpoints, at as f64));
        screen.update(Table::Services, |samples| samples.take(Table::Services, services, at as f64));
    }
    screen
}

fn press(screen: &mut Screen, code: KeyCode) {
    screen.key(KeyEvent::new(code, KeyModifiers::NONE));
}

#[test]
fn ordinary_terminal_shows_both_tables() {
    let (lines, buffer) = drawn(&mut screen(3, 2), 100, 24);
    assert!(lines[0].starts_with("linkspan top  3 endpoints, 2 services"), "{lines:#?}");
    for title in ["ENDPOINT↓", "PATTERN", "PROGRAM", "PID", "MESSAGES", "MSG/S", "PEERS", "BEHIND", "MACHINE"]
    {
        assert!(lines[1].contains(title), "{title}: {lines:#?}");
    }
    let cells: Vec<_> = lines[3].split_whitespace().collect();
    assert_eq!(cells, ["shm:lab/e01", "publish", "python3", "4001", "1100", "100.0", "2", "1", "-"]);
    let at = lines.iter().position(|line| line.starts_with("NAME")).unwrap();
    let cells: Vec<_> = lines[at + 2].split_whitespace().collect();
    assert_eq!(
        cells,
        ["lab/s01", "FAILED", "CONNECTED", "1.5", "s", "20", "-", "5001", "the", "disk", "is", "full"]
    );
    let state = lines[at + 2].chars().position(|c| c == 'F').unwrap() as u16;
    assert_eq!(buffer[(state, at as u16 + 2)].fg, Color::Red);
    assert_eq!(buffer[(state, at as u16 + 1)].fg, Color::Green);
    assert!(buffer[(0, 2)].modifier.contains(Modifier::REVERSED));
    assert!(!buffer[(0, 3)].modifier.contains(Modifier::REVERSED));
    assert!(lines[23].starts_with("q quit"));
}

#[test]
fn small_terminal_shows_the_most_important_columns() {
    let (lines, _) = drawn(&mut screen(20, 20), 40, 10);
    assert_eq!(lines[1].split_whitespace().collect::<Vec<_>>(), ["ENDPOINT↓", "MSG/S", "BEHIND"]);
    assert_eq!(lines[3].split_whitespace().collect::<Vec<_>>(), ["shm:lab/e01", "100.0", "1"]);
    assert_eq!(lines[5].split_whitespace().collect::<Vec<_>>(), ["NAME↓", "STATE", "STEPS/S"]);
    assert_eq!(lines[6].split_whitespace().collect::<Vec<_>>(), ["lab/s00", "RUNNING", "20.0"]);
    assert!(lines[9].starts_with("q quit"));
    let (lines, _) = drawn(&mut screen(20, 20), 80, 24);
    assert!(lines[1].contains("BEHIND") && lines[1].contains("MESSAGES"), "{lines:#?}");
}

#[test]
fn every_size_can_be_drawn() {
    for width in [1, 7, 40, 79, 200] {
        for height in [1, 2, 3, 4, 5, 6, 8, 10, 11, 12, 13, 24] {
            for (endpoints, services) in [(0, 0), (1, 0), (40, 3), (3, 40)] {
                let mut screen = screen(endpoints, services);
                drawn(&mut screen, width, height);
                screen.help = true;
                screen.focus = Table::Services;
                drawn(&mut screen, width, height);
            }
        }
    }
}

#[test]
fn smaller_table_leaves_unused_lines_to_the_other() {
    let heading = |lines: &[String]| lines.iter().position(|line| line.starts_with("NAME")).unwrap();
    let (lines, _) = drawn(&mut screen(40, 2), 80, 24);
    assert_eq!(heading(&lines), 19, "{lines:#?}");
    let (lines, _) = drawn(&mut screen(1, 40), 80, 24);
    assert_eq!(heading(&lines), 3, "{lines:#?}");
    let (lines, _) = drawn(&mut screen(40, 40), 80, 24);
    assert_eq!(heading(&lines), 12, "{lines:#?}");
}

#[test]
fn marked_row_stays_in_sight() {
    let mut screen = screen(40, 0);
    drawn(&mut screen, 80, 24);
    press(&mut screen, KeyCode::End);
    let (lines, _) = drawn(&mut screen, 80, 24);
    assert!(lines.iter().any(|line| line.starts_with("shm:lab/e39")), "{lines:#?}");
    let (lines, _) = drawn(&mut screen, 40, 10);
    assert!(lines.iter().any(|line| line.starts_with("shm:lab/e39")), "{lines:#?}");
}

#[test]
fn errors_are_shown_in_full() {
    let mut screen = screen(2, 2);
    press(&mut screen, KeyCode::Tab);
    press(&mut screen, KeyCode::Down);
    let (lines, _) = drawn(&mut screen, 40, 16);
    assert_eq!(lines[14], "lab/s01: the disk is full");
}

#[test]
fn missing_controller_is_shown_in_a_line() {
    let mut screen = screen(2, 0);
    screen.no_controller = Some("no controller at unix:controller".into());
    let (lines, _) = drawn(&mut screen, 80, 24);
    assert!(lines.iter().any(|line| line == "no controller at unix:controller"), "{lines:#?}");
    screen.no_controller = None;
    let (lines, _) = drawn(&mut screen, 80, 24);
    assert!(lines.iter().any(|line| line == "no services"), "{lines:#?}");
}

#[test]
fn changes_by_keys_are_visible() {
    let mut screen = screen(5, 2);
    for c in "/e03".chars() {
        press(&mut screen, KeyCode::Char(c));
    }
    let (lines, _) = drawn(&mut screen, 80, 24);
    assert_eq!(lines[23], "filter: e03▏");
    assert!(lines[2].starts_with("shm:lab/e03") && !lines[3].starts_with("shm:"), "{lines:#?}");
    press(&mut screen, KeyCode::Enter);
    press(&mut screen, KeyCode::Char('p'));
    press(&mut screen, KeyCode::Char('?'));
    let (lines, _) = drawn(&mut screen, 80, 24);
    assert!(lines[0].contains("HELD") && lines[0].contains("only e03"), "{lines:#?}");
    for line in HELP {
        assert!(lines.iter().any(|drawn| drawn.contains(line)), "{line}: {lines:#?}");
    }
    let (lines, _) = drawn(&mut screen, 40, 10);
    for line in HELP {
        assert!(lines.iter().any(|drawn| drawn.contains(line)), "{line}: {lines:#?}");
    }
}

#[test]
fn wide_characters_take_the_room_that_they_need() {
    let name = Table::Endpoints.columns().first().unwrap();
    assert_eq!(fill("温度計の値", 7, name), "温度計…");
    assert_eq!(fill("温度計の値", 6, name), "温度… ");
    assert_eq!(fill("abc", 3, name), "abc");
    assert_eq!(cut("abc", 0), "");
}

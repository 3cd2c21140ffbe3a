//! Draws the screen: a summary line, two tables, the problem of the selected row, the keys.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph};

use super::columns::{Column, Table, fitting};
use super::model::Row;
use super::screen::Screen;

/// From this height on, the selected row's problem has a line.
const DETAIL_MIN_HEIGHT: u16 = 12;
/// A table with fewer lines is only its heading.
const TABLE_MIN_HEIGHT: u16 = 2;

const HELP: [&str; 8] = [
    "q Esc Ctrl-C   quit",
    "↑ ↓ PgUp PgDn  scroll",
    "Home End       first, last",
    "Tab            the other table",
    "s, r           sort, reverse",
    "/              filter, Esc ends it",
    "p              pause",
    "?              this",
];

/// Draws the screen; `every` is the interval of samples in seconds.
pub fn draw(frame: &mut Frame, screen: &mut Screen, every: f64) {
    let area = frame.area();
    let detail = u16::from(area.height >= DETAIL_MIN_HEIGHT);
    let foot = u16::from(area.height >= 4);
    let lines =
        [Constraint::Length(1), Constraint::Fill(1), Constraint::Length(detail), Constraint::Length(foot)];
    let [status_line, middle, detail_line, foot_line] = Layout::vertical(lines).areas(area);

    frame.render_widget(status(screen, every), status_line);
    let shares = share(middle.height, screen);
    let [upper, lower] =
        Layout::vertical([Constraint::Length(shares.0), Constraint::Length(shares.1)]).areas(middle);
    table(frame, screen, Table::Endpoints, upper);
    table(frame, screen, Table::Services, lower);
    frame.render_widget(wrong(screen), detail_line);
    frame.render_widget(keys(screen), foot_line);
    if screen.help {
        help(frame, area);
    }
}

/// Each table gets at least half if it needs that; without space, only the focused one is shown.
fn share(height: u16, screen: &Screen) -> (u16, u16) {
    if height < 2 * TABLE_MIN_HEIGHT {
        return match screen.focus {
            Table::Endpoints => (height, 0),
            Table::Services => (0, height),
        };
    }
    let lines = |kind| u16::try_from(screen.rows(kind).len().max(1)).unwrap_or(u16::MAX).saturating_add(1);
    let half = height / 2;
    let lower = lines(Table::Services)
        .max(height.saturating_sub(lines(Table::Endpoints)).min(half))
        .min(height - TABLE_MIN_HEIGHT);
    let upper = lines(Table::Endpoints).min(height - half).max(height.saturating_sub(lower));
    (upper, height - upper)
}

fn status(screen: &Screen, every: f64) -> Line<'static> {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let count = |kind: Table| {
        let count = screen.count(kind);
        format!("{count} {}", kind.noun(count))
    };
    let mut spans = vec![
        Span::styled("linkspan top", bold),
        Span::raw(format!("  {}, {}", count(Table::Endpoints), count(Table::Services))),
    ];
    if screen.paused {
        spans.push(Span::styled("  HELD", bold.fg(Color::Yellow)));
    }
    if !screen.filter.is_empty() && !screen.editing_filter {
        spans.push(Span::styled(format!("  only {}", screen.filter), Style::new().fg(Color::Yellow)));
    }
    match &screen.problem {
        Some(problem) => spans.push(Span::styled(format!("  {problem}"), Style::new().fg(Color::Red))),
        None => spans.push(Span::styled(format!("  every {every} s"), dim())),
    }
    Line::from(spans)
}

fn dim() -> Style {
    Style::new().add_modifier(Modifier::DIM)
}

fn table(frame: &mut Frame, screen: &mut Screen, kind: Table, area: Rect) {
    if area.height == 0 || area.width == 0 {
        return;
    }
    screen.settle(kind, usize::from(area.height - 1));
    let columns = fitting(kind, area.width);
    let place = screen.view(kind);
    let has_keys = screen.focus == kind;
    let mut lines = vec![heading(kind, &columns, place.order_by, place.reversed, has_keys)];
    let rows = screen.rows(kind);
    let shown = rows.iter().enumerate().skip(place.top).take(usize::from(area.height - 1));
    lines.extend(shown.map(|(at, row)| {
        let line = row_line(kind, row, &columns);
        if has_keys && at == place.selected { line.patch_style(Modifier::REVERSED) } else { line }
    }));
    if rows.is_empty() {
        lines.push(Line::styled(nothing(screen, kind), dim()));
    }
    frame.render_widget(Paragraph::new(lines), area);
}

fn nothing(screen: &Screen, kind: Table) -> String {
    match (kind, &screen.no_controller) {
        (Table::Services, Some(why)) => why.clone(),
        _ if screen.count(kind) > 0 => format!("no {} matches", kind.noun(1)),
        _ => format!("no {}", kind.noun(0)),
    }
}

fn heading(
    kind: Table,
    columns: &[(usize, u16)],
    by: usize,
    reversed: bool,
    has_keys: bool,
) -> Line<'static> {
    let cells = columns.iter().map(|(at, width)| {
        let column = &kind.columns()[*at];
        let arrow = match (*at == by, reversed) {
            (false, _) => "",
            (true, false) => "↓",
            (true, true) => "↑",
        };
        // The arrow remains if the title is cut.
        let room = usize::from(*width).saturating_sub(arrow.chars().count());
        let title = format!("{}{arrow}", cut(column.title, room));
        Span::raw(fill(&title, *width, column))
    });
    let style = Style::new().add_modifier(Modifier::BOLD);
    let style = if has_keys { style.fg(Color::Cyan) } else { style };
    Line::from(apart(cells)).style(style.add_modifier(Modifier::UNDERLINED))
}

fn row_line(kind: Table, row: &Row, columns: &[(usize, u16)]) -> Line<'static> {
    let cells = columns.iter().map(|(at, width)| {
        let column = &kind.columns()[*at];
        let text = fill(&row.cells[*at].shown(), *width, column);
        let style = match column.title {
            "STATE" => of_state(&row.state),
            "VIEW" => of_view(&row.cells[*at].shown()),
            "PROBLEM" => Style::new().fg(Color::Red),
            "ENDPOINT" | "NAME" if !row.problem.is_empty() => Style::new().fg(Color::Red),
            _ => Style::new(),
        };
        Span::styled(text, style)
    });
    Line::from(apart(cells))
}

fn apart(cells: impl Iterator<Item = Span<'static>>) -> Vec<Span<'static>> {
    let mut spans = Vec::new();
    for cell in cells {
        if !spans.is_empty() {
            spans.push(Span::raw(" "));
        }
        spans.push(cell);
    }
    spans
}

/// Returns the colour of a state; its name is shown as well.
fn of_state(state: &str) -> Style {
    let colour = match state {
        "RUNNING" => Color::Green,
        "PAUSED" => Color::Yellow,
        "READY" => Color::Cyan,
        "FAILED" => Color::Red,
        "STOPPED" => return dim(),
        // Changing to another state.
        _ => Color::Magenta,
    };
    Style::new().fg(colour)
}

/// Returns the colour of a service's liveness.
fn of_view(view: &str) -> Style {
    match view {
        "STALE" => Style::new().fg(Color::Yellow),
        "DISCONNECTED" => Style::new().fg(Color::Red),
        "GONE" => dim(),
        _ => Style::new(),
    }
}

/// Returns the text in this many cells of the screen, cut or padded.
fn fill(text: &str, width: u16, column: &Column) -> String {
    let text = cut(text, usize::from(width));
    let gap = " ".repeat(usize::from(width).saturating_sub(Span::raw(&text).width()));
    if column.is_number() { gap + &text } else { text + &gap }
}

/// As much of the text as fits, with a mark if it was cut.
fn cut(text: &str, width: usize) -> String {
    if Span::raw(text).width() <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    for c in text.chars() {
        kept.push(c);
        if Span::raw(&kept).width() + 1 > width {
            kept.pop();
            break;
        }
    }
    if width > 0 {
        kept.push('…');
    }
    kept
}

fn wrong(screen: &Screen) -> Line<'static> {
    match screen.selected() {
        Some(row) if !row.problem.is_empty() => {
            Line::styled(format!("{}: {}", row.name, row.problem), Style::new().fg(Color::Red))
        }
        _ => Line::default(),
    }
}

fn keys(screen: &Screen) -> Line<'static> {
    if screen.editing_filter {
        return Line::from(format!("filter: {}▏", screen.filter));
    }
    Line::styled("q quit  ? keys  Tab table  s sort  / filter  p pause", dim())
}

fn help(frame: &mut Frame, area: Rect) {
    let width = HELP.iter().map(|line| Span::raw(*line).width()).max().unwrap_or(0) as u16 + 4;
    let height = HELP.len() as u16 + 2;
    let centred = |room: u16, size: u16| (room.saturating_sub(size) / 2, size.min(room));
    let (x, width) = centred(area.width, width);
    let (y, height) = centred(area.height, height);
    let area = Rect { x: area.x + x, y: area.y + y, width, height };
    frame.render_widget(Clear, area);
    let lines: Vec<Line> = HELP.iter().map(|line| Line::from(format!(" {line}"))).collect();
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" Keys ")), area);
}

#[cfg(test)]
mod tests;

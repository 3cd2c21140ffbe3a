//! The state of the screen without the rows: focus, scroll position, order and filter.
//!
//! Pure: keys and samples go in.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::columns::Table;
use super::model::{Row, Samples, arranged};
use super::sampler::error_line;
use super::watcher::Update;

#[derive(Default)]
pub struct TableView {
    /// The index of the selected row after filtering.
    pub selected: usize,
    /// The first row that is drawn.
    pub top: usize,
    pub order_by: usize,
    pub reversed: bool,
    /// How many rows were drawn last: a page.
    pub page: usize,
    samples: Samples,
    /// The displayed rows, which stay unchanged while the view is paused.
    rows: Vec<Row>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Continue,
    Quit,
}

pub struct Screen {
    pub focus: Table,
    endpoints: TableView,
    services: TableView,
    pub filter: String,
    pub editing_filter: bool,
    pub paused: bool,
    pub help: bool,
    /// None while there is a controller.
    pub no_controller: Option<String>,
    /// Why the endpoints could not be listed the last time.
    pub problem: Option<String>,
}

impl Screen {
    pub fn new() -> Screen {
        Screen {
            focus: Table::Endpoints,
            endpoints: TableView::default(),
            services: TableView::default(),
            filter: String::new(),
            editing_filter: false,
            paused: false,
            help: false,
            no_controller: Some("searching for a controller".into()),
            problem: None,
        }
    }

    pub fn view(&self, kind: Table) -> &TableView {
        match kind {
            Table::Endpoints => &self.endpoints,
            Table::Services => &self.services,
        }
    }

    pub fn view_mut(&mut self, kind: Table) -> &mut TableView {
        match kind {
            Table::Endpoints => &mut self.endpoints,
            Table::Services => &mut self.services,
        }
    }

    pub fn apply(&mut self, update: Update) {
        match update {
            Update::Endpoints(Ok(records), at) => {
                self.problem = None;
                self.update(Table::Endpoints, |samples| samples.take(Table::Endpoints, records, at));
            }
            Update::Endpoints(Err(error), _) => self.problem = Some(error_line(&error)),
            Update::Services(Ok(records), at) => {
                self.no_controller = None;
                self.update(Table::Services, |samples| samples.take(Table::Services, records, at));
            }
            Update::Services(Err(error), at) => {
                self.no_controller = Some(error_line(&error));
                self.update(Table::Services, |samples| samples.take(Table::Services, Vec::new(), at));
            }
            Update::Service(record) => {
                self.update(Table::Services, |samples| samples.refresh(Table::Services, record))
            }
            Update::Gone(name) => {
                self.update(Table::Services, |samples| samples.forget(Table::Services, &name))
            }
        }
    }

    /// Applies a change to a table. A paused view shows it later.
    pub fn update(&mut self, kind: Table, change: impl FnOnce(&mut Samples)) {
        let paused = self.paused;
        let view = self.view_mut(kind);
        change(&mut view.samples);
        if !paused {
            view.rows = view.samples.rows(kind);
        }
    }

    pub fn rows(&self, kind: Table) -> Vec<Row> {
        let view = self.view(kind);
        arranged(&view.rows, &self.filter, view.order_by, view.reversed)
    }

    pub fn count(&self, kind: Table) -> usize {
        self.view(kind).rows.len()
    }

    pub fn selected(&self) -> Option<Row> {
        self.rows(self.focus).into_iter().nth(self.view(self.focus).selected)
    }

    /// Moves the selection to an existing row, and scrolls to it.
    pub fn settle(&mut self, kind: Table, page: usize) {
        let count = self.rows(kind).len();
        let view = self.view_mut(kind);
        view.page = page;
        view.selected = view.selected.min(count.saturating_sub(1));
        view.top = view.top.min(count.saturating_sub(page)).min(view.selected);
        if page > 0 && view.selected >= view.top + page {
            view.top = view.selected + 1 - page;
        }
    }

    pub fn key(&mut self, key: KeyEvent) -> Action {
        if key.kind == KeyEventKind::Release {
            return Action::Continue;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return match key.code {
                KeyCode::Char('c') => Action::Quit,
                _ => Action::Continue,
            };
        }
        if self.editing_filter {
            self.type_filter(key.code);
            return Action::Continue;
        }
        // A key that closes the help does nothing else.
        if std::mem::take(&mut self.help) {
            return Action::Continue;
        }
        match key.code {
            KeyCode::Char('q') => return Action::Quit,
            // Escape undoes the latest request first.
            KeyCode::Esc if self.filter.is_empty() => return Action::Quit,
            KeyCode::Esc => self.filter.clear(),
            KeyCode::Char('?' | 'h') => self.help = true,
            KeyCode::Char('/') => self.editing_filter = true,
            KeyCode::Char('p' | ' ') => self.toggle_paused(),
            KeyCode::Char('s') => self.order_by_next(),
            KeyCode::Char('S' | 'r') => {
                let view = self.view_mut(self.focus);
                view.reversed = !view.reversed;
            }
            KeyCode::Tab | KeyCode::BackTab => self.focus = self.focus.other(),
            code => self.scroll(code),
        }
        Action::Continue
    }

    fn type_filter(&mut self, code: KeyCode) {
        match code {
            KeyCode::Enter | KeyCode::Tab => self.editing_filter = false,
            KeyCode::Esc => {
                self.editing_filter = false;
                self.filter.clear();
            }
            KeyCode::Backspace => drop(self.filter.pop()),
            KeyCode::Char(c) if !c.is_control() => self.filter.push(c),
            _ => {}
        }
    }

    fn toggle_paused(&mut self) {
        self.paused = !self.paused;
        if !self.paused {
            // Apply the updates that arrived during the pause.
            for kind in [Table::Endpoints, Table::Services] {
                self.update(kind, |_| {});
            }
        }
    }

    fn order_by_next(&mut self) {
        let kind = self.focus;
        let view = self.view_mut(kind);
        view.order_by = (view.order_by + 1) % kind.columns().len();
        view.reversed = false;
    }

    fn scroll(&mut self, code: KeyCode) {
        let last = self.rows(self.focus).len().saturating_sub(1);
        let view = self.view_mut(self.focus);
        let page = view.page.max(1);
        view.selected = match code {
            KeyCode::Up | KeyCode::Char('k') => view.selected.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => view.selected + 1,
            KeyCode::PageUp => view.selected.saturating_sub(page),
            KeyCode::PageDown => view.selected + page,
            KeyCode::Home | KeyCode::Char('g') => 0,
            KeyCode::End | KeyCode::Char('G') => last,
            _ => return,
        }
        .min(last);
    }
}

#[cfg(test)]
mod tests {
    use linkspan::Value;

    use super::*;

    fn press(screen: &mut Screen, code: KeyCode) -> Action {
        screen.key(KeyEvent::new(code, KeyModifiers::NONE))
    }

    fn write(screen: &mut Screen, text: &str) {
        for c in text.chars() {
            assert_eq!(press(screen, KeyCode::Char(c)), Action::Continue);
        }
    }

    fn with_endpoints(count: u64) -> Screen {
        let mut screen = Screen::new();
        update(&mut screen, count, 0.0);
        screen.settle(Table::Endpoints, 5);
        screen
    }

    fn update(screen: &mut Screen, count: u64, at: f64) {
        let record = |n: u64| {
            Value::map([("endpoint", Value::from(format!("shm:{n:03}"))), ("messages", (n * 10).into())])
        };
        screen.update(Table::Endpoints, |samples| {
            samples.take(Table::Endpoints, (0..count).map(record).collect(), at)
        });
    }

    #[test]
    fn run_ends_at_its_limit() {
        for code in [KeyCode::Char('q'), KeyCode::Esc] {
            assert_eq!(press(&mut Screen::new(), code), Action::Quit);
        }
        let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(Screen::new().key(interrupt), Action::Quit);
        let mut editing_filter = Screen::new();
        editing_filter.editing_filter = true;
        assert_eq!(editing_filter.key(interrupt), Action::Quit);
        assert_eq!(press(&mut editing_filter, KeyCode::Char('q')), Action::Continue);
        let release = KeyEvent::new_with_kind(KeyCode::Char('q'), KeyModifiers::NONE, KeyEventKind::Release);
        assert_eq!(Screen::new().key(release), Action::Continue);
    }

    #[test]
    fn selection_stays_on_rows_and_the_page_shows_it() {
        let mut screen = with_endpoints(12);
        let standing = |screen: &mut Screen| {
            screen.settle(Table::Endpoints, 5);
            let view = screen.view(Table::Endpoints);
            (view.selected, view.top)
        };
        press(&mut screen, KeyCode::Up);
        assert_eq!(standing(&mut screen), (0, 0));
        press(&mut screen, KeyCode::Down);
        assert_eq!(standing(&mut screen), (1, 0));
        press(&mut screen, KeyCode::PageDown);
        assert_eq!(standing(&mut screen), (6, 2));
        press(&mut screen, KeyCode::PageDown);
        press(&mut screen, KeyCode::PageDown);
        assert_eq!(standing(&mut screen), (11, 7));
        press(&mut screen, KeyCode::Home);
        assert_eq!(standing(&mut screen), (0, 0));
        press(&mut screen, KeyCode::End);
        assert_eq!(standing(&mut screen), (11, 7));
        assert_eq!(screen.selected().unwrap().name, "shm:011");
        // Most endpoints have ended.
        update(&mut screen, 3, 1.0);
        assert_eq!(standing(&mut screen), (2, 0));
        update(&mut screen, 0, 2.0);
        assert_eq!(standing(&mut screen), (0, 0));
        assert_eq!(screen.selected(), None);
    }

    #[test]
    fn filter_is_typed_kept_and_cleared() {
        let mut screen = with_endpoints(12);
        write(&mut screen, "/01q");
        assert_eq!(screen.rows(Table::Endpoints).len(), 0);
        press(&mut screen, KeyCode::Backspace);
        assert_eq!(screen.rows(Table::Endpoints).len(), 3);
        press(&mut screen, KeyCode::Enter);
        assert_eq!((screen.editing_filter, screen.filter.as_str()), (false, "01"));
        assert_eq!(screen.count(Table::Endpoints), 12);
        assert_eq!(press(&mut screen, KeyCode::Esc), Action::Continue);
        assert_eq!(screen.rows(Table::Endpoints).len(), 12);
        write(&mut screen, "/x");
        press(&mut screen, KeyCode::Esc);
        assert_eq!((screen.editing_filter, screen.filter.as_str()), (false, ""));
    }

    #[test]
    fn updates_during_a_pause_are_shown_afterwards() {
        let mut screen = with_endpoints(2);
        write(&mut screen, "p");
        update(&mut screen, 4, 1.0);
        assert_eq!(screen.count(Table::Endpoints), 2);
        // Paused or not, it can be ordered and filtered.
        write(&mut screen, "r");
        assert_eq!(screen.rows(Table::Endpoints)[0].name, "shm:001");
        write(&mut screen, "p");
        assert_eq!(screen.count(Table::Endpoints), 4);
    }

    #[test]
    fn keys_apply_to_the_focused_table() {
        let mut screen = with_endpoints(3);
        write(&mut screen, "s");
        press(&mut screen, KeyCode::Tab);
        assert_eq!(screen.focus, Table::Services);
        write(&mut screen, "ssr");
        let order = |screen: &Screen, kind| (screen.view(kind).order_by, screen.view(kind).reversed);
        assert_eq!(order(&screen, Table::Endpoints), (1, false));
        assert_eq!(order(&screen, Table::Services), (2, true));
        for _ in 0..Table::Services.columns().len() - 2 {
            write(&mut screen, "s");
        }
        assert_eq!(order(&screen, Table::Services), (0, false));
    }

    #[test]
    fn any_key_closes_the_help_and_has_no_other_effect() {
        let mut screen = Screen::new();
        write(&mut screen, "?");
        assert!(screen.help);
        assert_eq!(press(&mut screen, KeyCode::Char('q')), Action::Continue);
        assert!(!screen.help);
    }
}

//! What is on the screen beside the rows: which table has the keys, how far it is scrolled, the order, the filter.
//!
//! Pure: keys and looks go in, and what is to be drawn is read from it.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::columns::Kind;
use super::model::{Looks, Row, arranged};

/// Where one table stands.
#[derive(Default)]
pub struct Place {
    /// The row that is marked, among those that the filter lets through.
    pub marked: usize,
    /// The first row that is drawn.
    pub top: usize,
    /// The column that orders it.
    pub by: usize,
    /// Whether the order is the other way round.
    pub reversed: bool,
    /// How many rows were drawn last: a page.
    pub page: usize,
    looks: Looks,
    /// What is shown, which stays as it is while the view is held.
    rows: Vec<Row>,
}

/// Whether the view goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It does.
    Stay,
    /// It was told to end.
    Quit,
}

/// The whole screen.
pub struct Screen {
    /// The table that has the keys.
    pub focus: Kind,
    endpoints: Place,
    services: Place,
    /// Words that a row must have.
    pub filter: String,
    /// Whether the filter is being typed.
    pub typing: bool,
    /// Whether it shows what it showed when it was held.
    pub held: bool,
    /// Whether the keys are explained.
    pub help: bool,
    /// Why there are no services to be shown; none while there is a controller.
    pub no_controller: Option<String>,
    /// Why the endpoints could not be listed the last time.
    pub trouble: Option<String>,
}

impl Screen {
    /// With nothing known yet.
    pub fn new() -> Screen {
        Screen {
            focus: Kind::Endpoints,
            endpoints: Place::default(),
            services: Place::default(),
            filter: String::new(),
            typing: false,
            held: false,
            help: false,
            no_controller: Some("looking for a controller".into()),
            trouble: None,
        }
    }

    /// Where a table stands.
    pub fn place(&self, kind: Kind) -> &Place {
        match kind {
            Kind::Endpoints => &self.endpoints,
            Kind::Services => &self.services,
        }
    }

    /// The same, to be changed.
    pub fn place_mut(&mut self, kind: Kind) -> &mut Place {
        match kind {
            Kind::Endpoints => &mut self.endpoints,
            Kind::Services => &mut self.services,
        }
    }

    /// What is known of one of the tables changes so; it is shown unless the view is held.
    pub fn learn(&mut self, kind: Kind, change: impl FnOnce(&mut Looks)) {
        let held = self.held;
        let place = self.place_mut(kind);
        change(&mut place.looks);
        if !held {
            place.rows = place.looks.rows(kind);
        }
    }

    /// The rows of a table, in order and filtered.
    pub fn rows(&self, kind: Kind) -> Vec<Row> {
        let place = self.place(kind);
        arranged(&place.rows, &self.filter, place.by, place.reversed)
    }

    /// How many a table has, filtered or not.
    pub fn count(&self, kind: Kind) -> usize {
        self.place(kind).rows.len()
    }

    /// The row that the keys are at.
    pub fn marked(&self) -> Option<Row> {
        self.rows(self.focus).into_iter().nth(self.place(self.focus).marked)
    }

    /// Brings the mark to a row that is there, and the page to the mark, for a page of so many rows.
    pub fn settle(&mut self, kind: Kind, page: usize) {
        let count = self.rows(kind).len();
        let place = self.place_mut(kind);
        place.page = page;
        place.marked = place.marked.min(count.saturating_sub(1));
        place.top = place.top.min(count.saturating_sub(page)).min(place.marked);
        if page > 0 && place.marked >= place.top + page {
            place.top = place.marked + 1 - page;
        }
    }

    /// A key was pressed.
    pub fn key(&mut self, key: KeyEvent) -> Next {
        if key.kind == KeyEventKind::Release {
            return Next::Stay;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return match key.code {
                KeyCode::Char('c') => Next::Quit,
                _ => Next::Stay,
            };
        }
        if self.typing {
            self.type_filter(key.code);
            return Next::Stay;
        }
        // Any key closes the help, and means nothing else then.
        if std::mem::take(&mut self.help) {
            return Next::Stay;
        }
        match key.code {
            KeyCode::Char('q') => return Next::Quit,
            // What was asked for last goes first.
            KeyCode::Esc if self.filter.is_empty() => return Next::Quit,
            KeyCode::Esc => self.filter.clear(),
            KeyCode::Char('?' | 'h') => self.help = true,
            KeyCode::Char('/') => self.typing = true,
            KeyCode::Char('p' | ' ') => self.hold(),
            KeyCode::Char('s') => self.order_by_next(),
            KeyCode::Char('S' | 'r') => {
                let place = self.place_mut(self.focus);
                place.reversed = !place.reversed;
            }
            KeyCode::Tab | KeyCode::BackTab => self.focus = self.focus.other(),
            code => self.scroll(code),
        }
        Next::Stay
    }

    fn type_filter(&mut self, code: KeyCode) {
        match code {
            KeyCode::Enter | KeyCode::Tab => self.typing = false,
            KeyCode::Esc => {
                self.typing = false;
                self.filter.clear();
            }
            KeyCode::Backspace => drop(self.filter.pop()),
            KeyCode::Char(c) if !c.is_control() => self.filter.push(c),
            _ => {}
        }
    }

    fn hold(&mut self) {
        self.held = !self.held;
        if !self.held {
            // What came meanwhile.
            for kind in [Kind::Endpoints, Kind::Services] {
                self.learn(kind, |_| {});
            }
        }
    }

    fn order_by_next(&mut self) {
        let kind = self.focus;
        let place = self.place_mut(kind);
        place.by = (place.by + 1) % kind.columns().len();
        place.reversed = false;
    }

    fn scroll(&mut self, code: KeyCode) {
        let last = self.rows(self.focus).len().saturating_sub(1);
        let place = self.place_mut(self.focus);
        let page = place.page.max(1);
        place.marked = match code {
            KeyCode::Up | KeyCode::Char('k') => place.marked.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => place.marked + 1,
            KeyCode::PageUp => place.marked.saturating_sub(page),
            KeyCode::PageDown => place.marked + page,
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

    fn press(screen: &mut Screen, code: KeyCode) -> Next {
        screen.key(KeyEvent::new(code, KeyModifiers::NONE))
    }

    fn write(screen: &mut Screen, text: &str) {
        for c in text.chars() {
            assert_eq!(press(screen, KeyCode::Char(c)), Next::Stay);
        }
    }

    fn with_endpoints(count: u64) -> Screen {
        let mut screen = Screen::new();
        learn(&mut screen, count, 0.0);
        screen.settle(Kind::Endpoints, 5);
        screen
    }

    fn learn(screen: &mut Screen, count: u64, at: f64) {
        let record = |n: u64| {
            Value::map([("endpoint", Value::from(format!("shm:{n:03}"))), ("messages", (n * 10).into())])
        };
        screen.learn(Kind::Endpoints, |looks| {
            looks.take(Kind::Endpoints, (0..count).map(record).collect(), at)
        });
    }

    #[test]
    fn it_ends_where_it_is_told_to() {
        for code in [KeyCode::Char('q'), KeyCode::Esc] {
            assert_eq!(press(&mut Screen::new(), code), Next::Quit);
        }
        let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(Screen::new().key(interrupt), Next::Quit);
        let mut typing = Screen::new();
        typing.typing = true;
        assert_eq!(typing.key(interrupt), Next::Quit);
        assert_eq!(press(&mut typing, KeyCode::Char('q')), Next::Stay);
        let release = KeyEvent::new_with_kind(KeyCode::Char('q'), KeyModifiers::NONE, KeyEventKind::Release);
        assert_eq!(Screen::new().key(release), Next::Stay);
    }

    #[test]
    fn the_mark_stays_on_rows_and_the_page_with_the_mark() {
        let mut screen = with_endpoints(12);
        let standing = |screen: &mut Screen| {
            screen.settle(Kind::Endpoints, 5);
            let place = screen.place(Kind::Endpoints);
            (place.marked, place.top)
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
        assert_eq!(screen.marked().unwrap().name, "shm:011");
        // Most of them have gone.
        learn(&mut screen, 3, 1.0);
        assert_eq!(standing(&mut screen), (2, 0));
        learn(&mut screen, 0, 2.0);
        assert_eq!(standing(&mut screen), (0, 0));
        assert_eq!(screen.marked(), None);
    }

    #[test]
    fn a_filter_is_typed_kept_and_let_go() {
        let mut screen = with_endpoints(12);
        write(&mut screen, "/01q");
        assert_eq!(screen.rows(Kind::Endpoints).len(), 0);
        press(&mut screen, KeyCode::Backspace);
        assert_eq!(screen.rows(Kind::Endpoints).len(), 3);
        press(&mut screen, KeyCode::Enter);
        assert_eq!((screen.typing, screen.filter.as_str()), (false, "01"));
        assert_eq!(screen.count(Kind::Endpoints), 12);
        assert_eq!(press(&mut screen, KeyCode::Esc), Next::Stay);
        assert_eq!(screen.rows(Kind::Endpoints).len(), 12);
        write(&mut screen, "/x");
        press(&mut screen, KeyCode::Esc);
        assert_eq!((screen.typing, screen.filter.as_str()), (false, ""));
    }

    #[test]
    fn what_comes_while_it_is_held_is_shown_afterwards() {
        let mut screen = with_endpoints(2);
        write(&mut screen, "p");
        learn(&mut screen, 4, 1.0);
        assert_eq!(screen.count(Kind::Endpoints), 2);
        // Held or not, it can be ordered and filtered.
        write(&mut screen, "r");
        assert_eq!(screen.rows(Kind::Endpoints)[0].name, "shm:001");
        write(&mut screen, "p");
        assert_eq!(screen.count(Kind::Endpoints), 4);
    }

    #[test]
    fn keys_go_to_the_table_that_has_them() {
        let mut screen = with_endpoints(3);
        write(&mut screen, "s");
        press(&mut screen, KeyCode::Tab);
        assert_eq!(screen.focus, Kind::Services);
        write(&mut screen, "ssr");
        let order = |screen: &Screen, kind| (screen.place(kind).by, screen.place(kind).reversed);
        assert_eq!(order(&screen, Kind::Endpoints), (1, false));
        assert_eq!(order(&screen, Kind::Services), (2, true));
        for _ in 0..Kind::Services.columns().len() - 2 {
            write(&mut screen, "s");
        }
        assert_eq!(order(&screen, Kind::Services), (0, false));
    }

    #[test]
    fn help_is_closed_by_any_key_which_means_nothing_else() {
        let mut screen = Screen::new();
        write(&mut screen, "?");
        assert!(screen.help);
        assert_eq!(press(&mut screen, KeyCode::Char('q')), Next::Stay);
        assert!(!screen.help);
    }
}

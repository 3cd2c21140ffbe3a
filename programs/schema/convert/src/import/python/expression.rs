//! Python expressions in annotations and defaults, and their form in errors.

use linkspan::{Error, ErrorKind, quoted};

use super::super::source::Place;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Expr {
    pub(super) at: usize,
    pub(super) what: What,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum What {
    None,
    Ellipsis,
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    /// A name, possibly with dots.
    Name(String),
    /// `of[arguments]`.
    Subscript(Box<Expr>, Vec<Expr>),
    /// `a | b | c`.
    Choice(Vec<Expr>),
    Call(Box<Expr>, Vec<Expr>, Vec<(String, Expr)>),
    /// A list, a tuple or a set.
    Items(Vec<Expr>),
    Entries(Vec<(Expr, Expr)>),
    /// The result of a lambda without parameters.
    Lambda(Box<Expr>),
    /// The source text of an expression that would need evaluation.
    Code(String),
}

pub(super) fn shown(of: &Expr) -> String {
    match &of.what {
        What::Name(name) => name.clone(),
        What::Subscript(inner, _) => format!("{}[…]", shown(inner)),
        What::Call(function, ..) => format!("{}(…)", shown(function)),
        What::Code(code) => quoted(code).to_string(),
        What::Text(text) => quoted(text).to_string(),
        What::None => "None".to_owned(),
        What::Choice(all) => all.iter().map(shown).collect::<Vec<_>>().join(" | "),
        What::Integer(number) => number.to_string(),
        What::Float(number) => number.to_string(),
        What::Bool(true) => "True".to_owned(),
        What::Bool(false) => "False".to_owned(),
        What::Ellipsis => "...".to_owned(),
        What::Bytes(_) => "b\"…\"".to_owned(),
        What::Items(_) => "[…]".to_owned(),
        What::Entries(_) => "{…}".to_owned(),
        What::Lambda(_) => "a lambda".to_owned(),
    }
}

pub(super) fn refused(place: Place<'_>, kind: ErrorKind, of: &Expr, why: &str) -> Error {
    place.error(kind, format!("{} {why}", shown(of)))
}

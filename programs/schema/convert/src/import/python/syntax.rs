//! The syntax of a Python file: our own expressions from tree-sitter's trees, with their places.

use linkspan::{ErrorKind, Result};
use tree_sitter::{Node, Parser, Tree};

use super::super::source::Place;
use super::expression::{Expr, What};
use super::literal;

/// The most levels of nested expressions; annotations of real programs have fewer than ten.
const MAX_DEPTH: usize = 48;

pub(super) struct Source<'a> {
    pub(super) file: &'a str,
    pub(super) text: &'a str,
    lines: Vec<usize>,
}

impl<'a> Source<'a> {
    pub(super) fn new(file: &'a str, text: &'a str) -> Source<'a> {
        let starts = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Source { file, text, lines: std::iter::once(0).chain(starts).collect() }
    }

    pub(super) fn place(&self, offset: usize) -> Place<'a> {
        let line = self.lines.partition_point(|start| *start <= offset);
        let start = self.lines.get(line - 1).copied().unwrap_or(0);
        let column = self.text.get(start..offset).map_or(0, |before| before.chars().count()) + 1;
        Place { file: self.file, line, column }
    }

    /// Returns the tree of the whole file; `Malformed` with the place of the first error.
    pub(super) fn parse(&self) -> Result<Tree> {
        let tree = tree(self.text).ok_or_else(|| self.place(0).unsupported("the file cannot be parsed"))?;
        match first_error(tree.root_node()) {
            None => Ok(tree),
            Some(node) => {
                let what = if node.is_missing() {
                    format!("{} is missing here", node.kind())
                } else {
                    "this is not Python: `python3 -m py_compile` gives the error".to_owned()
                };
                Err(self.place(node.start_byte()).error(ErrorKind::Malformed, what))
            }
        }
    }

    pub(super) fn of(&self, node: Node<'_>) -> &'a str {
        self.text.get(node.byte_range()).unwrap_or_default()
    }

    pub(super) fn expr(&self, node: Node<'_>) -> Expr {
        expr(self.text, node, 0, MAX_DEPTH)
    }

    /// Returns the expression in a string literal, such as the annotation `"Point | None"`.
    pub(super) fn quoted(&self, text: &str, at: usize) -> Result<Expr> {
        let bad = || self.place(at).error(ErrorKind::Malformed, "the text is not an annotation");
        // As an annotation, because `list[int]` on its own parses as a subscript.
        let whole = format!("x: {text}");
        let tree = tree(&whole).ok_or_else(bad)?;
        let root = tree.root_node();
        let statement = root.named_child(0).and_then(|node| node.named_child(0));
        let of = statement.and_then(|node| node.child_by_field_name("type"));
        match of {
            Some(of) if !root.has_error() && root.named_child_count() == 1 => {
                Ok(moved(expr(&whole, of, 0, MAX_DEPTH), at))
            }
            _ => Err(bad()),
        }
    }
}

fn tree(text: &str) -> Option<Tree> {
    let mut parser = Parser::new();
    parser.set_language(&tree_sitter_python::LANGUAGE.into()).ok()?;
    parser.parse(text, None)
}

/// Returns the first erroneous or missing node. It does not recurse, because invalid text makes deep trees.
fn first_error(root: Node<'_>) -> Option<Node<'_>> {
    if !root.has_error() {
        return None;
    }
    let mut node = root;
    loop {
        if node.is_error() || node.is_missing() {
            return Some(node);
        }
        let mut cursor = node.walk();
        let next = node.children(&mut cursor).find(|child| child.has_error() || child.is_missing());
        match next {
            Some(next) => node = next,
            None => return Some(node),
        }
    }
}

/// Returns the expression with one place for all of its parts.
fn moved(mut of: Expr, at: usize) -> Expr {
    of.at = at;
    match &mut of.what {
        What::Subscript(inner, all) => {
            **inner = moved((**inner).clone(), at);
            all.iter_mut().for_each(|each| *each = moved(each.clone(), at));
        }
        What::Choice(all) | What::Items(all) => {
            all.iter_mut().for_each(|each| *each = moved(each.clone(), at));
        }
        What::Call(_, all, named) => {
            all.iter_mut().for_each(|each| *each = moved(each.clone(), at));
            named.iter_mut().for_each(|(_, each)| *each = moved(each.clone(), at));
        }
        _ => {}
    }
    of
}

fn expr(text: &str, node: Node<'_>, base: usize, depth: usize) -> Expr {
    let at = base + node.start_byte();
    let written = text.get(node.byte_range()).unwrap_or_default();
    let code = || What::Code(written.chars().take(40).collect());
    let Some(depth) = depth.checked_sub(1) else { return Expr { at, what: code() } };
    let inner = |node: Node<'_>| expr(text, node, base, depth);
    let field = |name: &str| node.child_by_field_name(name);
    let mut cursor = node.walk();
    let children: Vec<Node<'_>> =
        node.named_children(&mut cursor).filter(|child| child.kind() != "comment").collect();
    let what = match node.kind() {
        // Nodes that only wrap another expression.
        "type" | "parenthesized_expression" if children.len() == 1 => return inner(children[0]),
        "none" => What::None,
        "ellipsis" => What::Ellipsis,
        "true" => What::Bool(true),
        "false" => What::Bool(false),
        "identifier" | "attribute" | "member_type" | "dotted_name" => {
            let name: String = written.chars().filter(|c| !c.is_whitespace()).collect();
            let is_name = name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '.');
            if is_name { What::Name(name) } else { code() }
        }
        "integer" => literal::integer(written).map_or_else(code, What::Integer),
        "float" => literal::float(written).map_or_else(code, What::Float),
        "unary_operator" => match (written.as_bytes().first(), field("argument").map(inner)) {
            (Some(b'-'), Some(Expr { what: What::Integer(number), .. })) => What::Integer(-number),
            (Some(b'-'), Some(Expr { what: What::Float(number), .. })) => What::Float(-number),
            _ => code(),
        },
        "string" => literal::string(written).unwrap_or_else(code),
        "concatenated_string" => {
            let mut whole = String::new();
            let mut plain = true;
            for child in &children {
                match inner(*child).what {
                    What::Text(part) => whole += &part,
                    _ => plain = false,
                }
            }
            if plain { What::Text(whole) } else { code() }
        }
        "subscript" => match field("value") {
            Some(of) => {
                let mut cursor = node.walk();
                let all: Vec<Expr> =
                    node.children_by_field_name("subscript", &mut cursor).map(inner).collect();
                What::Subscript(Box::new(inner(of)), one_tuple(all))
            }
            None => code(),
        },
        "generic_type" => match children[..] {
            [of, parameters] => {
                let mut cursor = parameters.walk();
                let all = parameters.named_children(&mut cursor).filter(|child| child.kind() != "comment");
                What::Subscript(Box::new(inner(of)), one_tuple(all.map(inner).collect()))
            }
            _ => code(),
        },
        "union_type" => choice(children.into_iter().map(inner)),
        "binary_operator" => match (field("left"), field("right"), field("operator")) {
            (Some(left), Some(right), Some(operator)) if operator.kind() == "|" => {
                choice([inner(left), inner(right)])
            }
            _ => code(),
        },
        "call" => match (field("function"), field("arguments")) {
            (Some(function), Some(arguments)) => {
                let (given, named) = arguments_of(text, arguments, &inner);
                What::Call(Box::new(inner(function)), given, named)
            }
            _ => code(),
        },
        "list" | "tuple" | "set" => What::Items(children.into_iter().map(inner).collect()),
        "dictionary" => {
            let pairs = children.iter().map(|pair| {
                let key = pair.child_by_field_name("key").map(inner)?;
                Some((key, pair.child_by_field_name("value").map(inner)?))
            });
            pairs.collect::<Option<Vec<_>>>().map_or_else(code, What::Entries)
        }
        "lambda" => match (field("parameters"), field("body")) {
            (None, Some(body)) => What::Lambda(Box::new(inner(body))),
            _ => code(),
        },
        _ => code(),
    };
    Expr { at, what }
}

/// Flattens `dict[(str, int)]` to `dict[str, int]`.
fn one_tuple(mut all: Vec<Expr>) -> Vec<Expr> {
    match &mut all[..] {
        [Expr { what: What::Items(items), .. }] if !items.is_empty() => std::mem::take(items),
        _ => all,
    }
}

/// Returns a choice with nested choices flattened.
fn choice(all: impl IntoIterator<Item = Expr>) -> What {
    let flat = all.into_iter().flat_map(|each| match each.what {
        What::Choice(inner) => inner,
        _ => vec![each],
    });
    What::Choice(flat.collect())
}

/// Returns the positional and the named arguments of a call or class.
pub(super) fn arguments_of(
    text: &str,
    node: Node<'_>,
    inner: &dyn Fn(Node<'_>) -> Expr,
) -> (Vec<Expr>, Vec<(String, Expr)>) {
    let (mut given, mut named) = (Vec::new(), Vec::new());
    let mut cursor = node.walk();
    for child in node.named_children(&mut cursor) {
        match (child.kind(), child.child_by_field_name("name"), child.child_by_field_name("value")) {
            ("comment", ..) => {}
            ("keyword_argument", Some(name), Some(value)) => {
                let name = text.get(name.byte_range()).unwrap_or_default().to_owned();
                named.push((name, inner(value)));
            }
            _ => given.push(inner(child)),
        }
    }
    (given, named)
}

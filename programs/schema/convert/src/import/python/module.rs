//! The contents of a Python file: classes with their attributes, assignments, and imported names.

use std::collections::BTreeMap;

use linkspan::{ErrorKind, Result, quoted};
use tree_sitter::Node;

use super::expression::{Expr, What};
use super::literal;
use super::syntax::{Source, arguments_of};

/// The most levels of nested blocks and classes.
const MAX_BLOCKS: usize = 48;

pub(super) struct Class {
    pub(super) at: usize,
    pub(super) decorators: Vec<Expr>,
    pub(super) bases: Vec<Expr>,
    pub(super) keywords: Vec<(String, Expr)>,
    pub(super) is_generic: bool,
    /// Whether the file defines it more than once with different contents.
    pub(super) is_twice: bool,
    pub(super) doc: String,
    pub(super) attributes: Vec<Attribute>,
}

/// A name in a class with an annotation, a value, or both.
pub(super) struct Attribute {
    pub(super) at: usize,
    pub(super) name: String,
    pub(super) annotation: Option<Expr>,
    pub(super) value: Option<Expr>,
    pub(super) doc: String,
}

#[derive(Default)]
pub(super) struct Module {
    /// By name, with the names of outer classes: `Outer.Inner`.
    pub(super) classes: BTreeMap<String, Class>,
    pub(super) order: Vec<String>,
    /// Values of names outside of classes.
    pub(super) assigned: BTreeMap<String, Expr>,
    /// Full names of imported names: `np` is `numpy`.
    imported: BTreeMap<String, String>,
}

pub(super) enum Meaning<'a> {
    Class(String),
    Assigned(&'a Expr),
    /// A name of another module, or a built-in one.
    Known(String),
}

impl Module {
    pub(super) fn new(source: &Source<'_>, root: Node<'_>) -> Result<Module> {
        let mut module = Module::default();
        module.block(source, root, "", 0)?;
        Ok(module)
    }

    pub(super) fn meaning(&self, name: &str, within: &str) -> Meaning<'_> {
        let mut scope = within;
        loop {
            let full = if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") };
            if self.classes.contains_key(&full) {
                return Meaning::Class(full);
            }
            if scope.is_empty() {
                break;
            }
            scope = scope.rsplit_once('.').map_or("", |(outer, _)| outer);
        }
        if let Some(value) = self.assigned.get(name) {
            return Meaning::Assigned(value);
        }
        let (head, rest) = name.split_once('.').unwrap_or((name, ""));
        let full = match self.imported.get(head) {
            Some(of) if rest.is_empty() => of.clone(),
            Some(of) => format!("{of}.{rest}"),
            None => name.to_owned(),
        };
        let full =
            full.strip_prefix("typing_extensions.").map_or(full.clone(), |name| format!("typing.{name}"));
        Meaning::Known(full.strip_prefix("builtins.").unwrap_or(&full).to_owned())
    }

    /// Returns the full name of a base, decorator or function of another module; empty for this file's.
    pub(super) fn known(&self, of: &Expr, within: &str) -> String {
        match &of.what {
            What::Name(name) => match self.meaning(name, within) {
                Meaning::Known(full) => full,
                _ => String::new(),
            },
            What::Call(function, ..) => self.known(function, within),
            What::Subscript(inner, _) => self.known(inner, within),
            _ => String::new(),
        }
    }

    fn block(&mut self, source: &Source<'_>, node: Node<'_>, within: &str, depth: usize) -> Result<()> {
        if depth > MAX_BLOCKS {
            let text = format!("blocks lie deeper in each other than {MAX_BLOCKS}");
            return Err(source.place(node.start_byte()).error(ErrorKind::TooLarge, text));
        }
        let mut cursor = node.walk();
        for child in node.named_children(&mut cursor) {
            match child.kind() {
                "class_definition" => self.class(source, child, Vec::new(), within, depth)?,
                "decorated_definition" => {
                    let mut cursor = child.walk();
                    let decorators = child
                        .named_children(&mut cursor)
                        .filter(|node| node.kind() == "decorator")
                        .filter_map(|node| Some(source.expr(node.named_child(0)?)));
                    let decorators = decorators.collect();
                    if let Some(of) =
                        child.child_by_field_name("definition").filter(|of| of.kind() == "class_definition")
                    {
                        self.class(source, of, decorators, within, depth)?;
                    }
                }
                "import_statement" | "import_from_statement" => self.import(source, child),
                "expression_statement" if within.is_empty() => {
                    if let Some(Attribute { name, value: Some(value), .. }) = attribute(source, child) {
                        self.assigned.insert(name, value);
                    }
                }
                "type_alias_statement" => {
                    if let (Some(left), Some(right)) =
                        (child.child_by_field_name("left"), child.child_by_field_name("right"))
                    {
                        self.assigned.insert(source.of(left).to_owned(), source.expr(right));
                    }
                }
                "if_statement" | "else_clause" | "elif_clause" | "try_statement" | "except_clause"
                | "finally_clause" | "with_statement" | "block"
                    if within.is_empty() =>
                {
                    self.block(source, child, within, depth + 1)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn import(&mut self, source: &Source<'_>, node: Node<'_>) {
        let from = node.child_by_field_name("module_name").map(|node| source.of(node).to_owned());
        let mut cursor = node.walk();
        for name in node.children_by_field_name("name", &mut cursor) {
            let part = |field| name.child_by_field_name(field).map(|node| source.of(node).to_owned());
            let full = part("name").unwrap_or_else(|| source.of(name).to_owned());
            let (local, full) = match (&from, part("alias")) {
                (Some(from), alias) => (alias.unwrap_or(full.clone()), format!("{from}.{full}")),
                (None, Some(alias)) => (alias, full),
                (None, None) => {
                    let head = full.split('.').next().unwrap_or_default().to_owned();
                    (head.clone(), head)
                }
            };
            self.imported.insert(local, full);
        }
    }

    fn class(
        &mut self,
        source: &Source<'_>,
        node: Node<'_>,
        decorators: Vec<Expr>,
        within: &str,
        depth: usize,
    ) -> Result<()> {
        let name = node.child_by_field_name("name").map(|node| source.of(node)).unwrap_or_default();
        let name = if within.is_empty() { name.to_owned() } else { format!("{within}.{name}") };
        let (bases, keywords) = match node.child_by_field_name("superclasses") {
            Some(all) => arguments_of(source.text, all, &|node| source.expr(node)),
            None => Default::default(),
        };
        let mut class = Class {
            at: node.start_byte(),
            decorators,
            bases,
            keywords,
            is_generic: node.child_by_field_name("type_parameters").is_some(),
            is_twice: self.classes.contains_key(&name),
            doc: String::new(),
            attributes: Vec::new(),
        };
        if let Some(body) = node.child_by_field_name("body") {
            read_body(source, body, &mut class)?;
            self.block(source, body, &name, depth + 1)?;
        }
        if !class.is_twice {
            self.order.push(name.clone());
        }
        self.classes.insert(name, class);
        Ok(())
    }
}

/// Reads a class's attributes with descriptions: a string after one, or `#:` comments around it.
fn read_body(source: &Source<'_>, body: Node<'_>, class: &mut Class) -> Result<()> {
    let mut cursor = body.walk();
    let mut is_first = true;
    let mut is_behind_attribute = false;
    // Comments before the first statement precede the block.
    let mut before: Vec<&str> = Vec::new();
    let mut comment = body.prev_sibling();
    while let Some(node) = comment.filter(|node| node.kind() == "comment") {
        if let Some(doc) = source.of(node).strip_prefix("#:") {
            before.insert(0, doc.trim());
        }
        comment = node.prev_sibling();
    }
    let mut last_line = usize::MAX;
    for child in body.named_children(&mut cursor) {
        let row = child.start_position().row;
        match child.kind() {
            "comment" => {
                if let Some(doc) = source.of(child).strip_prefix("#:") {
                    match class.attributes.last_mut() {
                        Some(last) if row == last_line => last.doc = doc.trim().to_owned(),
                        _ => before.push(doc.trim()),
                    }
                }
                continue;
            }
            "expression_statement" => {
                let string = child.named_child(0).filter(|node| node.kind() == "string");
                if let Some(Expr { what: What::Text(text), .. }) = string.map(|node| source.expr(node)) {
                    let doc = literal::docstring(&text);
                    match class.attributes.last_mut() {
                        _ if is_first => class.doc = doc,
                        Some(last) if is_behind_attribute => last.doc = doc,
                        _ => {}
                    }
                } else if let Some(mut found) = attribute(source, child) {
                    found.doc = before.join(" ");
                    last_line = child.end_position().row;
                    let mut annotated = class.attributes.iter().filter(|each| each.annotation.is_some());
                    if let Some(first) = annotated.find(|each| each.name == found.name)
                        && found.annotation.is_some()
                    {
                        let text = format!(
                            "the attribute {} stands at {} already: remove one of both, or rename it",
                            quoted(&found.name),
                            source.place(first.at)
                        );
                        return Err(source.place(found.at).error(ErrorKind::Malformed, text));
                    }
                    class.attributes.push(found);
                    (is_behind_attribute, is_first) = (true, false);
                    before.clear();
                    continue;
                }
            }
            _ => {}
        }
        is_behind_attribute = false;
        before.clear();
        is_first = false;
    }
    Ok(())
}

/// Returns a statement's assignment to one name.
fn attribute(source: &Source<'_>, statement: Node<'_>) -> Option<Attribute> {
    let node = statement.named_child(0).filter(|node| node.kind() == "assignment")?;
    let left = node.child_by_field_name("left").filter(|node| node.kind() == "identifier")?;
    let of = |name: &str| node.child_by_field_name(name).map(|node| source.expr(node));
    Some(Attribute {
        at: left.start_byte(),
        name: source.of(left).to_owned(),
        annotation: of("type"),
        value: of("right"),
        doc: String::new(),
    })
}

//! Records, unions, and messages that are neither: the type of each, and what its procedures do.

use super::super::native;
use super::super::{Definition, Member, Shape, Text, TypeDef};
use super::Fortran;
use super::lines::wrap;
use super::procedures::{BOUND, body};

impl Fortran<'_> {
    pub(super) fn record(
        &mut self,
        types: &mut Text,
        procedures: &mut Text,
        name: &str,
        doc: &str,
        members: &[Member],
        is_root: bool,
    ) {
        let listed: Vec<(Member, bool)> =
            members.iter().map(|member| (member.clone(), member.optional)).collect();
        self.derived(types, name, doc, &listed, is_root, "");
        self.set_defaults(procedures, name, members);
        let write = body(|text| {
            text.line("call writer%begin_map(key)");
            for member in members {
                let (key, from) = (format!(", \"{}\"", member.key), format!("self%{}", member.name));
                if member.optional {
                    text.block(format!("if (allocated({from})) then"), "end if", |text| {
                        self.write(text, &key, &member.slot, &from, 1, true);
                    });
                } else {
                    self.write(text, &key, &member.slot, &from, 1, false);
                }
            }
            text.line("call writer%end()");
        });
        self.write_procedure(procedures, name, &write);
        let read = body(|text| {
            text.line("call self%set_defaults()\nleft = reader%begin_map()");
            if members.is_empty() {
                text.line("if (left > 0) continue");
            } else {
                text.block("do", "end do", |text| {
                    text.line("position = reader%get_field(names, rules)");
                    text.block("select case (position)", "end select", |text| {
                        text.line("case (0)\n   exit");
                        for (at, member) in members.iter().enumerate() {
                            text.block(format!("case ({}) ! {}", at + 1, member.key), "", |text| {
                                self.read_member(text, member);
                            });
                        }
                    });
                });
            }
            text.line("call reader%end()");
        });
        let mut tables = Text::new("   ");
        if !members.is_empty() {
            let (keys, rules) = native::fields(members);
            self.names(&mut tables, "names", keys.iter().map(String::as_str), false);
            let rules: Vec<String> = rules
                .iter()
                .map(|rule| match rule {
                    native::Rule::Alias(field) => field.to_string(),
                    rule => rule.c().to_ascii_lowercase(),
                })
                .collect();
            tables.line(wrap(&format!(
                "integer, parameter :: rules({}) = [{}]",
                rules.len(),
                rules.join(", ")
            )));
            tables.line("integer :: position");
        }
        tables.line("integer(int64) :: left");
        self.read_procedure(procedures, name, &tables.finish(), &read);
        if is_root {
            self.message(procedures, name, "class", BOUND);
        }
    }

    pub(super) fn read_member(&self, text: &mut Text, member: &Member) {
        let to = format!("self%{}", member.name);
        if member.optional {
            text.block("if (.not. reader%get_null()) then", "end if", |text| {
                if self.needs_place(&member.slot.shape) {
                    text.line(format!("if (.not. allocated({to})) allocate ({to})"));
                }
                self.read(text, &member.slot, &to, 1, true, None);
            });
        } else {
            self.read(text, &member.slot, &to, 1, false, member.default.as_ref());
        }
    }

    /// Whether an optional value has to be allocated before it is read.
    pub(super) fn needs_place(&self, shape: &Shape) -> bool {
        match shape {
            Shape::Any => true,
            Shape::NdArray { shape: Some(lengths), .. } => lengths.is_empty(),
            Shape::NdArray { shape: None, .. } => true,
            Shape::Named(at) => !matches!(self.plan.types[*at].definition, Definition::Enum(_)),
            _ => false,
        }
    }

    pub(super) fn union(
        &mut self,
        types: &mut Text,
        procedures: &mut Text,
        def: &TypeDef,
        doc: &str,
        variants: &[Member],
    ) {
        let (name, is_root) = (&def.name, self.root() == def.name);
        for (at, variant) in variants.iter().enumerate() {
            types.line(format!("integer, parameter, public :: {name}_{} = {}", variant.name, at + 1));
        }
        let listed: Vec<(Member, bool)> = variants.iter().map(|member| (member.clone(), true)).collect();
        let first = format!(
            "! Which component there is: {name}_{} or another one.\ninteger :: kind = 0",
            variants[0].name
        );
        self.derived(types, name, doc, &listed, is_root, &first);
        let write = body(|text| {
            text.line("call writer%begin_map(key)");
            text.block("select case (self%kind)", "end select", |text| {
                for variant in variants {
                    text.block(format!("case ({name}_{})", variant.name), "", |text| {
                        let from = format!("self%{}", variant.name);
                        text.block(format!("if (allocated({from})) then"), "else", |text| {
                            self.write(text, &format!(", \"{}\"", variant.key), &variant.slot, &from, 1, true);
                        });
                        text.line(format!(
                            "   call writer%refuse(linkspan_missing, \"{} is not allocated\")\nend if",
                            variant.key
                        ));
                    });
                }
                text.line("case default\n   call writer%refuse(linkspan_out_of_range, \"the kind of a union is none of its variants\")");
            });
            text.line("call writer%end()");
        });
        procedures.line(format!(
            "subroutine {name}_set_defaults(self)\n   class({name}), intent(out) :: self\n   self%kind = 0\nend subroutine\n"
        ));
        self.write_procedure(procedures, name, &write);
        let read = body(|text| {
            text.line("call self%set_defaults()\nself%kind = reader%get_variant(names)");
            text.block("select case (self%kind)", "end select", |text| {
                for (at, variant) in variants.iter().enumerate() {
                    text.block(format!("case ({})", at + 1), "", |text| {
                        let to = format!("self%{}", variant.name);
                        if self.needs_place(&variant.slot.shape) {
                            text.line(format!("allocate ({to})"));
                        }
                        self.read(text, &variant.slot, &to, 1, true, None);
                    });
                }
            });
            text.line("call reader%end()");
        });
        let mut tables = Text::new("   ");
        self.names(&mut tables, "names", variants.iter().map(|variant| variant.key.as_str()), false);
        self.read_procedure(procedures, name, &tables.finish(), &read);
        if is_root {
            self.message(procedures, name, "class", BOUND);
        }
    }

    /// A message that is no record and no union.
    pub(super) fn alone(&mut self, types: &mut Text, procedures: &mut Text, name: &str, member: &Member) {
        self.derived(types, name, "A message.", &[(member.clone(), false)], true, "");
        self.set_defaults(procedures, name, std::slice::from_ref(member));
        let write = body(|text| self.write(text, ", key", &member.slot, "self%value", 1, false));
        self.write_procedure(procedures, name, &write);
        let read = body(|text| {
            text.line("call self%set_defaults()");
            self.read(text, &member.slot, "self%value", 1, false, None);
        });
        self.read_procedure(procedures, name, "", &read);
        self.message(procedures, name, "class", BOUND);
    }
}

//! Records, unions and other messages: type, table and procedures of each.

use linkspan::Result;

use super::super::{Member, Text, TypeDef};
use super::Fortran;
use super::part::Host;

impl Fortran<'_> {
    pub(super) fn record(
        &mut self,
        types: &mut Text,
        procedures: &mut Text,
        name: &str,
        doc: &str,
        members: &[Member],
        is_root: bool,
    ) -> Result<()> {
        let listed: Vec<(Member, bool)> =
            members.iter().map(|member| (member.clone(), member.optional)).collect();
        let known = self.holders.len();
        self.derived(types, name, doc, &listed, is_root, "");
        self.set_defaults(procedures, name, members);
        self.holder_tables(types, procedures, known)?;
        self.record_table(types, procedures, &Host::of_fields(name, members), "struct")?;
        self.procedures(procedures, name, is_root);
        Ok(())
    }

    pub(super) fn union(
        &mut self,
        types: &mut Text,
        procedures: &mut Text,
        def: &TypeDef,
        doc: &str,
        variants: &[Member],
    ) -> Result<()> {
        let (name, is_root) = (&def.name, self.root() == def.name);
        for (at, variant) in variants.iter().enumerate() {
            types.line(format!("integer, parameter, public :: {name}_{} = {}", variant.name, at + 1));
        }
        let listed: Vec<(Member, bool)> = variants.iter().map(|member| (member.clone(), true)).collect();
        let first = format!(
            "! The component that is set: {name}_{} or another of these constants.\ninteger :: kind = 0",
            variants[0].name
        );
        let known = self.holders.len();
        self.derived(types, name, doc, &listed, is_root, &first);
        procedures.line(format!(
            "subroutine {name}_set_defaults(self)\n   class({name}), intent(out) :: self\n   self%kind = 0\nend subroutine\n"
        ));
        self.holder_tables(types, procedures, known)?;
        self.record_table(types, procedures, &Host::of_variants(name, variants), "union")?;
        self.procedures(procedures, name, is_root);
        Ok(())
    }

    pub(super) fn alone(
        &mut self,
        types: &mut Text,
        procedures: &mut Text,
        name: &str,
        member: &Member,
    ) -> Result<()> {
        let (known, members) = (self.holders.len(), std::slice::from_ref(member));
        self.derived(types, name, "A message.", &[(member.clone(), false)], true, "");
        self.set_defaults(procedures, name, members);
        self.holder_tables(types, procedures, known)?;
        self.message_table(types, procedures, &Host::of_fields(name, members))?;
        self.procedures(procedures, name, true);
        Ok(())
    }

    fn procedures(&self, procedures: &mut Text, name: &str, is_root: bool) {
        self.part_procedures(procedures, name, is_root);
        if is_root {
            self.whole_procedures(procedures, name);
        }
    }
}

//! Source code from a schema: the types of its messages, and the code that encodes and decodes them.
//!
//! | part | lives in |
//! |---|---|
//! | the named types of a schema in one language, in order of definition: [`Plan`] | `plan` |
//! | identifiers of each language: case, reserved words | `naming` |
//! | a text written line by line with indentation: [`Text`] | `text` |
//! | the comments of a field: unit, range, shape, default | `describe` |
//! | a language | the file of its name |

mod c;
mod cpp;
mod describe;
mod file;
mod fortran;
mod naming;
mod native;
mod packed;
mod php;
mod plan;
mod python;
mod rust;
mod text;
mod typescript;

use linkspan::schema::Schema;

pub use describe::describe;
pub use file::File;
pub use naming::{Case, Language, Naming};
pub use plan::{Definition, Member, Plan, Shape, Slot, TypeDef};
pub use text::Text;

/// Returns the files that define this schema's types in this language.
///
/// # Errors
/// `Unsupported`, with the two fields or types that would have one identifier in that language.
pub fn generate(schema: &Schema, language: Language) -> linkspan::Result<Vec<File>> {
    let plan = Plan::new(schema, language)?;
    let mut files = files(&plan, language)?;
    for file in &mut files {
        // Literals contain none, so these are in comments.
        file.text = text::escaped(&file.text, |c| format!("<U+{:04X}>", u32::from(c)));
    }
    Ok(files)
}

fn files(plan: &Plan, language: Language) -> linkspan::Result<Vec<File>> {
    match language {
        Language::Php => php::generate(plan),
        Language::Python => python::generate(plan),
        Language::Rust => rust::generate(plan),
        Language::C => c::generate(plan),
        Language::Cpp => cpp::generate(plan),
        Language::Fortran => fortran::generate(plan),
        Language::TypeScript => typescript::generate(plan),
    }
}

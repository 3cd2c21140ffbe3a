//! The languages of generated code.

use super::Naming;

/// A language of generated code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Language {
    /// PHP 8.1 or later.
    Php,
    /// Python 3.11 or later.
    Python,
    /// Rust, edition 2021 or later.
    Rust,
    /// C11.
    C,
    /// C++17.
    Cpp,
    /// Fortran 2018.
    Fortran,
    /// TypeScript 5, for the package `linkspan-client`.
    TypeScript,
}

impl Language {
    /// Every language.
    pub const ALL: [Language; 7] = [
        Language::Rust,
        Language::C,
        Language::Cpp,
        Language::Fortran,
        Language::Python,
        Language::Php,
        Language::TypeScript,
    ];

    /// Returns its name on the command line: `rust`.
    pub const fn name(self) -> &'static str {
        match self {
            Language::Php => "php",
            Language::Python => "python",
            Language::Rust => "rust",
            Language::C => "c",
            Language::Cpp => "cpp",
            Language::Fortran => "fortran",
            Language::TypeScript => "typescript",
        }
    }

    /// Returns its way of writing names.
    pub fn naming(self) -> Naming {
        match self {
            Language::Php => super::php::NAMING,
            Language::Python => super::python::NAMING,
            Language::Rust => super::rust::NAMING,
            Language::C => super::c::NAMING,
            Language::Cpp => super::cpp::NAMING,
            Language::Fortran => super::fortran::NAMING,
            Language::TypeScript => super::typescript::NAMING,
        }
    }
}

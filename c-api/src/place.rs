//! The place of a result.

/// The place of a result, with the name of the argument.
pub(crate) struct Place<T> {
    pub pointer: *mut T,
    pub name: &'static str,
}

impl<T> Place<T> {
    pub fn cast<U>(self) -> Place<U> {
        Place { pointer: self.pointer.cast(), name: self.name }
    }
}

/// Makes a place from a parameter, with its name in C.
macro_rules! place {
    ($parameter:ident) => {
        $crate::place::Place { pointer: $parameter, name: stringify!($parameter) }
    };
}
pub(crate) use place;

//! Where a function of C puts a result.

/// Where a result goes, and the name of that argument.
pub(crate) struct Place<T> {
    pub pointer: *mut T,
    pub name: &'static str,
}

impl<T> Place<T> {
    /// The same place for a result of another type.
    pub fn cast<U>(self) -> Place<U> {
        Place { pointer: self.pointer.cast(), name: self.name }
    }
}

/// The place that a parameter points to, with the parameter's name in C.
macro_rules! place {
    ($parameter:ident) => {
        $crate::place::Place { pointer: $parameter, name: stringify!($parameter) }
    };
}
pub(crate) use place;

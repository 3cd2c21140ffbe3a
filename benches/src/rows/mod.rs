//! The rows of the table: each measurement and its comparisons.

mod codecs;
mod costs;
mod exchanges;
mod languages;
mod patterns;
mod row;

pub use row::{Case, Mark, Row, Unit, own, peer, this};

pub fn all() -> Vec<Row> {
    let groups = [exchanges::rows(), patterns::rows(), costs::rows(), codecs::rows(), languages::rows()];
    groups.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn row_names_are_unique() {
        let mut names: Vec<String> = super::all().into_iter().map(|row| row.what).collect();
        names.sort();
        let twice: Vec<_> = names.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| &pair[0]).collect();
        assert!(twice.is_empty(), "{twice:?}");
    }
}

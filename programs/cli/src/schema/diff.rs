//! The different lines of two schema texts, each with its table.

/// Lines of only one schema, with `-` for the old and `+` for the new one, and their tables.
pub fn lines(old: &str, new: &str) -> String {
    let (old, new) = (in_tables(old), in_tables(new));
    // Lengths of the longest common subsequences of both remainders.
    let mut common = vec![vec![0usize; new.len() + 1]; old.len() + 1];
    for (i, a) in old.iter().enumerate().rev() {
        for (j, b) in new.iter().enumerate().rev() {
            common[i][j] =
                if a == b { 1 + common[i + 1][j + 1] } else { common[i + 1][j].max(common[i][j + 1]) };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut out = String::new();
    while i < old.len() || j < new.len() {
        let (sign, (table, line)) = match (old.get(i), new.get(j)) {
            (Some(a), Some(b)) if a == b => {
                (i, j) = (i + 1, j + 1);
                continue;
            }
            (Some(a), b) if b.is_none() || common[i + 1][j] >= common[i][j + 1] => {
                i += 1;
                ('-', a)
            }
            (_, Some(b)) => {
                j += 1;
                ('+', b)
            }
            (_, None) => break,
        };
        let table = if table.is_empty() { String::new() } else { format!("[{table}] ") };
        out += &format!("{sign} {table}{line}\n");
    }
    out
}

fn in_tables(text: &str) -> Vec<(&str, &str)> {
    let mut table = "";
    let mut lines = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        match line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(name) => table = name,
            None => lines.push((table, line)),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_differ_are_listed_with_their_table() {
        let old = "name = \"p\"\n\n[fields.a]\ntype = \"f64\"\nunit = \"W\"\n\n[fields.b]\ntype = \"i32\"\n";
        let new = "name = \"p\"\nversion = 2\n\n[fields.a]\ntype = \"f64\"\nunit = \"kW\"\n\n[fields.c]\ntype = \"i32\"\n";
        let expected = "+ version = 2\n- [fields.a] unit = \"W\"\n- [fields.b] type = \"i32\"\n+ [fields.a] unit = \"kW\"\n+ [fields.c] type = \"i32\"\n";
        let mut found: Vec<_> = lines(old, new).lines().map(str::to_owned).collect();
        found.sort_unstable();
        let mut wanted: Vec<_> = expected.lines().collect();
        wanted.sort_unstable();
        assert_eq!(found, wanted);
        assert_eq!(lines(old, old), "");
    }
}

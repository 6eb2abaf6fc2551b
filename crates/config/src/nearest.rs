//! Which known name a misspelt one was meant to be.

/// The known name most like `name`, if one is like it at all.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_ascii_lowercase().replace('-', "_");
    let tolerance = (name.chars().count() / 3).clamp(1, 3);
    let near = known.into_iter().map(|candidate| (distance(&name, candidate), candidate));
    near.filter(|(distance, _)| *distance <= tolerance)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// How many letters must be inserted, removed, replaced or swapped with their neighbour.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=to.len()).collect()];
    for (i, &a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &b) in to.iter().enumerate() {
            let mut least = (row[j] + 1).min(rows[i][j + 1] + 1).min(rows[i][j] + usize::from(a != b));
            if i > 0 && j > 0 && a == to[j - 1] && from[i - 1] == b {
                least = least.min(rows[i - 1][j - 1] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 4] = ["bind", "port", "packet_size", "connect_size"];

    #[test]
    fn a_slip_of_the_finger_finds_the_name() {
        let slips = [
            ("prot", "port"),
            ("Port", "port"),
            ("packet-size", "packet_size"),
            ("paket_siz", "packet_size"),
            ("bnd", "bind"),
        ];
        for (slip, meant) in slips {
            assert_eq!(nearest(slip, KNOWN), Some(meant), "{slip}");
        }
    }

    #[test]
    fn another_word_finds_nothing() {
        for word in ["colour", "", "x", "address"] {
            assert_eq!(nearest(word, KNOWN), None, "{word}");
        }
    }
}

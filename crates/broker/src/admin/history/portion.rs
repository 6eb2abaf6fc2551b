//! As much of a list as one answer may have.

/// Bytes of one answer's payloads or names.
pub(super) const BYTES: usize = 16 << 20;
/// Entries that are asked for at first.
const FIRST: usize = 64;

/// The begin of a list.
#[derive(Debug)]
pub(super) struct Portion<T> {
    pub(super) list: Vec<T>,
    /// The list goes on.
    pub(super) more: bool,
}

/// The first entries, at most `most` and not many bytes, but one in any case. `ask` gives the first entries, so many as
/// it is told. It is asked for few, and again for more as long as these are small: what an answer may not have shall not
/// be in memory either.
pub(super) fn of<T>(most: usize, size: impl Fn(&T) -> usize, ask: impl Fn(usize) -> Vec<T>) -> Portion<T> {
    let wanted = most.saturating_add(1);
    let mut count = FIRST.min(wanted);
    let mut list = loop {
        let list = ask(count);
        let bytes: usize = list.iter().map(&size).sum();
        if list.len() < count || count == wanted || bytes > BYTES {
            break list;
        }
        // One too many if the others are like these; they may be larger.
        let enough = count.saturating_mul(BYTES) / bytes.max(1) + 1;
        count = enough.clamp(count + count / 4 + 1, count * 4).min(wanted);
    };
    let mut more = list.len() > most;
    list.truncate(most);
    let mut bytes = 0;
    let fitting = list.iter().take_while(|entry| {
        bytes += size(entry);
        bytes <= BYTES
    });
    let fitting = fitting.count().max(1);
    more |= list.len() > fitting;
    list.truncate(fitting);
    Portion { list, more }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// What is given of `there` entries of `size` bytes each, whether there is more, and how many were asked for at most.
    fn given(there: usize, size: usize, most: usize) -> (usize, bool, usize) {
        let asked = Cell::new(0);
        let portion = of(
            most,
            |_| size,
            |count| {
                asked.set(asked.get().max(count));
                vec![(); count.min(there)]
            },
        );
        (portion.list.len(), portion.more, asked.get())
    }

    #[test]
    fn a_list_ends_where_it_ends_or_where_it_may() {
        assert_eq!(given(0, 1, 10), (0, false, 11));
        assert_eq!(given(10, 1, 10), (10, false, 11));
        assert_eq!(given(11, 1, 10), (10, true, 11));
        assert_eq!(given(5, 1, 0), (0, true, 1));
        assert_eq!(given(100_000, 10, 100_000), (100_000, false, 100_001));
    }

    #[test]
    fn what_is_too_large_for_an_answer_is_not_even_fetched() {
        let (count, more, asked) = given(100_000, BYTES / 100, 100_000);
        assert!(count == 100 && more && asked < 300, "{count} {asked}");
        assert_eq!(given(3, BYTES + 1, 100), (1, true, 64));
    }
}

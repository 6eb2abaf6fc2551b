//! Reading the value of one key.

use crate::document::{Other, Reader};
use crate::key::{Item, Key, Kind, List, Number, one_of};
use darter_broker::topic;
use toml::Spanned;
use toml::de::{DeArray, DeInteger, DeTable, DeValue};

impl Reader<'_> {
    /// Reads the value of a key into `target`, or says what is wrong with it. `section` is the path of the section.
    pub(crate) fn key<T>(
        &mut self,
        section: &str,
        key: &Key<T>,
        value: &Spanned<DeValue<'_>>,
        target: &mut T,
    ) {
        let (path, place) = (format!("{section}.{}", key.name), value.span().start);
        let outcome = match (&key.kind, value.get_ref()) {
            (Kind::Number(number), value) => number_of(number, value).map(|read| (number.set)(target, read)),
            (Kind::Choice { words, set, .. }, DeValue::String(text)) => {
                if words.contains(&text.as_ref()) {
                    set(target, text);
                    Ok(())
                } else {
                    Err(format!("\"{text}\" is not known"))
                }
            }
            (Kind::Flag { set, .. }, DeValue::Boolean(flag)) => {
                set(target, *flag);
                Ok(())
            }
            (Kind::Text { set, .. }, DeValue::String(text)) => {
                set(target, text).map_err(|why| format!("\"{text}\" {why}"))
            }
            (Kind::File { set, .. }, DeValue::String(text)) => {
                if text.is_empty() {
                    Err("\"\" is not a path".into())
                } else {
                    set(target, self.source.folder.join(text.as_ref()));
                    Ok(())
                }
            }
            (Kind::Folder { set, .. }, DeValue::String(text)) => match text.parse() {
                Ok(folder) => {
                    set(target, folder);
                    Ok(())
                }
                Err(why) => Err(format!("\"{text}\" {why}")),
            },
            (Kind::Filters { words, set, .. }, DeValue::Table(table)) => {
                let pairs = self.filters(&path, words, table);
                set(target, pairs);
                Ok(())
            }
            (Kind::List(list), DeValue::String(_)) => {
                (list.clear)(target);
                self.item(&path, list, value, target);
                Ok(())
            }
            (Kind::List(list), DeValue::Array(array)) => {
                self.list(&path, list, array, target);
                if array.is_empty() && !list.may_be_empty {
                    self.problem(place, format!("{path} is empty; without it the default is used"));
                }
                Ok(())
            }
            (_, other) => Err(format!("is {}", described(other))),
        };
        if let Err(why) = outcome {
            let separator = if why.starts_with('"') { ": " } else { " " };
            self.problem(place, format!("{path}{separator}{why}; it takes {}", key.kind.takes()));
        }
    }

    fn list<T>(&mut self, path: &str, list: &List<T>, array: &DeArray<'_>, target: &mut T) {
        (list.clear)(target);
        for (index, value) in array.iter().enumerate() {
            self.item(&format!("{path}[{index}]"), list, value, target);
        }
    }

    fn item<T>(&mut self, path: &str, list: &List<T>, value: &Spanned<DeValue<'_>>, target: &mut T) {
        let place = value.span().start;
        match value.get_ref() {
            DeValue::String(text) => {
                let (line, file) = (self.line(place), &self.source.file);
                if let Err(why) = (list.add)(target, &Item { text, file, line }) {
                    self.problem(place, format!("{path}: \"{text}\" {why}"));
                }
            }
            other => {
                let what = described(other);
                self.problem(place, format!("{path} is {what}; it takes {}", list.each));
            }
        }
    }

    /// The pairs that are right, in the order in which they are written.
    fn filters(&mut self, path: &str, words: &[&str], table: &DeTable<'_>) -> Vec<(String, String)> {
        let mut pairs = Vec::new();
        for Other { name: filter, place, value } in Other::all(table) {
            let path = format!("{path}.\"{filter}\"");
            if let Err(why) = topic::check_filter(filter) {
                self.problem(place, format!("{path} is not a topic filter: {why}"));
            } else if filter.starts_with("$share/") {
                self.problem(
                    place,
                    format!("{path} is a shared subscription; it takes a plain topic filter"),
                );
            }
            match value.get_ref() {
                DeValue::String(word) if words.contains(&word.as_ref()) => {
                    pairs.push((filter.to_owned(), word.as_ref().to_owned()));
                }
                DeValue::String(word) => {
                    let what = format!("{path}: \"{word}\" is not known; it takes {}", one_of(words));
                    self.problem(value.span().start, what);
                }
                other => {
                    let what = format!("{path} is {}; it takes {}", described(other), one_of(words));
                    self.problem(value.span().start, what);
                }
            }
        }
        pairs
    }
}

/// The number that is written, `None` for the key's word, or what is wrong with it.
fn number_of<T>(number: &Number<T>, value: &DeValue<'_>) -> Result<Option<u64>, String> {
    let (read, written) = match value {
        DeValue::Integer(integer) => (number.unit.plain(whole(integer)?), integer.to_string()),
        DeValue::String(text) if number.word == Some(text.as_ref()) => return Ok(None),
        DeValue::String(text) => {
            let read = number.unit.parse(text).map_err(|why| format!("\"{text}\" {why}"))?;
            (Some(read), format!("\"{text}\""))
        }
        other => return Err(format!("is {}", described(other))),
    };
    match read.filter(|read| number.range.contains(read)) {
        Some(read) => Ok(Some(read)),
        None => Err(format!("= {written} is out of range")),
    }
}

fn whole(integer: &DeInteger<'_>) -> Result<u64, String> {
    u64::from_str_radix(integer.as_str(), integer.radix()).map_err(|_| format!("= {integer} is out of range"))
}

fn described(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

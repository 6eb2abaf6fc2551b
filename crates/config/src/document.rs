//! Reading a file: TOML to a raw document with places, and from there to values that are known to be right.

use crate::Config;
use crate::host::Host;
use crate::key::{Key, Kind, Number, Section, one_of};
use crate::nearest::nearest;
use crate::problem::{Problem, Problems};
use crate::section::SECTIONS;
use darter_broker::topic;
use toml::Spanned;
use toml::de::{DeArray, DeInteger, DeTable, DeValue};

/// Everything the text says, or everything that is wrong in it. Syntax errors hide the other problems.
pub(crate) fn read(text: &str) -> Result<Config, Problems> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader { text, config: Config::default(), problems: Vec::new() };
    for error in &errors {
        let place = error.span().map_or(0, |span| span.start);
        reader.problem(place, format!("this is not TOML: {}", error.message()));
    }
    if errors.is_empty() {
        reader.document(document.get_ref());
    }
    Problems::of(reader.problems).map_or(Ok(reader.config), Err)
}

struct Reader<'t> {
    text: &'t str,
    config: Config,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn document(&mut self, document: &DeTable<'_>) {
        for (name, value) in document {
            let place = name.span().start;
            let name: &str = name.get_ref();
            match (SECTIONS.iter().find(|section| section.name == name), value.get_ref()) {
                (Some(section), DeValue::Table(table)) => self.section(section, table),
                (Some(_), DeValue::Array(_)) => {
                    self.problem(
                        place,
                        format!("[{name}] stands there several times; one [{name}] is enough"),
                    );
                }
                (Some(_), _) => self.problem(place, format!("{name} is a section; write it as [{name}]")),
                (None, DeValue::Table(_) | DeValue::Array(_)) => self.unknown_section(place, name),
                (None, _) => self.stray_key(place, name),
            }
        }
    }

    fn unknown_section(&mut self, place: usize, name: &str) {
        let hint = match nearest(name, SECTIONS.iter().map(|section| section.name)) {
            Some(near) => format!("did you mean [{near}]?"),
            None => {
                let all: Vec<_> = SECTIONS.iter().map(|section| format!("[{}]", section.name)).collect();
                format!("there are {}", all.join(", "))
            }
        };
        self.problem(place, format!("[{name}] is not a section; {hint}"));
    }

    fn stray_key(&mut self, place: usize, name: &str) {
        let owner = SECTIONS.iter().find(|section| section.keys.iter().any(|key| key.name == name));
        let hint = owner.map_or("every key belongs into a section".into(), |section| {
            format!("write it below a line [{}]", section.name)
        });
        self.problem(place, format!("{name} is outside of every section; {hint}"));
    }

    fn section(&mut self, section: &'static Section, table: &DeTable<'_>) {
        for (name, value) in table {
            match section.keys.iter().find(|key| key.name == name.get_ref()) {
                Some(key) => self.key(section, key, value),
                None => self.unknown_key(section, name.span().start, name.get_ref()),
            }
        }
    }

    fn unknown_key(&mut self, section: &Section, place: usize, name: &str) {
        let path = format!("{}.{name}", section.name);
        let elsewhere = SECTIONS.iter().find(|other| other.keys.iter().any(|key| key.name == name));
        let hint = match (nearest(name, section.keys.iter().map(|key| key.name)), elsewhere) {
            (_, Some(other)) => format!("{name} belongs into [{}]", other.name),
            (Some(near), None) => format!("did you mean {near}?"),
            (None, None) => {
                let all: Vec<_> = section.keys.iter().map(|key| key.name).collect();
                format!("[{}] has {}", section.name, all.join(", "))
            }
        };
        self.problem(place, format!("{path} is not a key; {hint}"));
    }

    fn key(&mut self, section: &Section, key: &'static Key, value: &Spanned<DeValue<'_>>) {
        let path = format!("{}.{}", section.name, key.name);
        let place = value.span().start;
        match &key.kind {
            Kind::Number(number) => match number_of(number, value.get_ref()) {
                Ok(read) => (number.set)(&mut self.config, read),
                Err(why) => self.wrong(place, &path, &why, &key.kind),
            },
            Kind::Choice { words, set, .. } => match value.get_ref() {
                DeValue::String(text) if words.contains(&text.as_ref()) => set(&mut self.config, text),
                DeValue::String(text) => {
                    self.wrong(place, &path, &format!("\"{text}\" is not known"), &key.kind);
                }
                other => self.wrong(place, &path, &format!("is {}", described(other)), &key.kind),
            },
            Kind::Hosts { set, .. } => match value.get_ref() {
                DeValue::String(_) => {
                    if let Some(host) = self.host(&path, value) {
                        set(&mut self.config, vec![host]);
                    }
                }
                DeValue::Array(array) => {
                    let hosts = self.hosts(&path, array);
                    if array.is_empty() {
                        self.problem(place, format!("{path} is empty; without it the default is used"));
                    }
                    set(&mut self.config, hosts);
                }
                other => self.wrong(place, &path, &format!("is {}", described(other)), &key.kind),
            },
            Kind::Folder { set, .. } => match value.get_ref() {
                DeValue::String(text) => match text.parse() {
                    Ok(folder) => set(&mut self.config, folder),
                    Err(why) => self.wrong(place, &path, &format!("\"{text}\" {why}"), &key.kind),
                },
                other => self.wrong(place, &path, &format!("is {}", described(other)), &key.kind),
            },
            Kind::Filters { words, set, .. } => match value.get_ref() {
                DeValue::Table(table) => {
                    let pairs = self.filters(&path, words, table);
                    set(&mut self.config, pairs);
                }
                other => self.wrong(place, &path, &format!("is {}", described(other)), &key.kind),
            },
        }
    }

    /// The pairs that are right, in the order in which they are written.
    fn filters(&mut self, path: &str, words: &[&str], table: &DeTable<'_>) -> Vec<(String, String)> {
        let mut pairs = Vec::new();
        for (filter, value) in table {
            let place = filter.span().start;
            let filter: &str = filter.get_ref();
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
                    pairs.push((place, (filter.to_owned(), word.as_ref().to_owned())));
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
        pairs.sort_by_key(|(place, _)| *place);
        pairs.into_iter().map(|(_, pair)| pair).collect()
    }

    fn hosts(&mut self, path: &str, array: &DeArray<'_>) -> Vec<Host> {
        let mut hosts = Vec::new();
        for (index, value) in array.iter().enumerate() {
            hosts.extend(self.host(&format!("{path}[{index}]"), value));
        }
        hosts
    }

    fn host(&mut self, path: &str, value: &Spanned<DeValue<'_>>) -> Option<Host> {
        let place = value.span().start;
        match value.get_ref() {
            DeValue::String(text) => match text.parse() {
                Ok(host) => return Some(host),
                Err(why) => self.problem(place, format!("{path}: \"{text}\" {why}")),
            },
            other => {
                let what = described(other);
                self.problem(place, format!("{path} is {what}; it takes an IP address or a host name"));
            }
        }
        None
    }

    fn wrong(&mut self, place: usize, path: &str, why: &str, kind: &Kind) {
        let separator = if why.starts_with('"') { ": " } else { " " };
        self.problem(place, format!("{path}{separator}{why}; it takes {}", kind.takes()));
    }

    fn problem(&mut self, place: usize, what: String) {
        let before = self.text.get(..place).unwrap_or(self.text);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        self.problems.push(Problem { line, what });
    }
}

/// The number that is written, `None` for the key's word, or what is wrong with it.
fn number_of(number: &Number, value: &DeValue<'_>) -> Result<Option<u64>, String> {
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

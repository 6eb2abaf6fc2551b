//! Reading a file: TOML to a raw document with places, and from there to values that are known to be right.

use crate::Config;
use crate::foreign;
use crate::key::{Key, Section};
use crate::nearest::nearest;
use crate::part::Outline;
use crate::problem::{Problem, Problems};
use crate::section::PARTS;
use std::path::Path;
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A text to read, and where it comes from.
pub(crate) struct Source<'t> {
    pub(crate) text: &'t str,
    /// The file as it was named.
    pub(crate) file: Arc<str>,
    /// What relative paths in it begin at.
    pub(crate) folder: &'t Path,
}

/// Everything the text says, or everything that is wrong in it. Syntax errors hide the other problems.
pub(crate) fn read(source: Source<'_>) -> Result<Config, Problems> {
    let (document, errors) = DeTable::parse_recoverable(source.text);
    let mut config = Config::default();
    let mut reader = Reader { source, problems: Vec::new() };
    for error in &errors {
        let place = error.span().map_or(0, |span| span.start);
        reader.problem(place, format!("this is not TOML: {}", error.message()));
    }
    if errors.is_empty() {
        reader.document(document.get_ref(), &mut config);
    }
    Problems::of(reader.problems).map_or(Ok(config), Err)
}

/// Reads tables and gathers what is wrong in them.
pub(crate) struct Reader<'t> {
    pub(crate) source: Source<'t>,
    problems: Vec<Problem>,
}

/// Something in a table that is none of its keys.
pub(crate) struct Other<'t> {
    pub(crate) name: &'t str,
    /// Where its name stands.
    pub(crate) place: usize,
    pub(crate) value: &'t Spanned<DeValue<'t>>,
}

impl<'t> Other<'t> {
    /// Everything in the table, in the order in which it is written.
    pub(crate) fn all(table: &'t DeTable<'t>) -> Vec<Self> {
        let other = |(name, value): (&'t Spanned<_>, _)| {
            let (place, name): (_, &std::borrow::Cow<'t, str>) = (name.span().start, name.get_ref());
            Self { name, place, value }
        };
        let mut all: Vec<_> = table.iter().map(other).collect();
        all.sort_by_key(|other| other.place);
        all
    }
}

impl Reader<'_> {
    fn document(&mut self, document: &DeTable<'_>, config: &mut Config) {
        for Other { name, place, value } in Other::all(document) {
            match (PARTS.iter().find(|part| part.name() == name), value.get_ref()) {
                (Some(part), DeValue::Table(table)) => part.read(self, config, place, table),
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
        let hint = match nearest(name, PARTS.iter().map(|part| part.name())) {
            Some(near) => format!("did you mean [{near}]?"),
            None => {
                let all: Vec<_> = outlines().map(|section| format!("[{}]", section.heading)).collect();
                format!("there are {}", all.join(", "))
            }
        };
        self.problem(place, format!("[{name}] is not a section; {hint}"));
    }

    fn stray_key(&mut self, place: usize, name: &str) {
        let owner = outlines().find(|section| section.has(name));
        let hint = match (owner, foreign::advice(name)) {
            (Some(section), _) => format!("write it below a line [{}]", section.heading),
            (None, Some(advice)) => advice.into(),
            (None, None) => "every key belongs into a section".into(),
        };
        self.problem(place, format!("{name} is outside of every section; {hint}"));
    }

    /// Reads the keys of a section, which stands at `place`, into `target`. Returns everything else among the entries.
    pub(crate) fn section<'t, T>(
        &mut self,
        section: &Section<T>,
        path: &str,
        place: usize,
        entries: Vec<Other<'t>>,
        target: &mut T,
    ) -> Vec<Other<'t>> {
        let (before, mut others) = (self.problems.len(), Vec::new());
        for other in entries {
            match section.keys.iter().find(|key| key.name == other.name) {
                Some(key) => self.key(path, key, other.value, target),
                None => others.push(other),
            }
        }
        // What does not go together would only repeat what is wrong with a part of it.
        let unknown = others.iter().any(|other| !matches!(other.value.get_ref(), DeValue::Table(_)));
        if self.problems.len() == before
            && !unknown
            && let Err(what) = (section.check)(target)
        {
            self.problem(place, format!("[{path}] {what}"));
        }
        others
    }

    /// Refuses what stands in a section and is none of its keys.
    pub(crate) fn unknown_keys<T>(&mut self, section: &Section<T>, path: &str, unknown: &[Other<'_>]) {
        for Other { name, place, .. } in unknown {
            let elsewhere = outlines().find(|other| other.has(name));
            let near = nearest(name, section.keys.iter().map(|key: &Key<T>| key.name));
            let hint = match (elsewhere, foreign::advice(name), near) {
                (Some(other), ..) => format!("{name} belongs into [{}]", other.heading),
                (None, Some(advice), _) => advice.into(),
                (None, None, Some(near)) => format!("did you mean {near}?"),
                (None, None, None) => {
                    let all: Vec<_> = section.keys.iter().map(|key| key.name).collect();
                    format!("[{path}] has {}", all.join(", "))
                }
            };
            self.problem(*place, format!("{path}.{name} is not a key; {hint}"));
        }
    }

    pub(crate) fn problem(&mut self, place: usize, what: String) {
        let line = self.line(place);
        self.problems.push(Problem { line, what });
    }

    /// The line of a place in the text, counted from 1.
    pub(crate) fn line(&self, place: usize) -> usize {
        let before = self.source.text.get(..place).unwrap_or(self.source.text);
        before.bytes().filter(|byte| *byte == b'\n').count() + 1
    }
}

/// Every section of the file.
pub(crate) fn outlines() -> impl Iterator<Item = Outline> {
    PARTS.iter().flat_map(|part| part.outlines())
}

impl Outline {
    fn has(&self, key: &str) -> bool {
        self.keys.iter().any(|entry| entry.name == key)
    }
}

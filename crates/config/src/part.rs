//! What may stand in the file under one name: a section with those below it, or a family of sections of one kind.

use crate::Config;
use crate::document::{Other, Reader};
use crate::key::{Key, Section, written_key};
use toml::de::{DeTable, DeValue};

/// What stands in the file under one name.
pub(crate) trait Part: Sync {
    /// The name, such as `listener`.
    fn name(&self) -> &'static str;

    /// Its sections, for the reference and for advice.
    fn outlines(&self) -> Vec<Outline>;

    /// Reads the table of that name, which stands at `place`.
    fn read(&self, reader: &mut Reader<'_>, config: &mut Config, place: usize, table: &DeTable<'_>);
}

/// A section as it is shown.
pub(crate) struct Outline {
    /// What stands between the brackets, such as `roles.NAME`.
    pub(crate) heading: &'static str,
    pub(crate) meaning: &'static str,
    pub(crate) keys: Vec<Entry>,
    /// It is there without being written, so that it has defaults.
    pub(crate) is_given: bool,
}

/// A key as it is shown.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) meaning: &'static str,
    pub(crate) takes: String,
    /// The default as it is written, if there is one.
    pub(crate) default: Option<String>,
    /// A value as it may be written.
    pub(crate) example: String,
}

/// `[name]` and sections below it, `[name.other]`, each of them once. The names of those below have both parts.
pub(crate) struct Fixed {
    pub(crate) section: Section,
    pub(crate) below: &'static [Section],
}

/// Any number of `[name.OTHER]` with the same keys, and maybe `[name]` as the first of them.
pub(crate) struct Family<T: 'static> {
    pub(crate) section: Section<T>,
    /// What stands between the brackets, for the reference.
    pub(crate) heading: &'static str,
    /// Where `[name]` itself goes, if there can be one.
    pub(crate) first: Option<fn(&mut Config) -> &mut T>,
    /// A new one with defaults, or what is wrong with its name.
    pub(crate) begin: fn(&str) -> Result<T, String>,
    pub(crate) add: fn(&mut Config, T),
    /// One with defaults, for the reference.
    pub(crate) sample: fn() -> T,
}

impl Part for Fixed {
    fn name(&self) -> &'static str {
        self.section.name
    }

    fn outlines(&self) -> Vec<Outline> {
        let defaults = Config::default();
        let sections = std::iter::once(&self.section).chain(self.below);
        let given = |section: &Section| (section.check)(&defaults).is_ok();
        sections.map(|section| outline(section, section.name, &defaults, given(section))).collect()
    }

    fn read(&self, reader: &mut Reader<'_>, config: &mut Config, place: usize, table: &DeTable<'_>) {
        let name = self.section.name;
        for other in reader.section(&self.section, name, place, Other::all(table), config) {
            let path = format!("{name}.{}", other.name);
            match (self.below.iter().find(|section| section.name == path), other.value.get_ref()) {
                (Some(section), DeValue::Table(table)) => {
                    let entries = Other::all(table);
                    let unknown = reader.section(section, &path, other.place, entries, config);
                    reader.unknown_keys(section, &path, &unknown);
                }
                (Some(_), _) => {
                    reader.problem(other.place, format!("{path} is a section; write it as [{path}]"));
                }
                (None, _) => reader.unknown_keys(&self.section, name, &[other]),
            }
        }
    }
}

impl<T> Part for Family<T> {
    fn name(&self) -> &'static str {
        self.section.name
    }

    fn outlines(&self) -> Vec<Outline> {
        let given = self.first.is_some();
        vec![outline(&self.section, self.heading, &(self.sample)(), given)]
    }

    fn read(&self, reader: &mut Reader<'_>, config: &mut Config, place: usize, table: &DeTable<'_>) {
        let name = self.section.name;
        // A table is always a section: none of the keys takes one, and the name of a key may be the name of a section.
        let is_section = |other: &Other<'_>| matches!(other.value.get_ref(), DeValue::Table(_));
        let (sections, entries): (Vec<_>, Vec<_>) = Other::all(table).into_iter().partition(is_section);
        match self.first {
            // It may be left out although there are others.
            Some(_) if entries.is_empty() => {}
            Some(first) => {
                let unknown = reader.section(&self.section, name, place, entries, first(config));
                reader.unknown_keys(&self.section, name, &unknown);
            }
            None => {
                for other in entries {
                    let what = format!("{name}.{} is outside of every section", other.name);
                    reader.problem(other.place, format!("{what}; write it below a line [{}]", self.heading));
                }
            }
        }
        for other in sections {
            if let DeValue::Table(table) = other.value.get_ref() {
                self.read_named(reader, config, &other, table);
            }
        }
    }
}

impl<T> Family<T> {
    fn read_named(
        &self,
        reader: &mut Reader<'_>,
        config: &mut Config,
        other: &Other<'_>,
        table: &DeTable<'_>,
    ) {
        let path = format!("{}.{}", self.section.name, written_key(other.name));
        match (self.begin)(other.name) {
            Ok(mut value) => {
                let entries = Other::all(table);
                let unknown = reader.section(&self.section, &path, other.place, entries, &mut value);
                reader.unknown_keys(&self.section, &path, &unknown);
                (self.add)(config, value);
            }
            Err(why) => reader.problem(other.place, format!("[{path}]: {why}")),
        }
    }
}

fn outline<T>(section: &Section<T>, heading: &'static str, defaults: &T, is_given: bool) -> Outline {
    let entry = |key: &Key<T>| Entry {
        name: key.name,
        meaning: key.meaning,
        takes: key.kind.takes(),
        default: key.kind.written(defaults),
        example: key.kind.example(),
    };
    Outline { heading, meaning: section.meaning, keys: section.keys.iter().map(entry).collect(), is_given }
}

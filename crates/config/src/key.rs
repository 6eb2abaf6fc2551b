//! One key of the file as a record.

use crate::Config;
use crate::folder::DataDir;
use crate::host::Host;
use crate::quantity::Unit;
use std::ops::RangeInclusive;

/// A `[section]` of the file.
pub(crate) struct Section {
    pub(crate) name: &'static str,
    /// What it is about, as a sentence.
    pub(crate) meaning: &'static str,
    pub(crate) keys: &'static [Key],
}

/// A key of a section.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    /// What it sets, as sentences.
    pub(crate) meaning: &'static str,
    pub(crate) kind: Kind,
}

/// What a key takes, and where its value lives.
pub(crate) enum Kind {
    Number(Number),
    /// One of several words. `set` is called with one of `words` only.
    Choice {
        words: &'static [&'static str],
        get: fn(&Config) -> &'static str,
        set: fn(&mut Config, &str),
    },
    /// A list of addresses and names, or one of them.
    Hosts {
        get: fn(&Config) -> &[Host],
        set: fn(&mut Config, Vec<Host>),
    },
    /// The data folder, or a word instead of it.
    Folder {
        get: fn(&Config) -> &DataDir,
        set: fn(&mut Config, DataDir),
    },
    /// One of several words for each of some topic filters, in the order of the file. `set` is called with valid filters
    /// and with words of `words` only.
    Filters {
        words: &'static [&'static str],
        get: fn(&Config) -> Vec<(&str, &'static str)>,
        set: fn(&mut Config, Vec<(String, String)>),
    },
}

/// A number in a range, or instead of it the `word`, which is `None` here.
pub(crate) struct Number {
    pub(crate) unit: Unit,
    pub(crate) range: RangeInclusive<u64>,
    pub(crate) word: Option<&'static str>,
    pub(crate) get: fn(&Config) -> Option<u64>,
    pub(crate) set: fn(&mut Config, Option<u64>),
}

impl Kind {
    /// What may be written, in words.
    pub(crate) fn takes(&self) -> String {
        match self {
            Self::Number(number) => number.takes(),
            Self::Choice { words, .. } => one_of(words),
            Self::Hosts { .. } => "a list of IP addresses and host names".into(),
            Self::Folder { .. } => "an absolute path, \"auto\" or \"memory\"".into(),
            Self::Filters { words, .. } => format!("a table of topic filters, each with {}", one_of(words)),
        }
    }

    /// The value in `config`, as it is written in a file.
    pub(crate) fn written(&self, config: &Config) -> String {
        match self {
            Self::Number(number) => number.written(config),
            Self::Choice { get, .. } => format!("\"{}\"", get(config)),
            Self::Hosts { get, .. } => {
                let quoted: Vec<_> = get(config).iter().map(|host| format!("\"{host}\"")).collect();
                format!("[{}]", quoted.join(", "))
            }
            Self::Folder { get, .. } => format!("\"{}\"", get(config)),
            Self::Filters { get, .. } => {
                let pairs = get(config);
                let written: Vec<_> =
                    pairs.iter().map(|(filter, word)| format!("\"{filter}\" = \"{word}\"")).collect();
                if written.is_empty() { "{}".into() } else { format!("{{ {} }}", written.join(", ")) }
            }
        }
    }
}

/// The words, as what may be written.
pub(crate) fn one_of(words: &[&str]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("\"{word}\"")).collect();
    format!("one of {}", quoted.join(", "))
}

impl Number {
    fn takes(&self) -> String {
        let (low, high) = (self.unit.show(*self.range.start()), self.unit.show(*self.range.end()));
        match self.word {
            Some(word) => format!("{} from {low} to {high}, or \"{word}\"", self.unit.noun()),
            None => format!("{} from {low} to {high}", self.unit.noun()),
        }
    }

    fn written(&self, config: &Config) -> String {
        match ((self.get)(config), self.word) {
            (Some(value), _) => self.unit.write(value),
            (None, word) => format!("\"{}\"", word.unwrap_or_default()),
        }
    }
}

//! One key of the file as a record.

use crate::Config;
use crate::folder::DataDir;
use crate::quantity::Unit;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The keys of a `[section]`. They set something in a `T`: mostly the configuration itself, or one of several listeners or
/// roles.
pub(crate) struct Section<T: 'static = Config> {
    pub(crate) name: &'static str,
    /// What it is about, as a sentence.
    pub(crate) meaning: &'static str,
    pub(crate) keys: &'static [Key<T>],
    /// Looks at everything that was read; an error says what does not go together.
    pub(crate) check: fn(&T) -> Result<(), String>,
}

/// A key of a section.
pub(crate) struct Key<T: 'static = Config> {
    pub(crate) name: &'static str,
    /// What it sets, as sentences.
    pub(crate) meaning: &'static str,
    pub(crate) kind: Kind<T>,
}

/// What a key takes, and where its value lives.
pub(crate) enum Kind<T: 'static = Config> {
    Number(Number<T>),
    /// One of several words. `set` is called with one of `words` only.
    Choice {
        words: &'static [&'static str],
        get: fn(&T) -> &'static str,
        set: fn(&mut T, &str),
    },
    /// True or false. Where nothing is written other things may decide.
    Flag {
        get: fn(&T) -> Option<bool>,
        set: fn(&mut T, bool),
    },
    /// A text with rules of its own; `set` says which of them it breaks.
    Text {
        /// What it takes, such as "a path that begins with /".
        takes: &'static str,
        /// A value for the sample, where there is no default.
        example: &'static str,
        get: fn(&T) -> Option<String>,
        set: fn(&mut T, &str) -> Result<(), String>,
    },
    /// A file. `set` gets its path with the folder of the configuration file before it.
    File {
        example: &'static str,
        get: fn(&T) -> Option<&Path>,
        set: fn(&mut T, PathBuf),
    },
    /// Some texts, or one of them.
    List(List<T>),
    /// The data folder, or a word instead of it.
    Folder {
        get: fn(&T) -> &DataDir,
        set: fn(&mut T, DataDir),
    },
    /// One of several words for each of some topic filters, in the order of the file. `set` is called with valid filters
    /// and with words of `words` only.
    Filters {
        words: &'static [&'static str],
        get: fn(&T) -> Vec<(&str, &'static str)>,
        set: fn(&mut T, Vec<(String, String)>),
    },
}

/// A number in a range, or instead of it the `word`, which is `None` here.
pub(crate) struct Number<T: 'static = Config> {
    pub(crate) unit: Unit,
    pub(crate) range: RangeInclusive<u64>,
    pub(crate) word: Option<&'static str>,
    pub(crate) get: fn(&T) -> Option<u64>,
    pub(crate) set: fn(&mut T, Option<u64>),
}

/// Some texts.
pub(crate) struct List<T: 'static = Config> {
    /// What the list takes.
    pub(crate) takes: &'static str,
    /// What each of its places takes.
    pub(crate) each: &'static str,
    /// Texts for the sample, where there is no default.
    pub(crate) example: &'static [&'static str],
    pub(crate) may_be_empty: bool,
    pub(crate) get: fn(&T) -> Vec<String>,
    /// Takes the default away, before the first is added.
    pub(crate) clear: fn(&mut T),
    /// Says what is wrong with the text, if something is.
    pub(crate) add: fn(&mut T, &Item<'_>) -> Result<(), String>,
}

/// A text in a list, and where it is written.
pub(crate) struct Item<'t> {
    pub(crate) text: &'t str,
    /// The configuration file as it was named.
    pub(crate) file: &'t Arc<str>,
    /// Counted from 1.
    pub(crate) line: usize,
}

impl<T> Kind<T> {
    /// What may be written, in words.
    pub(crate) fn takes(&self) -> String {
        match self {
            Self::Number(number) => number.takes(),
            Self::Choice { words, .. } => one_of(words),
            Self::Flag { .. } => "true or false".into(),
            Self::Text { takes, .. } => (*takes).into(),
            Self::File { .. } => "the path of a file".into(),
            Self::List(list) => list.takes.into(),
            Self::Folder { .. } => "an absolute path, \"auto\" or \"memory\"".into(),
            Self::Filters { words, .. } => format!("a table of topic filters, each with {}", one_of(words)),
        }
    }

    /// The value in `target`, as it is written in a file; `None` when there is none.
    pub(crate) fn written(&self, target: &T) -> Option<String> {
        match self {
            Self::Number(number) => number.written(target),
            Self::Choice { get, .. } => Some(format!("\"{}\"", get(target))),
            Self::Flag { get, .. } => get(target).map(|flag| flag.to_string()),
            Self::Text { get, .. } => get(target).map(|text| quoted(&text)),
            Self::File { get, .. } => get(target).map(|path| quoted(&path.display().to_string())),
            Self::List(list) => {
                Some((list.get)(target)).filter(|texts| !texts.is_empty()).map(|texts| listed(&texts))
            }
            Self::Folder { get, .. } => Some(quoted(&get(target).to_string())),
            Self::Filters { get, .. } => {
                let pairs = get(target);
                let written: Vec<_> =
                    pairs.iter().map(|(filter, word)| format!("{} = \"{word}\"", quoted(filter))).collect();
                Some(if written.is_empty() { "{}".into() } else { format!("{{ {} }}", written.join(", ")) })
            }
        }
    }

    /// A value as it may be written, for keys without a default.
    pub(crate) fn example(&self) -> String {
        match self {
            Self::Text { example, .. } | Self::File { example, .. } => quoted(example),
            Self::List(list) => listed(&list.example.iter().map(ToString::to_string).collect::<Vec<_>>()),
            Self::Flag { .. } => "false".into(),
            Self::Number(number) => number.unit.write(*number.range.start()),
            Self::Choice { words, .. } => quoted(words.first().unwrap_or(&"")),
            Self::Folder { .. } => quoted("auto"),
            Self::Filters { .. } => "{}".into(),
        }
    }
}

/// The words, as what may be written.
pub(crate) fn one_of(words: &[&str]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("\"{word}\"")).collect();
    format!("one of {}", quoted.join(", "))
}

/// A name as it is written between brackets or before `=`: with quotes only where it needs them.
pub(crate) fn written_key(name: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.chars().all(is_bare) { name.into() } else { quoted(name) }
}

/// A text as TOML has it.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn listed(texts: &[String]) -> String {
    let texts: Vec<_> = texts.iter().map(|text| quoted(text)).collect();
    format!("[{}]", texts.join(", "))
}

impl<T> Number<T> {
    fn takes(&self) -> String {
        let (low, high) = (self.unit.show(*self.range.start()), self.unit.show(*self.range.end()));
        match self.word {
            Some(word) => format!("{} from {low} to {high}, or \"{word}\"", self.unit.noun()),
            None => format!("{} from {low} to {high}", self.unit.noun()),
        }
    }

    fn written(&self, target: &T) -> Option<String> {
        match (self.get)(target) {
            Some(value) => Some(self.unit.write(value)),
            None => self.word.map(|word| format!("\"{word}\"")),
        }
    }
}

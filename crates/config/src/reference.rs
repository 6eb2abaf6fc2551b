//! The pages that are made from the records of the keys.

use crate::document::outlines;
use std::fmt::Write;

/// `docs/config.md`: every section and key, in Markdown.
#[must_use]
pub fn markdown() -> String {
    let mut page = String::from(HEAD);
    for section in outlines() {
        let _ = write!(page, "\n## `[{}]`\n\n{}\n\n", section.heading, section.meaning);
        page.push_str("| key | default | takes | meaning |\n|---|---|---|---|\n");
        for key in section.keys {
            let default = key.default.map_or("none".into(), |default| format!("`{default}`"));
            let _ = writeln!(page, "| `{}` | {default} | {} | {} |", key.name, key.takes, key.meaning);
        }
    }
    page
}

/// `examples/darter.toml`: every key with its default, and its meaning as a comment. What has no default is a comment too.
#[must_use]
pub fn sample() -> String {
    let mut file = String::from(SAMPLE_HEAD);
    for section in outlines() {
        let mark = if section.is_given { "" } else { "# " };
        let _ = writeln!(file, "\n{}{mark}[{}]", comment(section.meaning), section.heading);
        for key in section.keys {
            let takes = format!("It takes {}.", key.takes);
            let _ = write!(file, "\n{}{}", comment(key.meaning), comment(&takes));
            let mark = if section.is_given && key.default.is_some() { "" } else { "# " };
            let _ = writeln!(file, "{mark}{} = {}", key.name, key.default.unwrap_or(key.example));
        }
    }
    file
}

const HEAD: &str = "<!-- Made from the records in crates/config/src/section: change those, then run
     UPDATE_PAGES=1 cargo test -p darter-config -->

# The configuration file

`darter serve --config FILE` reads a file in TOML. Nothing has to be in it: what it does not say has the default. Options
of the command line (`darter serve --help`) go before the file. `darter serve --config FILE --check-config` says whether a
file is right without starting the server. [examples/darter.toml](../examples/darter.toml) has every key with its default.

A key or section that does not exist is refused, as is a value of the wrong kind or out of range; all such places are named
at once, with file and line.

- A size is a number of bytes (`4096`) or has a unit: `\"4 KiB\"`, with B, KiB, MiB or GiB.
- A time is a number of seconds (`90`) or has a unit: `\"90 s\"`, with ms, s, min, h or d.
";

const SAMPLE_HEAD: &str = "# Every key of the configuration file, with its default.
# Start with it: darter serve --config examples/darter.toml
# A size can have the units B, KiB, MiB and GiB, a time ms, s, min, h and d.
";

/// A comment of lines that are not too long.
fn comment(text: &str) -> String {
    let (mut lines, mut line) = (String::new(), String::from("#"));
    for word in text.split_whitespace() {
        if line.len() + word.len() >= 100 {
            lines.push_str(&line);
            lines.push('\n');
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    lines + &line + "\n"
}

//! `cargo xtask check-style`: the rules of style that no other tool watches over.

use std::path::Path;

use crate::sources::{SourceFile, rust_files};
use crate::{refuse_options, step};

/// No file is longer than this many lines.
const LONGEST_FILE: usize = 900;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["common", "helpers", "manager", "misc", "types", "util", "utils"];

/// Folders with Rust code of ours; those that do not exist yet are passed over.
const FOLDERS: &[&str] = &["crates", "xtask", "perf", "crash", "conformance", "fuzz", "e2e", "examples"];

/// Most `unwrap` and `expect` outside tests, per thousand lines of the crates.
const UNWRAPS_PER_THOUSAND: usize = 2;

/// Prints every violation; fails when there is at least one.
pub(crate) fn run(options: &[String]) -> Result<(), String> {
    refuse_options(options)?;
    let root = step::root();
    let mut files = Vec::new();
    for folder in FOLDERS.iter().map(|folder| root.join(folder)).filter(|folder| folder.is_dir()) {
        files.extend(rust_files(&folder)?);
    }
    let mut violations: Vec<String> = files.iter().flat_map(|file| violations_of(file, &root)).collect();
    violations
        .extend(too_many_unwraps(files.iter().filter(|file| file.path.starts_with(root.join("crates")))));
    for violation in &violations {
        println!("{violation}");
    }
    if violations.is_empty() {
        print_sizes(&files);
        return Ok(());
    }
    Err(format!("{} violation(s) of the style", violations.len()))
}

fn violations_of(file: &SourceFile, root: &Path) -> Vec<String> {
    let shown = file.path.strip_prefix(root).unwrap_or(&file.path);
    let mut found = Vec::new();
    let lines = file.text.lines().count();
    if lines > LONGEST_FILE {
        found.push(format!("{}: {lines} lines, and {LONGEST_FILE} are the most", shown.display()));
    }
    for part in shown.iter().filter_map(|part| part.to_str()) {
        let name = part.strip_suffix(".rs").unwrap_or(part);
        if EMPTY_NAMES.contains(&name) {
            found.push(format!("{}: the name {name} says nothing about what is inside", shown.display()));
        }
    }
    found
}

fn too_many_unwraps<'a>(files: impl Iterator<Item = &'a SourceFile>) -> Option<String> {
    let (mut lines, mut unwraps) = (0, 0);
    for line in files.flat_map(|file| file.code_lines()) {
        lines += 1;
        unwraps += usize::from(line.1.contains(".unwrap()") || line.1.contains(".expect("));
    }
    let most = (lines * UNWRAPS_PER_THOUSAND).div_ceil(1000);
    (unwraps > most)
        .then(|| format!("crates/: {unwraps} unwrap or expect in {lines} lines, and {most} are the most"))
}

/// How long the files are, to be compared with the budget.
fn print_sizes(files: &[SourceFile]) {
    let mut sizes: Vec<usize> = files.iter().map(|file| file.text.lines().count()).collect();
    sizes.sort_unstable();
    let at = |percent: usize| sizes.get(sizes.len() * percent / 100).copied().unwrap_or(0);
    let longest = sizes.last().copied().unwrap_or(0);
    println!(
        "style holds: {} files, median {} lines, 90th percentile {}, longest {longest}",
        sizes.len(),
        at(50),
        at(90)
    );
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::{SourceFile, too_many_unwraps, violations_of};

    fn file(path: &str, text: String) -> SourceFile {
        SourceFile { path: PathBuf::from(path), text }
    }

    #[test]
    fn a_long_file_is_named() {
        let found =
            violations_of(&file("/tree/crates/codec/src/all.rs", "\n".repeat(901)), Path::new("/tree"));
        assert_eq!(found, ["crates/codec/src/all.rs: 901 lines, and 900 are the most"]);
    }

    #[test]
    fn a_module_name_that_says_nothing_is_named() {
        let found =
            violations_of(&file("/tree/crates/codec/src/utils/read.rs", String::new()), Path::new("/tree"));
        assert_eq!(
            found,
            ["crates/codec/src/utils/read.rs: the name utils says nothing about what is inside"]
        );
    }

    #[test]
    fn unwraps_count_only_outside_tests() {
        let code = "a.unwrap();\n".repeat(3) + &"b;\n".repeat(997);
        let tests = "#[cfg(test)]\nmod tests { c.unwrap(); }\n".to_owned();
        assert_eq!(too_many_unwraps([&file("a.rs", tests)].into_iter()), None);
        let found = too_many_unwraps([&file("a.rs", code)].into_iter());
        assert_eq!(found.as_deref(), Some("crates/: 3 unwrap or expect in 1000 lines, and 2 are the most"));
    }
}

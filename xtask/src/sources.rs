//! Our own source files, as text.

use std::path::{Path, PathBuf};

/// One source file.
pub(crate) struct SourceFile {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// Every Rust file below a folder, in the order of their names, without files of tests.
pub(crate) fn rust_files(folder: &Path) -> Result<Vec<SourceFile>, String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        for entry in entries {
            let path = entry.map_err(|error| format!("{}: {error}", folder.display()))?.path();
            if path.file_stem().is_some_and(|stem| stem == "tests" || stem == "target") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text =
                    std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
                found.push(SourceFile { path, text });
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

impl SourceFile {
    /// The lines of code before the test module, with their numbers from 1; comments are left out.
    pub(crate) fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .enumerate()
            .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
            .map(|(index, line)| (index + 1, line))
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::SourceFile;

    #[test]
    fn comments_and_the_test_module_are_no_code() {
        let text = "//! std::fs in words\nuse a;\n#[cfg(test)]\nmod tests { use std::fs; }\n".to_owned();
        let file = SourceFile { path: PathBuf::from("a.rs"), text };
        assert_eq!(file.code_lines().collect::<Vec<_>>(), [(2, "use a;")]);
    }
}

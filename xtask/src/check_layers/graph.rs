//! What `cargo metadata` says, reduced to the questions that are asked of it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Where a package of ours lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// A folder under `crates/`.
    Crate(String),
    /// Any other folder: perf, conformance, xtask and the like.
    Tool(String),
}

/// One package of the work tree.
pub(super) struct Package {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) folder: PathBuf,
    pub(super) place: Place,
    /// Names of the packages it declares as normal or build dependencies, optional ones too.
    pub(super) imports: Vec<String>,
}

/// Our packages, and for every package the ones it needs at run time.
pub(super) struct Graph {
    packages: Vec<Package>,
    names: HashMap<String, String>,
    needs: HashMap<String, Vec<String>>,
}

impl Graph {
    /// Reads the JSON document of `cargo metadata --format-version 1`.
    pub(super) fn from_metadata(metadata: &Value) -> Result<Self, String> {
        let root = Path::new(text(metadata, "workspace_root")?);
        let members: HashSet<&str> =
            list(metadata, "workspace_members")?.iter().filter_map(Value::as_str).collect();
        let mut names = HashMap::new();
        let mut packages = Vec::new();
        for package in list(metadata, "packages")? {
            let id = text(package, "id")?;
            let name = text(package, "name")?;
            names.insert(id.to_owned(), name.to_owned());
            if members.contains(id) {
                packages.push(member(package, id, name, root)?);
            }
        }
        let resolve = metadata.get("resolve").ok_or("cargo metadata gave no resolve")?;
        let mut needs = HashMap::new();
        for node in list(resolve, "nodes")? {
            let targets = list(node, "deps")?.iter().filter(|dependency| is_normal(dependency));
            let targets =
                targets.filter_map(|dependency| dependency["pkg"].as_str()).map(str::to_owned).collect();
            needs.insert(text(node, "id")?.to_owned(), targets);
        }
        Ok(Self { packages, names, needs })
    }

    /// Every package of the work tree.
    pub(super) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter()
    }

    /// The package of the work tree with this name.
    pub(super) fn member_named(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.name == name)
    }

    /// The shortest way of normal dependencies from a package to a name, as names.
    pub(super) fn way_to<'a>(&'a self, from: &'a str, name: &str) -> Option<Vec<&'a str>> {
        let mut came_from: HashMap<&str, &str> = HashMap::new();
        let mut waiting = VecDeque::from([from]);
        while let Some(id) = waiting.pop_front() {
            if id != from && self.names.get(id).is_some_and(|found| found == name) {
                return Some(self.names_along(id, &came_from));
            }
            for next in self.needs.get(id).into_iter().flatten() {
                if next != from && !came_from.contains_key(next.as_str()) {
                    came_from.insert(next, id);
                    waiting.push_back(next);
                }
            }
        }
        None
    }

    fn names_along<'a>(&'a self, end: &'a str, came_from: &HashMap<&'a str, &'a str>) -> Vec<&'a str> {
        let mut way = vec![end];
        let mut at = end;
        while let Some(previous) = came_from.get(at) {
            way.push(previous);
            at = previous;
        }
        way.reverse();
        way.into_iter().map(|id| self.names.get(id).map_or(id, String::as_str)).collect()
    }
}

fn member(package: &Value, id: &str, name: &str, root: &Path) -> Result<Package, String> {
    let manifest = Path::new(text(package, "manifest_path")?);
    let folder = manifest.parent().unwrap_or(root);
    let inside = folder.strip_prefix(root).unwrap_or(folder);
    let place = match inside.strip_prefix("crates") {
        Ok(rest) => Place::Crate(rest.display().to_string()),
        Err(_) => Place::Tool(inside.display().to_string()),
    };
    let declared = list(package, "dependencies")?.iter();
    let imports = declared
        .filter(|dependency| dependency["kind"].as_str() != Some("dev"))
        .filter_map(|dependency| dependency["name"].as_str().map(str::to_owned))
        .collect();
    Ok(Package { id: id.to_owned(), name: name.to_owned(), folder: folder.to_path_buf(), place, imports })
}

/// Whether a resolved dependency is needed at run time, and not only by tests or build scripts.
fn is_normal(dependency: &Value) -> bool {
    match dependency["dep_kinds"].as_array() {
        Some(kinds) => kinds.iter().any(|kind| kind["kind"].is_null()),
        None => true,
    }
}

fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str, String> {
    value[key].as_str().ok_or_else(|| format!("cargo metadata gave no {key}"))
}

fn list<'a>(value: &'a Value, key: &str) -> Result<&'a [Value], String> {
    value[key].as_array().map(Vec::as_slice).ok_or_else(|| format!("cargo metadata gave no {key}"))
}

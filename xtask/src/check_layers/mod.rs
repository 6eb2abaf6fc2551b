//! `cargo xtask check-layers`: proves the design's table of layers from `cargo metadata`.
//!
//! Three questions are asked. Does a crate import one of ours that its layer may not? Does a crate without IO
//! reach a crate that opens sockets, reads clocks or files, or makes random numbers? Does its source name such a
//! part of the standard library? Tests may import more: only normal and build dependencies count.

mod graph;
mod table;

use serde_json::Value;

use crate::{refuse_options, sources, step};
use graph::{Graph, Package, Place};
use table::{BANNED_BELOW_IO, BANNED_PATHS, MayImport, layer_of};

/// Prints every violation; fails when there is at least one.
pub(crate) fn run(options: &[String]) -> Result<(), String> {
    refuse_options(options)?;
    let mut command = step::cargo(&["metadata", "--format-version", "1", "--all-features"]);
    let metadata: Value = serde_json::from_slice(&step::capture(&mut command)?)
        .map_err(|error| format!("cargo metadata printed something else than JSON: {error}"))?;
    let graph = Graph::from_metadata(&metadata)?;
    let mut violations = violations_of(&graph);
    violations.extend(violations_in_sources(&graph)?);
    if violations.is_empty() {
        println!("layers hold: {} crates of ours checked", graph.members().count());
        return Ok(());
    }
    for violation in &violations {
        println!("{violation}");
    }
    Err(format!("{} violation(s) of the table of layers", violations.len()))
}

/// Every violation that shows in the dependency graph, one line each.
fn violations_of(graph: &Graph) -> Vec<String> {
    let mut found = Vec::new();
    for package in graph.members() {
        if let Place::Crate(folder) = &package.place
            && layer_of(folder).is_none()
        {
            found.push(format!(
                "crates/{folder} has no row in the table of layers (xtask/src/check_layers/table.rs)"
            ));
        }
        found.extend(package.imports.iter().filter_map(|name| {
            let imported = graph.member_named(name)?;
            refusal(package, imported)
        }));
        if let Place::Crate(folder) = &package.place
            && layer_of(folder).is_some_and(|layer| layer.sans_io)
        {
            found.extend(banned_reach(graph, package));
        }
    }
    found
}

/// Why `package` may not import `imported`, if so.
fn refusal(package: &Package, imported: &Package) -> Option<String> {
    let target = match &imported.place {
        Place::Crate(folder) => folder.as_str(),
        Place::Tool(folder) => {
            return Some(format!(
                "{} imports {}: nothing imports the tool {folder}/",
                package.name, imported.name
            ));
        }
    };
    // A tool outside crates/ stands above every layer.
    let Place::Crate(folder) = &package.place else { return None };
    let layer = layer_of(folder)?;
    let allowed = match layer.may_import {
        MayImport::Everything => {
            layer.level == "dev" || layer_of(target).is_none_or(|other| other.level != "dev")
        }
        MayImport::Only(names) => names.contains(&target),
    };
    if allowed {
        return None;
    }
    let may = match layer.may_import {
        MayImport::Everything => "everything but what is for tests".to_owned(),
        MayImport::Only([]) => "none of ours".to_owned(),
        MayImport::Only(names) => names.join(", "),
    };
    Some(format!("{folder} ({}) imports {target}: it may import {may}", layer.level))
}

/// The banned crates a crate without IO reaches, each with the way that leads there.
fn banned_reach(graph: &Graph, package: &Package) -> Vec<String> {
    BANNED_BELOW_IO
        .iter()
        .filter_map(|(banned, what)| {
            let way = graph.way_to(&package.id, banned)?;
            Some(format!("{} must not see {what}, but reaches {banned}: {}", package.name, way.join(" -> ")))
        })
        .collect()
}

/// The banned paths that the source of a crate without IO names outside its tests.
fn violations_in_sources(graph: &Graph) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    for package in graph.members() {
        let Place::Crate(folder) = &package.place else { continue };
        if !layer_of(folder).is_some_and(|layer| layer.sans_io) {
            continue;
        }
        for file in sources::rust_files(&package.folder.join("src"))? {
            for (number, line) in file.code_lines() {
                if let Some((path, what)) = BANNED_PATHS.iter().find(|(path, _)| line.contains(path)) {
                    let file = file.path.strip_prefix(step::root()).unwrap_or(&file.path).display();
                    found.push(format!("{file}:{number} names {path}: {folder} must not see {what}"));
                }
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;

//! The dependency direction, the licences, and the tidiness of the tree.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Which of our crates each may depend on. Siblings never know each other.
const MAY_USE: [(&str, &[&str]); 5] = [
    ("appdepot-core", &[]),
    ("appdepot-storage", &["appdepot-core"]),
    ("appdepot-authz", &["appdepot-core"]),
    ("appdepot-metadata", &["appdepot-core"]),
    ("appdepot-http", &["appdepot-core"]),
];

/// What must not be found anywhere below a crate.
const MUST_NOT_REACH: [(&str, &[&str]); 3] = [
    ("appdepot-core", &["tokio", "http", "hyper", "axum", "opendal", "sqlx", "casbin", "quick-xml"]),
    ("appdepot-metadata", &["tokio", "http", "hyper", "axum", "opendal", "sqlx", "casbin"]),
    ("appdepot-http", &["opendal", "sqlx", "casbin", "quick-xml"]),
];

/// Third-party crates, and which of ours may name them.
const AT_HOME: [(&str, &[&str]); 6] = [
    ("opendal", &["appdepot-storage"]),
    ("sqlx", &["appdepot-storage"]),
    ("sea-query", &["appdepot-storage"]),
    ("casbin", &["appdepot-authz"]),
    ("axum", &["appdepot-http"]),
    ("quick-xml", &["appdepot-metadata", "appdepot-authz"]),
];

/// Licences that may be linked without asking.
const LICENCES: [&str; 14] = [
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "ISC",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "Zlib",
    "Unicode-3.0",
    "CC0-1.0",
    "0BSD",
    "Unlicense",
    "BSL-1.0",
    "CDLA-Permissive-2.0",
    "MIT-0",
];

/// Licences accepted for one crate, with the reason.
const LICENCE_EXCEPTIONS: [(&str, &str, &str); 1] =
    [("smartstring", "MPL-2.0+", "copyleft of single files, used unmodified through casbin's rhai")];

/// The packages of `cargo metadata` and, for each, what it is built with (development apart).
struct Graph {
    packages: BTreeMap<String, Value>,
    edges: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    fn read() -> Self {
        let rustc = run(Command::new("rustc").arg("-vV"));
        let host = rustc.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
        // For this machine only: crates for others were not downloaded.
        let metadata = run(Command::new(env!("CARGO")).args([
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--all-features",
            "--filter-platform",
            host,
        ]));
        let metadata: Value = serde_json::from_str(&metadata).unwrap();
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let packages: BTreeMap<String, Value> =
            list(&metadata["packages"]).into_iter().map(|package| (text(&package["id"]), package)).collect();
        let mut edges = BTreeMap::new();
        for node in list(&metadata["resolve"]["nodes"]) {
            let built_with = list(&node["deps"])
                .into_iter()
                .filter(|dep| list(&dep["dep_kinds"]).iter().any(|kind| kind["kind"].is_null()));
            edges.insert(text(&node["id"]), built_with.map(|dep| text(&dep["pkg"])).collect());
        }
        Self { packages, edges }
    }

    fn name(&self, id: &str) -> &str {
        self.packages[id]["name"].as_str().unwrap()
    }

    fn id(&self, name: &str) -> &str {
        self.packages.keys().find(|id| self.name(id) == name).unwrap_or_else(|| panic!("no package {name}"))
    }

    fn direct(&self, name: &str) -> BTreeSet<&str> {
        self.edges[self.id(name)].iter().map(|id| self.name(id)).collect()
    }

    fn reach(&self, name: &str) -> BTreeSet<&str> {
        let mut todo = vec![self.id(name)];
        let mut seen = BTreeSet::new();
        while let Some(id) = todo.pop() {
            if seen.insert(id) {
                todo.extend(self.edges[id].iter().map(String::as_str));
            }
        }
        seen.into_iter().map(|id| self.name(id)).collect()
    }
}

fn run(command: &mut Command) -> String {
    let output = command.current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn dependencies_point_inwards() {
    let graph = Graph::read();
    for (name, allowed) in MAY_USE {
        let ours: Vec<&str> =
            graph.direct(name).into_iter().filter(|dep| dep.starts_with("appdepot")).collect();
        let wrong: Vec<&&str> = ours.iter().filter(|dep| !allowed.contains(dep)).collect();
        assert!(wrong.is_empty(), "{name} must not depend on {wrong:?}");
    }
}

#[test]
fn the_core_and_the_parsers_stay_light() {
    let graph = Graph::read();
    for (name, banned) in MUST_NOT_REACH {
        let reach = graph.reach(name);
        let found: Vec<&&str> = banned.iter().filter(|dep| reach.contains(**dep)).collect();
        assert!(found.is_empty(), "{name} reaches {found:?}");
    }
}

#[test]
fn third_party_crates_show_only_where_they_belong() {
    let graph = Graph::read();
    for (foreign, homes) in AT_HOME {
        for (name, _) in MAY_USE.iter().filter(|(name, _)| !homes.contains(name)) {
            assert!(
                !graph.direct(name).contains(foreign),
                "{name} names {foreign}, which belongs to {homes:?}"
            );
        }
    }
}

#[test]
fn every_licence_is_accepted() {
    let graph = Graph::read();
    let linked = graph.reach("appdepot");
    for package in
        graph.packages.values().filter(|package| linked.contains(package["name"].as_str().unwrap()))
    {
        let (name, licence) =
            (package["name"].as_str().unwrap(), package["license"].as_str().unwrap_or("none"));
        let excepted = LICENCE_EXCEPTIONS.iter().any(|(n, l, _)| (*n, *l) == (name, licence));
        assert!(excepted || accepted(licence), "{name} is licensed under {licence}");
    }
}

/// Whether an SPDX expression can be satisfied with accepted licences alone.
fn accepted(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ");
    let expression = expression.trim();
    if let Some((left, right)) = split(expression, " AND ") {
        return accepted(left) && accepted(right);
    }
    if let Some((left, right)) = split(expression, " OR ") {
        return accepted(left) || accepted(right);
    }
    match expression.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')) {
        Some(inner) => accepted(inner),
        None => LICENCES.contains(&expression),
    }
}

/// Splits at the first operator outside parentheses.
fn split<'a>(expression: &'a str, operator: &str) -> Option<(&'a str, &'a str)> {
    let mut depth = 0;
    for (at, c) in expression.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ if depth == 0 && expression[at..].starts_with(operator) => {
                return Some((&expression[..at], &expression[at + operator.len()..]));
            }
            _ => {}
        }
    }
    None
}

#[test]
fn licence_expressions_are_understood() {
    assert!(
        accepted("MIT OR Apache-2.0") && accepted("MIT/Apache-2.0") && accepted("(MIT OR GPL-3.0) AND ISC")
    );
    assert!(!accepted("GPL-3.0") && !accepted("MIT AND GPL-3.0") && !accepted("none"));
}

/// Every file that is kept in the repository, by the rules of its ignore file.
fn sources(extension: &str) -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, extension: &str, found: &mut Vec<(PathBuf, String)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir()
                && !name.starts_with('.')
                && !matches!(name.as_str(), "target" | "depot-data" | "corpus" | "node_modules")
            {
                walk(&path, extension, found);
            } else if path.extension().is_some_and(|e| e == extension) {
                found.push((path.clone(), std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let mut found = Vec::new();
    walk(&root(), extension, &mut found);
    found
}

#[test]
fn the_tree_is_tidy() {
    let this = Path::new(file!()).file_name().unwrap();
    for (path, text) in sources("rs").iter().filter(|(path, _)| path.file_name() != Some(this)) {
        let shown = path.strip_prefix(root()).unwrap().display();
        assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{shown}: one line break at the end");
        for (number, line) in text.lines().enumerate() {
            let place = format!("{shown}:{}", number + 1);
            assert!(!line.contains('\t') && !line.ends_with(' '), "{place}: tabs or trailing space");
            let comment = line.trim_start().starts_with("//");
            assert!(
                !(comment && line.contains("```") && line.contains("ignore")),
                "{place}: an example not compiled"
            );
            assert!(!line.contains("todo!(") && !line.contains("unimplemented!("), "{place}: unfinished");
        }
    }
}

#[test]
fn documents_name_files_that_exist() {
    for (path, text) in sources("md") {
        let folder = path.parent().unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap();
            if target.is_empty()
                || target.contains("://")
                || target.contains("::")
                || target.starts_with("mailto:")
            {
                continue;
            }
            let exists = folder.join(target).exists();
            assert!(exists, "{}: no file {target}", path.strip_prefix(root()).unwrap().display());
        }
    }
}

/// What holds a secret in the clear says itself what it shows of it.
#[test]
fn no_derived_debug_shows_a_secret() {
    const SECRETS: [&str; 6] = ["access_token", "bearer", "password", "secret", "sealing_key", "token"];
    let mut structs = 0;
    for (path, text) in
        sources("rs").iter().filter(|(path, _)| path.components().any(|c| c.as_os_str() == "src"))
    {
        let (mut derived, mut inside) = (false, false);
        for (number, line) in text.lines().map(str::trim).enumerate() {
            let field =
                line.split_once(": ").map(|(name, kind)| (name.rsplit(' ').next().unwrap_or(name), kind));
            match field {
                _ if line.starts_with("#[derive(") => derived = line.contains("Debug"),
                _ if line.starts_with("#[") || line.starts_with("//") => {}
                _ if line.ends_with('{') && line.contains("struct ") => {
                    inside = std::mem::take(&mut derived);
                    structs += u32::from(inside);
                }
                Some((name, kind)) if inside && SECRETS.contains(&name) => {
                    let shown = ["String", "Option<String>", "&"].iter().any(|clear| kind.starts_with(clear));
                    assert!(!shown, "{}:{}: {name} in a derived Debug", path.display(), number + 1);
                }
                _ if line.starts_with('}') => (derived, inside) = (false, false),
                _ => derived &= inside,
            }
        }
    }
    assert!(structs > 100, "{structs}");
}

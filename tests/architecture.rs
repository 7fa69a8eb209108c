//! The house: rooms lie above each other and are imported from above only, no files import each other, and a `mod.rs`
//! defines nothing. Read from the files' own `use` lines and paths; what stands in their tests does not count.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Rooms from the highest floor to the lowest.
const FLOORS: [&str; 26] = [
    "main",
    "lib",
    "fuzzing",
    "cli",
    "web",
    "bench",
    "charts",
    "planner",
    "runtime",
    "config",
    "registry",
    "source",
    "sink",
    "schemes",
    "tables",
    "subtasks",
    "expressions",
    "format",
    "mqtt",
    "data",
    "measure",
    "kernels",
    "disk",
    "pool",
    "proc",
    "inlined_schema",
];

/// The text of each module of `src` by its path, such as `data::message`; of a room by its name.
type Modules = BTreeMap<String, String>;

fn modules() -> Modules {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut modules = Modules::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let within = path.strip_prefix(&root).unwrap().with_extension("");
                let mut parts: Vec<&str> = within.iter().map(|part| part.to_str().unwrap()).collect();
                parts.pop_if(|last| *last == "mod");
                modules.insert(parts.join("::"), without_tests(&std::fs::read_to_string(path).unwrap()));
            }
        }
    }
    modules
}

/// Without the test module, which is the last one, and without comments.
fn without_tests(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect()
}

/// The paths that a file names: those of its `use` lines, their groups taken apart, and those in its code.
fn paths(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for statement in text.split(';') {
        let start = statement.rfind("\nuse ").or_else(|| statement.rfind(" use ")).or(statement.rfind("\npub use "));
        if let Some(body) = start.and_then(|start| statement[start..].split_once("use ")) {
            expand("", body.1, &mut found);
        }
    }
    for root in ["crate::", "super::"] {
        for (at, _) in text.match_indices(root) {
            let starts = !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
            let end = text[at..].find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').unwrap_or(0);
            if starts {
                found.push(text[at..at + end].trim_end_matches(':').to_owned());
            }
        }
    }
    found
}

/// `a::{b, c::{d, e}}` as `a::b`, `a::c::d`, `a::c::e`.
fn expand(prefix: &str, body: &str, found: &mut Vec<String>) {
    let body = body.trim();
    let Some((head, group)) = body.split_once('{') else {
        let name = body.split(" as ").next().unwrap();
        return found.push(format!("{prefix}{name}").trim_end_matches("::self").to_owned());
    };
    let prefix = format!("{prefix}{}", head.trim());
    let group = group.trim_end().strip_suffix('}').unwrap_or(group);
    let (mut depth, mut from) = (0, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                expand(&prefix, &group[from..at], found);
                from = at + 1;
            }
            _ => {}
        }
    }
    if !group[from..].trim().is_empty() {
        expand(&prefix, &group[from..], found);
    }
}

/// The path from the crate's root, seen from a module.
fn absolute(modules: &Modules, from: &str, path: &str) -> Vec<String> {
    let mut at: Vec<String> = from.split("::").map(str::to_owned).collect();
    let mut parts = path.split("::").peekable();
    match parts.peek().copied() {
        Some("crate") => {
            at.clear();
            parts.next();
        }
        Some("self") => {
            parts.next();
        }
        Some("super") => {
            while parts.next_if_eq(&"super").is_some() {
                at.pop();
            }
        }
        // A child, as a `mod.rs` names it, or another crate.
        Some(name) if !modules.contains_key(&format!("{from}::{name}")) => return Vec::new(),
        _ => {}
    }
    at.extend(parts.map(str::to_owned));
    at
}

/// The module that a path leads to: of a name that a room re-exports, the file that defines it.
fn target(modules: &Modules, path: &[String]) -> Option<String> {
    followed(modules, path, &mut BTreeSet::new())
}

/// A room that re-exports what its file takes from the room leads back: each path is followed once.
fn followed(modules: &Modules, path: &[String], seen: &mut BTreeSet<Vec<String>>) -> Option<String> {
    let longest = (1..=path.len()).rev().find(|length| modules.contains_key(&path[..*length].join("::")))?;
    let module = path[..longest].join("::");
    let Some(name) = path.get(longest) else { return Some(module) };
    for exported in paths(&modules[&module]) {
        let leads = absolute(modules, &module, &exported);
        if leads.last() == Some(name) && leads.len() > 1 && leads[..] != path[..=longest] && seen.insert(leads.clone())
        {
            return followed(modules, &leads, seen);
        }
    }
    Some(module)
}

/// For each module, those that it imports; a room's own text only re-exports.
fn imports(modules: &Modules) -> BTreeMap<&str, BTreeSet<String>> {
    let of = |(name, text): (&'_ String, &String)| -> BTreeSet<String> {
        let targets = paths(text).into_iter().filter_map(|path| target(modules, &absolute(modules, name, &path)));
        targets.filter(|target| target != name).collect()
    };
    modules.iter().map(|entry| (entry.0.as_str(), of(entry))).collect()
}

fn floor(module: &str) -> usize {
    let room = module.split("::").next().unwrap();
    FLOORS.iter().position(|floor| *floor == room).unwrap_or_else(|| panic!("{room} has no floor: add it to FLOORS"))
}

/// What goes against the order of the floors.
fn upward(modules: &Modules) -> Vec<String> {
    let all = imports(modules);
    let pairs = all.iter().flat_map(|(from, to)| to.iter().map(move |to| (from, to)));
    pairs.filter(|(from, to)| floor(to) < floor(from)).map(|(from, to)| format!("{from} imports {to}")).collect()
}

/// The first circle of files, if there is one. A room and its files are no circle: it only re-exports.
fn circle(modules: &Modules) -> Option<Vec<String>> {
    let all = imports(modules);
    let is_file = |name: &str| !modules.keys().any(|other| other.starts_with(&format!("{name}::")));
    let (mut done, mut path) = (BTreeSet::new(), Vec::new());
    fn visit(
        name: &str,
        all: &BTreeMap<&str, BTreeSet<String>>,
        is_file: &dyn Fn(&str) -> bool,
        done: &mut BTreeSet<String>,
        path: &mut Vec<String>,
    ) -> Option<Vec<String>> {
        if let Some(at) = path.iter().position(|before| before == name) {
            return Some(path[at..].to_vec());
        }
        if !is_file(name) || !done.insert(name.to_owned()) {
            return None;
        }
        path.push(name.to_owned());
        let found = all[name].iter().find_map(|next| visit(next, all, is_file, done, path));
        path.pop();
        found
    }
    modules.keys().find_map(|name| visit(name, &all, &is_file, &mut done, &mut path))
}

#[test]
fn rooms_are_imported_from_above_only() {
    assert_eq!(upward(&modules()), Vec::<String>::new());
}

#[test]
fn no_files_import_each_other() {
    assert_eq!(circle(&modules()), None);
}

#[test]
fn a_planted_upward_import_and_a_planted_circle_are_found() {
    let mut planted = modules();
    planted.get_mut("kernels::moments").unwrap().push_str("\nuse crate::{data::{Message}, pool};\n");
    assert_eq!(upward(&planted), ["kernels::moments imports data::message"]);
    let mut planted = modules();
    planted.get_mut("measure::report").unwrap().push_str("\nuse super::written::WrittenReport;\n");
    planted.get_mut("measure::written").unwrap().push_str("\nuse crate::measure::Report;\n");
    let found = circle(&planted).unwrap();
    assert_eq!(found, ["measure::report", "measure::written"]);
}

#[test]
fn a_room_re_exports_and_defines_nothing() {
    let defines = |line: &&str| {
        let line = line.strip_prefix("pub(crate) ").or(line.strip_prefix("pub ")).unwrap_or(line);
        ["fn ", "struct ", "enum ", "trait ", "const ", "static ", "impl", "type "]
            .iter()
            .any(|kind| line.starts_with(kind))
    };
    let all = modules();
    let rooms = all.iter().filter(|(name, _)| all.keys().any(|other| other.starts_with(&format!("{name}::"))));
    // Test rigs are no rooms.
    let rooms = rooms.filter(|(name, _)| !["fuzzing", "runtime::simulation"].contains(&name.as_str()));
    let defining: Vec<&str> =
        rooms.filter(|(_, text)| text.lines().any(|line| defines(&line))).map(|(name, _)| name.as_str()).collect();
    assert_eq!(defining, [] as [&str; 0]);
}

/// The types that more than one module defines, with the modules. A room's own `Error` is told by its path.
fn doubled(modules: &Modules) -> Vec<String> {
    let mut defined: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (module, text) in modules {
        for line in text.lines() {
            let item = line.trim_start();
            let item = item.split_once("pub").filter(|(before, _)| before.is_empty()).map_or(item, |(_, behind)| {
                behind.trim_start_matches(|c: char| c == '(' || c == ')' || c.is_lowercase()).trim_start()
            });
            // An indented `type` belongs to a trait or to what implements one.
            let kinds = ["struct ", "enum ", "trait ", if line.starts_with(' ') { "struct " } else { "type " }];
            let Some(name) = kinds.iter().find_map(|kind| item.strip_prefix(kind)) else { continue };
            let name = name.split(|c: char| !c.is_alphanumeric()).next().unwrap();
            if name != "Error" {
                defined.entry(name).or_default().push(module);
            }
        }
    }
    defined.retain(|_, modules| modules.len() > 1);
    defined.iter().map(|(name, modules)| format!("{name}: {}", modules.join(", "))).collect()
}

#[test]
fn no_two_types_have_one_name() {
    assert_eq!(doubled(&modules()), [] as [String; 0]);
    let mut planted = modules();
    planted.get_mut("mqtt::password").unwrap().push_str("\npub(super) struct Message {\n");
    assert_eq!(doubled(&planted), ["Message: data::message, mqtt::password"]);
}

/// What a library leaves to the program that it is part of.
const OF_THE_PROGRAM: [(&str, &[&str]); 4] = [
    ("the process's end", &["process::exit", "low_level::exit", "process::abort"]),
    ("the panic hook", &["set_hook", "take_hook"]),
    ("the environment", &["env::var", "env::set_var", "env::remove_var", "env::args"]),
    ("the working directory", &["set_current_dir", "current_dir()"]),
];

/// Who touches what is the program's, by what they touch; those of the command line are left out if asked.
fn touching(modules: &Modules, what: &[&str], below: bool) -> Vec<String> {
    let touches = |text: &str| what.iter().any(|word| text.contains(word));
    let counted = |name: &str| !below || !(name.starts_with("cli::") || name == "runtime::simulation");
    modules.iter().filter(|(name, text)| counted(name) && touches(text)).map(|(name, _)| name.clone()).collect()
}

#[test]
fn only_the_command_line_touches_what_is_the_programs() {
    let all = modules();
    for (what, words) in OF_THE_PROGRAM {
        assert_eq!(touching(&all, words, true), [] as [String; 0], "{what}");
        assert!(!touching(&all, words, false).is_empty(), "nobody touches {what}: are {words:?} its words?");
    }
    let mut planted = modules();
    planted.get_mut("mqtt::password").unwrap().push_str("\nlet read = std::env::var(name);\n");
    assert_eq!(touching(&planted, OF_THE_PROGRAM[2].1, true), ["mqtt::password"]);
}

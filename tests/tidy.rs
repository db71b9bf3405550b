//! Invariants of the repository that no compiler checks: what may import what, that each file
//! says what it is for, and that none grows past its name.

#![expect(clippy::unwrap_used, reason = "a read that fails fails the test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Most lines of production code (inline tests left out) in one file.
const MAX_LINES: usize = 600;

/// Which module of `src/` may name which others as `crate::…`. `*` is every one. A module that
/// has no row here fails; nothing may name `app`.
const LAYERS: &[(&str, &str)] = &[
    ("model", ""),
    ("runtime", "model"),
    ("config", "model"),
    ("certificates", "config runtime"),
    ("acme", "certificates config model runtime"),
    ("store", "config model runtime"),
    ("cgroup", "config"),
    ("audit", "config model runtime store"),
    ("templates", "config model runtime"),
    ("agent", "model runtime"),
    (
        "launcher",
        "acme agent audit certificates cgroup config model relay runtime store templates",
    ),
    ("listen", "certificates config model runtime"),
    ("bridge", "model runtime"),
    ("auth", "config launcher model runtime store"),
    ("desktop", "bridge config launcher model runtime"),
    ("metrics", "bridge launcher model"),
    (
        "route",
        "auth bridge certificates config desktop launcher listen metrics model runtime store templates",
    ),
    ("websockify", "bridge certificates listen model runtime"),
    ("relay", "bridge runtime websockify"),
    (
        "cli",
        "acme audit certificates cgroup config launcher model runtime store templates websockify",
    ),
    ("app", "*"),
];

/// Crates whose walls hold something: no I/O in `rfb`, nothing of ours in either.
const NO_OWN_CRATES: &[&str] = &["crates/rfb", "crates/osuser"];

#[test]
fn every_file_opens_with_what_it_is_for() {
    let mut bad = rust_files();
    bad.retain(|path| !read(path).starts_with("//!"));
    assert!(bad.is_empty(), "these do not open with `//!`: {bad:#?}");
}

#[test]
fn no_file_grows_past_its_name() {
    let mut bad = rust_files();
    bad.extend(files_under(&root().join("web/src")));
    bad.extend(files_under(&root().join("tests/e2e")));
    bad.retain(|path| production(&read(path)).lines().count() > MAX_LINES);
    assert!(
        bad.is_empty(),
        "over {MAX_LINES} lines, split by purpose: {bad:#?}"
    );
}

#[test]
fn imports_go_down_the_layers_only() {
    let mut bad = BTreeSet::new();
    for (module, allowed) in LAYERS.iter().filter(|(_, allowed)| *allowed != "*") {
        for path in files_under(&root().join("src").join(module)) {
            for used in names_after(&production(&read(&path)), "crate::") {
                if used != *module && !allowed.split(' ').any(|it| it == used) {
                    bad.insert(format!("{} names crate::{used}", path.display()));
                }
            }
        }
    }
    assert!(bad.is_empty(), "against LAYERS in tests/tidy.rs: {bad:#?}");
}

#[test]
fn every_module_of_src_has_its_row() {
    let rows: BTreeSet<_> = LAYERS
        .iter()
        .map(|(module, _)| (*module).to_owned())
        .collect();
    let folders: BTreeSet<_> = fs::read_dir(root().join("src"))
        .unwrap()
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().unwrap().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    assert_eq!(rows, folders);
}

#[test]
fn no_path_leaves_its_module_upwards_twice() {
    let mut bad = rust_files();
    bad.retain(|path| production(&read(path)).contains(&"super::".repeat(2)));
    assert!(
        bad.is_empty(),
        "two `super` in a row hide a direction: {bad:#?}"
    );
}

#[test]
fn the_crates_know_nothing_of_ours_and_rfb_does_no_io() {
    for name in NO_OWN_CRATES {
        let manifest = read(&root().join(name).join("Cargo.toml"));
        let dependencies = manifest.split("dependencies]").skip(1).collect::<String>();
        assert!(
            !dependencies.contains("deskway"),
            "{name} depends on a crate of ours"
        );
        if name.ends_with("rfb") {
            for io in ["tokio", "mio", "rustix", "socket2"] {
                assert!(!dependencies.contains(io), "{name} depends on {io}");
            }
        }
    }
}

#[test]
fn unsafe_code_lives_in_osuser_alone() {
    let mut bad = rust_files();
    bad.retain(|path| !path.starts_with(root().join("crates/osuser")) && lifts_unsafe(&read(path)));
    assert!(
        bad.is_empty(),
        "unsafe code belongs into crates/osuser: {bad:#?}"
    );
}

/// Whether a file lifts the lint; this file, which names it, does not.
fn lifts_unsafe(text: &str) -> bool {
    let lint = ["unsafe", "_code"].concat();
    text.lines()
        .any(|line| line.contains(&lint) && (line.contains("expect(") || line.contains("allow(")))
}

/// The name after each `prefix`; a group, `crate::{…}`, comes out empty and so is refused.
fn names_after(code: &str, prefix: &str) -> BTreeSet<String> {
    let code = code
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default());
    code.flat_map(|line| line.split(prefix).skip(1))
        .map(|rest| {
            rest.chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect()
        })
        .collect()
}

/// The text before the inline tests, which come last in a file.
fn production(text: &str) -> String {
    text.split("#[cfg(test)]\nmod ")
        .next()
        .unwrap_or_default()
        .to_owned()
}

fn rust_files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in ["src", "crates", "xtask", "tests"] {
        found.extend(files_under(&root().join(folder)));
    }
    found.retain(|path| path.extension().is_some_and(|it| it == "rs"));
    found
}

fn files_under(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for path in entries.map(|entry| entry.unwrap().path()) {
        let text = ["rs", "ts", "mjs", "svelte", "css", "html"];
        if path.is_dir() && !path.ends_with("node_modules") && !path.ends_with("results") {
            found.extend(files_under(&path));
        } else if path
            .extension()
            .is_some_and(|it| text.iter().any(|text| it == *text))
        {
            found.push(path);
        }
    }
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

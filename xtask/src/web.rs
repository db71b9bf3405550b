//! Building the pages: node, npm, and whether anything has changed.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context as _, Result};

use crate::machine;
use crate::run;

/// The smallest node that Vite runs on, and where it comes from when the machine's is older.
const NODE: (u32, u32) = (20, 19);
const NODE_PACKAGE: &str = "node@22";

/// Builds `web/dist`, unless it is newer than everything that it is made of.
pub(crate) fn build() -> Result<()> {
    let web = run::root().join("web");
    let built = newest(&[&web.join("dist/.vite/manifest.json")]);
    let sources = [
        "src",
        "public",
        "package-lock.json",
        "vite.config.ts",
        "package.json",
    ];
    let sources: Vec<PathBuf> = sources.iter().map(|name| web.join(name)).collect();
    let sources: Vec<&Path> = sources.iter().map(PathBuf::as_path).collect();
    if built.is_some() && built > newest(&sources) {
        return Ok(());
    }
    install(&web)?;
    script(&web, "build")
}

/// Installs what `package-lock.json` in `folder` names, unless that is what is there.
pub(crate) fn install(folder: &Path) -> Result<()> {
    let installed = newest(&[&folder.join("node_modules/.package-lock.json")]);
    if installed.is_some() && installed >= newest(&[&folder.join("package-lock.json")]) {
        return Ok(());
    }
    npm(folder, &["ci", "--no-audit", "--no-fund"])
}

/// Runs one of the scripts of `folder/package.json`.
pub(crate) fn script(folder: &Path, name: &str) -> Result<()> {
    npm(folder, &["run", "--silent", name])
}

fn npm(folder: &Path, arguments: &[&str]) -> Result<()> {
    let path = path_with_node()?;
    run::note(&format!(
        "$ npm {} (in {})",
        arguments.join(" "),
        folder.display()
    ));
    let mut command = Command::new("npm");
    command
        .args(arguments)
        .current_dir(folder)
        .env("PATH", path)
        .stdout(std::io::stderr());
    run::finish(&mut command)
}

/// `PATH` with a node that is new enough first: the machine's, else one from npm itself.
pub(crate) fn path_with_node() -> Result<OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if node_version().is_some_and(|version| version >= NODE) {
        return Ok(path);
    }
    if node_version().is_none() {
        machine::ensure(&["nodejs", "npm"])?;
    }
    let own = run::target().join("node");
    let bin = own.join("node_modules/node/bin");
    if !bin.join("node").exists() {
        run::note(&format!(
            "This machine's node is too old for Vite: taking {NODE_PACKAGE} by npm"
        ));
        fs::create_dir_all(&own)?;
        let mut command = Command::new("npm");
        command
            .args(["install", "--no-audit", "--no-fund", "--prefix"])
            .arg(&own)
            .arg(NODE_PACKAGE);
        run::finish(command.stdout(std::io::stderr()))?;
    }
    let parts = std::iter::once(bin).chain(std::env::split_paths(&path));
    std::env::join_paths(parts).context("PATH cannot be extended")
}

fn node_version() -> Option<(u32, u32)> {
    let text = run::output(Command::new("node").arg("--version"))?;
    let mut parts = text.trim().strip_prefix('v')?.split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

/// When the newest file of these, and of what is below them, was written.
fn newest(paths: &[&Path]) -> Option<SystemTime> {
    paths.iter().filter_map(|path| newest_below(path)).max()
}

fn newest_below(path: &Path) -> Option<SystemTime> {
    let meta = fs::metadata(path).ok()?;
    if !meta.is_dir() {
        return meta.modified().ok();
    }
    let entries = fs::read_dir(path).ok()?;
    entries
        .filter_map(|entry| newest_below(&entry.ok()?.path()))
        .max()
}

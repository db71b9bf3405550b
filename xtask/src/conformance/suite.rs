//! The Autobahn|Testsuite: finding a Python for it, installing it below `target/`, running it.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::run;

/// It runs on Python 2.7 alone, and its authors have no plans for another.
const PACKAGE: &str = "autobahntestsuite==25.10.1";

/// What it makes of a case that is as it should be. `NON-STRICT`: what the RFC leaves open, done
/// another way than the suite would.
const FINE: &[&str] = &["OK", "NON-STRICT", "INFORMATIONAL"];

/// What the server on the other side echoes.
#[derive(Clone, Copy)]
pub(super) enum Mode {
    Messages,
    Stream,
}

impl Mode {
    fn name(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Stream => "stream",
        }
    }
}

/// The suite, installed.
pub(super) struct Suite {
    python: PathBuf,
    folder: PathBuf,
}

/// One run's cases.
pub(super) struct Outcome {
    pub(super) cases: Vec<Case>,
}

pub(super) struct Case {
    number: String,
    behaviour: String,
    /// What it makes of the way the connection closed.
    close: String,
}

impl Suite {
    /// Installs it where that has not been done.
    pub(super) fn find() -> Result<Self> {
        let python = python()?;
        let folder = run::target().join("autobahn");
        let suite = Self { python, folder };
        if !suite.packages().join("autobahntestsuite").is_dir() {
            suite.install()?;
        }
        Ok(suite)
    }

    fn packages(&self) -> PathBuf {
        self.folder.join("packages")
    }

    fn install(&self) -> Result<()> {
        // What is half installed must not be taken for whole.
        let fresh = self.folder.join("packages.new");
        if fresh.exists() {
            fs::remove_dir_all(&fresh)?;
        }
        let mut pip = Command::new(&self.python);
        pip.args(["-m", "pip", "install", "--quiet", "--target"]);
        pip.arg(&fresh).arg(PACKAGE).stdout(std::io::stderr());
        run::run(&mut pip).context("the Autobahn|Testsuite cannot be installed")?;
        fs::rename(&fresh, self.packages())?;
        Ok(())
    }

    /// Runs these cases against the server on that port of 127.0.0.1.
    pub(super) fn run(&self, port: u16, mode: Mode, cases: &[&str]) -> Result<Outcome> {
        let mut command = Command::new(&self.python);
        command.arg(run::root().join("tests/autobahn/suite.py"));
        command.arg(self.packages());
        command.arg(format!("ws://127.0.0.1:{port}/websockify"));
        command.arg(mode.name());
        command.arg(self.folder.join(mode.name()));
        command.args(cases).stdin(Stdio::null());
        run::note(&format!("$ {command:?}"));
        let output = command.output().context("cannot run the suite")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let cases: Vec<Case> = text.lines().filter_map(Case::read).collect();
        if !output.status.success() || cases.is_empty() {
            let errors = String::from_utf8_lossy(&output.stderr);
            bail!("the suite ended with {}:\n{text}{errors}", output.status);
        }
        Ok(Outcome { cases })
    }
}

/// A Python 2.7: the one that `PYTHON27` names, or `python2.7` on the path, or pyenv's.
fn python() -> Result<PathBuf> {
    let mut candidates = Vec::new();
    candidates.extend(std::env::var_os("PYTHON27").map(PathBuf::from));
    candidates.push("python2.7".into());
    if let Some(home) = std::env::var_os("HOME")
        && let Ok(versions) = fs::read_dir(PathBuf::from(home).join(".pyenv/versions"))
    {
        let versions = versions.flatten().map(|entry| entry.path());
        candidates.extend(versions.map(|version| version.join("bin/python2.7")));
    }
    let works =
        |python: &PathBuf| run::output(Command::new(python).args(["-m", "pip", "--version"]));
    let found = candidates.into_iter().find(|it| works(it).is_some());
    found.context(
        "the Autobahn|Testsuite needs Python 2.7 with pip, which Debian 12 has no package of: \
         install it with pyenv (`pyenv install 2.7.18`), or name one in PYTHON27",
    )
}

impl Case {
    /// `case NUMBER | BEHAVIOUR | CLOSE`, as `suite.py` prints it.
    fn read(line: &str) -> Option<Self> {
        let mut parts = line.strip_prefix("case ")?.split(" | ");
        let mut part = || parts.next().map(str::to_owned);
        Some(Self {
            number: part()?,
            behaviour: part()?,
            close: part()?,
        })
    }
}

impl Outcome {
    pub(super) fn count(&self, verdict: &str) -> usize {
        let cases = self.cases.iter();
        cases.filter(|case| case.behaviour == verdict).count()
    }

    /// What failed, each with what it failed in.
    pub(super) fn failed(&self) -> Vec<String> {
        let is_fine = |verdict: &str| FINE.contains(&verdict);
        let wrong = |case: &&Case| !is_fine(&case.behaviour) || !is_fine(&case.close);
        let failed = self.cases.iter().filter(wrong);
        failed
            .map(|case| format!("{} ({}, close {})", case.number, case.behaviour, case.close))
            .collect()
    }
}

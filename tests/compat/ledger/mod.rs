//! Which program is under test, and what the original is known to do differently.

use std::env;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use crate::harness::with_patience;

mod known;
use known::KNOWN;

/// How long a case that the original fails waits for what will not come.
const SHORT_PATIENCE: Duration = Duration::from_secs(5);

/// A case: a test whose verdict depends on the program under test.
macro_rules! case {
    ($name:ident, $body:expr) => {
        #[test]
        fn $name() {
            $crate::ledger::judge(stringify!($name), $body);
        }
    };
}
pub(crate) use case;

/// What is under test.
#[derive(Clone, Debug)]
pub(crate) enum Program {
    Ours,
    Theirs(PathBuf),
}

/// Which of the originals fail a case that ours passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    /// All of them.
    Always,
    /// 0.10, which Debian has; 0.13 passes.
    Old,
    /// 0.13; 0.10 passes.
    New,
}

/// A case that the original fails.
pub(crate) struct Known {
    pub case: &'static str,
    pub fails: Since,
    /// What the original does.
    pub theirs: &'static str,
}

impl Program {
    pub(crate) fn under_test() -> Self {
        match env::var("UNDER_TEST").as_deref() {
            Ok("theirs") => {
                let path = env::var_os("THEIRS").unwrap_or_else(|| "/usr/bin/websockify".into());
                Self::Theirs(path.into())
            }
            Ok("ours") | Err(_) => Self::Ours,
            Ok(other) => panic!("UNDER_TEST is `ours` or `theirs`, not `{other}`"),
        }
    }
}

/// Whether the original under test is as new as 0.13: it knows `--unix-listen`.
static IS_NEW: LazyLock<bool> = LazyLock::new(|| {
    let Program::Theirs(path) = Program::under_test() else {
        panic!("asked of the original alone");
    };
    let help = Command::new(&path).arg("--help").output().unwrap();
    String::from_utf8_lossy(&help.stdout).contains("--unix-listen")
});

/// Runs a case. Ours must pass it; the original must too, unless the ledger says that it fails,
/// and then it must fail.
pub(crate) fn judge(case: &str, body: impl FnOnce()) {
    let Program::Theirs(path) = Program::under_test() else {
        return body();
    };
    let known = KNOWN.iter().find(|known| {
        known.case == case
            && match known.fails {
                Since::Always => true,
                Since::Old => !*IS_NEW,
                Since::New => *IS_NEW,
            }
    });
    let Some(known) = known else {
        return body();
    };
    let verdict = catch_unwind(AssertUnwindSafe(|| with_patience(SHORT_PATIENCE, body)));
    assert!(
        verdict.is_err(),
        "{} passes `{case}`, of which the ledger says: {}",
        path.display(),
        known.theirs
    );
}

/// Each row's first cell of the table in `docs/compat.md` is a case of the ledger and the other
/// way round, and each is a test.
#[test]
fn the_documents_and_the_ledger_name_the_same_cases() {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/compat.md");
    let document = std::fs::read_to_string(document).unwrap();
    let told: Vec<&str> = document
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|line| line.split_once('`'))
        .map(|(name, _)| name)
        .filter(|name| {
            name.contains('_') && !name.contains(|c| !matches!(c, 'a'..='z' | '0'..='9' | '_'))
        })
        .collect();
    let known: Vec<&str> = KNOWN.iter().map(|known| known.case).collect();
    let tests = Command::new(env::current_exe().unwrap())
        .arg("--list")
        .output()
        .unwrap();
    let tests = String::from_utf8(tests.stdout).unwrap();
    let mut wrong = String::new();
    for case in &known {
        if !told.contains(case) {
            writeln!(wrong, "docs/compat.md does not tell of {case}").unwrap();
        }
        if !tests.contains(&format!("::{case}: test\n")) {
            writeln!(wrong, "no test is named {case}").unwrap();
        }
    }
    for case in &told {
        if !known.contains(case) {
            writeln!(wrong, "the ledger does not know {case}").unwrap();
        }
    }
    assert_eq!(told.len(), known.len(), "{wrong}");
    assert!(wrong.is_empty(), "{wrong}");
}

//! Programs that tests write and have run. `tests/` takes this file too.

use std::path::Path;
use std::process::Command;

/// Writes `text` to `path` as an executable file.
///
/// Another process writes it: a child that some other test forks meanwhile would hold a file of
/// this process's open for writing, and the kernel runs no such file (`ETXTBSY`).
pub(crate) fn write_script(path: &Path, text: &str) {
    let status = Command::new("sh")
        .args(["-c", r#"printf '%s\n' "$1" >"$2" && chmod 755 "$2""#, "sh"])
        .arg(text)
        .arg(path)
        .status();
    assert!(
        status.unwrap().success(),
        "{} was not written",
        path.display()
    );
}

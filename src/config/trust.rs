//! Whose files are believed: what others may replace or change could say anything, or lead to
//! what they may not read themselves.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Why a file or directory of the administrator's is not believed, and what to do about it. Root
/// believes what is root's, an ordinary user also what is their own, if nobody else may write it.
///
/// `found` is what the opened descriptor says, so that nothing can be swapped in between.
pub fn distrust(found: &Metadata, path: &Path) -> Option<String> {
    let own = rustix::process::geteuid().as_raw();
    let (owner, path) = (found.uid(), path.display());
    if owner != 0 && owner != own {
        return Some(format!(
            "it belongs to uid {owner}, who could put anything there: run `chown {own} {path}`"
        ));
    }
    (found.mode() & 0o022 != 0)
        .then(|| format!("others than its owner may write to it: run `chmod go-w {path}`"))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_others_own_or_may_write_is_not_believed() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path();
        let said = || distrust(&fs::metadata(path).unwrap(), path);
        assert_eq!(said(), None);
        for mode in [0o620, 0o602] {
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
            let said = said().unwrap();
            assert!(said.contains("run `chmod go-w /"), "{mode:o}: {said}");
        }
        fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(path, Some(12_345), None).unwrap();
            let said = said().unwrap();
            assert!(said.contains("uid 12345"), "{said}");
            assert!(said.contains("run `chown 0 /"), "{said}");
        }
    }
}

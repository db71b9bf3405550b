//! `UnixDomainSocketDirectory`: a directory of unix sockets; the token is a socket's path in it.

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use super::LookupError;
use super::read::{self, Turns};
use crate::websockify::Target;

pub(super) const NAME: &str = "UnixDomainSocketDirectory";

/// A directory of sockets.
pub(super) struct SocketDirectory {
    directory: PathBuf,
    turns: Turns,
}

impl SocketDirectory {
    pub(super) fn new(source: &str) -> Self {
        Self {
            directory: read::place(source),
            turns: Turns::at_disk(),
        }
    }

    pub(super) async fn lookup(&self, token: &str) -> Result<Option<Target>, LookupError> {
        let (directory, token) = (self.directory.clone(), token.to_owned());
        let work = move || socket_below(&directory, &token);
        let socket = self.turns.aside(work, NAME).await?;
        Ok(socket.ok().flatten().map(Target::Unix))
    }
}

/// The socket's real path, with no link left in it that could be turned elsewhere afterwards.
/// `None` when it is no socket, or outside of the directory, by whatever way the token leads there.
fn socket_below(directory: &Path, token: &str) -> io::Result<Option<PathBuf>> {
    let directory = fs::canonicalize(directory)?;
    let path = fs::canonicalize(directory.join(token))?;
    let is_socket = fs::symlink_metadata(&path)?.file_type().is_socket();
    Ok((is_socket && path.starts_with(&directory)).then_some(path))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use tempfile::tempdir;

    use super::*;

    #[tokio::test]
    async fn a_token_leads_to_a_socket_in_the_directory_and_nowhere_else() {
        let outside = tempdir().unwrap();
        let root = outside.path().canonicalize().unwrap();
        let sockets = root.join("sockets");
        let similar = root.join("sockets-of-another");
        fs::create_dir_all(sockets.join("deeper")).unwrap();
        fs::create_dir(&similar).unwrap();
        let bind = |path: &Path| UnixListener::bind(path).unwrap();
        let _listening = [
            bind(&sockets.join("vm1")),
            bind(&sockets.join("deeper/vm2")),
            bind(&root.join("out")),
            bind(&similar.join("vm3")),
        ];
        fs::write(sockets.join("file"), "").unwrap();
        symlink(root.join("out"), sockets.join("link-out")).unwrap();
        symlink(&root, sockets.join("up")).unwrap();
        symlink("vm1", sockets.join("link-in")).unwrap();
        let plugin = SocketDirectory::new(sockets.to_str().unwrap());

        let whole = sockets.join("vm1").to_str().unwrap().to_owned();
        for (token, socket) in [
            ("vm1", "vm1"),
            ("deeper/vm2", "deeper/vm2"),
            ("deeper/../vm1", "vm1"),
            ("link-in", "vm1"),
            (whole.as_str(), "vm1"),
        ] {
            assert_eq!(
                plugin.lookup(token).await.unwrap(),
                Some(Target::Unix(sockets.join(socket))),
                "{token}"
            );
        }
        let absolute = root.join("out").to_str().unwrap().to_owned();
        for token in [
            "none",
            "file",
            "deeper",
            ".",
            "../out",
            "../sockets-of-another/vm3",
            "link-out",
            "up/out",
            absolute.as_str(),
        ] {
            assert_eq!(plugin.lookup(token).await.unwrap(), None, "{token}");
        }
    }

    #[tokio::test]
    async fn a_directory_that_is_not_there_holds_no_socket() {
        let plugin = SocketDirectory::new("/nowhere");
        assert_eq!(plugin.lookup("vm1").await.unwrap(), None);
    }
}

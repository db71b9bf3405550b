//! What the machine boots: a kernel, and a root filesystem that lives in memory. Making it takes
//! most of a minute, so it is kept until what it is made of changes.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use crate::run;

/// Debian packages in the machine.
const PACKAGES: &[&str] = &[
    "dbus",
    "kmod",
    "libpam-systemd",
    "passwd",
    "procps",
    "systemd",
    "systemd-sysv",
    "tigervnc-standalone-server",
    "xterm",
];
/// The one that stands for the newest kernel.
const KERNEL: &str = "linux-image-cloud-amd64";
/// What makes both in the working directory.
const SCRIPT: &str = include_str!("image.sh");

/// A kernel and a root filesystem.
pub(super) struct Image {
    pub(super) folder: PathBuf,
}

impl Image {
    /// The one in a folder, made when it is not there or was made of other things.
    pub(super) fn ready(folder: &Path) -> Result<Self> {
        let image = Self {
            folder: folder.to_path_buf(),
        };
        // The program is linked with this machine's libraries: another Debian's do not do.
        let debian = fs::read_to_string("/etc/os-release").unwrap_or_default();
        let made_of = format!("{KERNEL} {}\n{SCRIPT}{debian}", PACKAGES.join(","));
        let note = folder.join("made-of");
        if fs::read_to_string(&note).is_ok_and(|was| was == made_of) {
            return Ok(image);
        }
        run::note("Making the test machine's root filesystem (once)");
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        fs::create_dir_all(folder)?;
        let mut make = Command::new("sh");
        make.arg(run::root().join("xtask/src/guest/image.sh"));
        make.args([&PACKAGES.join(","), KERNEL]);
        make.current_dir(folder).stdin(Stdio::null());
        make.stdout(io::stderr());
        run::finish(&mut make).context("the test machine cannot be made")?;
        fs::write(note, made_of)?;
        Ok(image)
    }

    pub(super) fn kernel(&self) -> PathBuf {
        self.folder.join("kernel")
    }

    /// The root filesystem with a folder's files in it. The kernel unpacks archives one after the
    /// other, so the first can stay as it is.
    pub(super) fn with(&self, payload: &Path) -> Result<PathBuf> {
        let initrd = self.folder.join("initrd");
        fs::copy(self.folder.join("root.cpio"), &initrd)?;
        let mut pack = Command::new("sh");
        pack.args(["-c", "find . | cpio --quiet -o -H newc -R 0:0"]);
        pack.stdout(File::options().append(true).open(&initrd)?);
        run::finish(pack.current_dir(payload).stdin(Stdio::null()))?;
        Ok(initrd)
    }
}

//! The throwaway account whose desktops all of them are.

use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// Away with its home when dropped.
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) password: String,
    pub(crate) uid: u32,
}

impl Account {
    pub(crate) fn make() -> Result<Self> {
        let name = format!("dwt-scale-{}", std::process::id());
        run(Command::new("useradd").args(["--create-home", "--shell", "/bin/sh", &name]))?;
        let mut account = Self {
            // For loopback alone, and as long as this program runs.
            password: format!(
                "scale-{}-{:?}",
                std::process::id(),
                std::time::Instant::now()
            )
            .replace(|c: char| !c.is_ascii_alphanumeric(), "-"),
            name,
            uid: 0,
        };
        let mut chpasswd = Command::new("chpasswd");
        let mut chpasswd = chpasswd.stdin(Stdio::piped()).spawn()?;
        let mut input = chpasswd.stdin.take().context("no standard input")?;
        writeln!(input, "{}:{}", account.name, account.password)?;
        drop(input);
        if !chpasswd.wait()?.success() {
            bail!("chpasswd failed");
        }
        let id = Command::new("id").args(["-u", &account.name]).output()?;
        account.uid = String::from_utf8_lossy(&id.stdout).trim().parse()?;
        Ok(account)
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let mut userdel = Command::new("userdel");
        userdel.args(["--remove", "--force", &self.name]);
        if let Err(error) = run(userdel.stderr(Stdio::null())) {
            crate::note(&format!("the account {} is left: {error:#}", self.name));
        }
    }
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{command:?}"))?;
    if !status.success() {
        bail!("{command:?}: {status}");
    }
    Ok(())
}

//! Work that goes on beside the stages, by another process of this program: what it says is kept in
//! a file, and shown in one piece when it is waited for.

use std::fs::{self, File};
use std::process::Command;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::run;

pub(crate) struct Lane {
    name: &'static str,
    log: std::path::PathBuf,
    ended: Receiver<(Result<()>, Duration)>,
}

impl Lane {
    /// Begins `cargo xtask ARGUMENTS`, which is ended when it takes longer than `limit`.
    pub(crate) fn start(name: &'static str, arguments: &[&str], limit: Duration) -> Result<Self> {
        run::note(&format!("== {name}: begins beside what follows"));
        let folder = run::target().join("lanes");
        fs::create_dir_all(&folder)?;
        let log = folder.join(name.replace(' ', "-"));
        let file = File::create(&log)?;
        // Not by its path, at which another one may have been built meanwhile.
        let mut command = Command::new("/proc/self/exe");
        command.args(arguments).stdout(file.try_clone()?);
        command.stderr(file);
        let (sender, ended) = mpsc::channel();
        thread::spawn(move || {
            let since = Instant::now();
            let outcome = run::finish_within(&mut command, limit);
            // Nobody waits for it any more when a stage before that has failed.
            _ = sender.send((outcome, since.elapsed()));
        });
        Ok(Self { name, log, ended })
    }

    /// Waits for the end, and shows what it said.
    pub(crate) fn end(self) -> Result<()> {
        run::note(&format!("== {}: what it said beside the others", self.name));
        let (outcome, took) = self.ended.recv().context("its thread is gone")?;
        let said = fs::read(&self.log)?;
        run::note(String::from_utf8_lossy(&said).trim_end());
        let how = if outcome.is_ok() { "done" } else { "FAILED" };
        run::note(&format!(
            "== {}: {how} in {} s beside the others",
            self.name,
            took.as_secs()
        ));
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_says_is_kept_and_how_it_ended_is_told() {
        let limit = Duration::from_mins(1);
        // It is the program of these tests here.
        let good = Lane::start("a lane", &["--list"], limit).unwrap();
        let log = good.log.clone();
        good.end().unwrap();
        let said = fs::read_to_string(log).unwrap();
        assert!(said.contains("how_it_ended_is_told: test"), "{said}");
        let bad = Lane::start("a bad lane", &["--no-such-flag"], limit).unwrap();
        assert!(bad.end().is_err());
    }
}

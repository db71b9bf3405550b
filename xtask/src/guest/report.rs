//! How the tests in the machine went, from the lines that it says: `ok NAME`, `not ok NAME`, what
//! belongs to the latter after `# `, and `end` when all have run.

use std::time::Instant;

use anyhow::{Result, bail};

use crate::run;

pub(super) struct Report {
    /// Those that have not run yet.
    missing: Vec<String>,
    failed: Vec<String>,
    all: usize,
    is_over: bool,
    since: Instant,
}

impl Report {
    /// `names`: the tests that must run.
    pub(super) fn new(names: &[String]) -> Self {
        Self {
            missing: names.to_vec(),
            failed: Vec::new(),
            all: names.len(),
            is_over: false,
            since: Instant::now(),
        }
    }

    pub(super) fn take(&mut self, line: &str) {
        if line == "end" {
            self.is_over = true;
            return;
        }
        run::note(&format!("{:4} s  {line}", self.since.elapsed().as_secs()));
        let words = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
        if let Some(name) = line.strip_prefix("ok ").map(words) {
            self.missing.retain(|missing| *missing != name);
        } else if let Some(name) = line.strip_prefix("not ok ").map(words) {
            self.missing.retain(|missing| *missing != name);
            self.failed.push(name);
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    pub(super) fn end(self) -> Result<()> {
        if !self.failed.is_empty() {
            bail!("failed in the machine: {}", self.failed.join(", "));
        }
        if !self.missing.is_empty() {
            bail!("did not run in the machine: {}", self.missing.join(", "));
        }
        if !self.is_over {
            bail!("the machine ended before its tests did");
        }
        run::note(&format!("{} tests in the machine passed", self.all));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(lines: &[&str]) -> Result<(), String> {
        let names = ["a::one".to_owned(), "a::two".to_owned()];
        let mut report = Report::new(&names);
        for line in lines {
            report.take(line);
        }
        report.end().map_err(|error| error.to_string())
    }

    #[test]
    fn only_a_machine_in_which_all_tests_passed_is_good() {
        assert_eq!(report(&["ok a::one (3 s)", "ok a::two", "end"]), Ok(()));
        let failed = report(&["ok a::one", "not ok a::two", "# why", "end"]);
        assert!(failed.is_err_and(|error| error.contains("failed in the machine: a::two")));
        let missing = report(&["ok a::one", "end"]);
        assert!(missing.is_err_and(|error| error.contains("did not run in the machine: a::two")));
        let cut = report(&["ok a::one", "ok a::two"]);
        assert!(cut.is_err_and(|error| error.contains("ended before")));
    }
}

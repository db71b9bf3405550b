//! The figures as the table of `docs/benchmarks.md`, and whether they are as they should be.

use std::fmt;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::{Found, Pictures};

/// Of one core, with the real desktops watched.
const MOST_AT_REST: f64 = 0.005;
/// Until all desktops are listed and ready, and one can be opened.
const FIND_WITHIN: Duration = Duration::from_secs(2);
/// Until a frozen desktop's picture is there.
const PICTURE_WITHIN: Duration = Duration::from_secs(1);

/// Bytes, shares of one core, and times.
pub(crate) struct Report {
    pub(crate) real: usize,
    pub(crate) fake: usize,
    pub(crate) empty: u64,
    pub(crate) per_desktop: u64,
    pub(crate) per_real: u64,
    pub(crate) beside: u64,
    pub(crate) per_viewer: u64,
    pub(crate) at_rest: f64,
    pub(crate) pictures: Pictures,
    pub(crate) rest_of_all: f64,
    pub(crate) starts_per_second: f64,
    pub(crate) found: [Found; 2],
}

impl Report {
    /// An error when a goal is missed.
    pub(crate) fn judge(&self) -> Result<()> {
        let mut missed = Vec::new();
        if self.at_rest > MOST_AT_REST {
            missed.push("processor at rest");
        }
        if self.pictures.frozen.iter().any(|it| *it > PICTURE_WITHIN) {
            missed.push("picture of a frozen desktop");
        }
        let found = |it: &Found| it.ready.max(it.opened) <= FIND_WITHIN;
        if !self.found.iter().all(found) {
            missed.push("desktops found again");
        }
        if !missed.is_empty() {
            bail!("goals missed: {}", missed.join("; "));
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (real, fake, all) = (self.real, self.fake, self.real + self.fake);
        let row = |f: &mut fmt::Formatter<'_>, what: &str, value: &str| {
            writeln!(f, "| {what} | {value} |")
        };
        row(f, "figure", "Deskway")?;
        row(f, "---", "---")?;
        row(
            f,
            "gateway's memory without desktops (PSS)",
            &mega(self.empty),
        )?;
        row(
            f,
            &format!("… more for each of {real} real desktops"),
            &kilo(self.per_real),
        )?;
        row(
            f,
            &format!("… more for each of {all} desktops, real and fake"),
            &kilo(self.per_desktop),
        )?;
        row(
            f,
            &format!("… more for each of {real} viewers"),
            &kilo(self.per_viewer),
        )?;
        row(
            f,
            "a desktop's session child and agent (PSS)",
            &kilo(self.beside),
        )?;
        let rest = format!("{:.2} % of a core", self.at_rest * 100.0);
        row(
            f,
            &format!("gateway's processor, {real} idle desktops watched (goal ≤ 0.5 %)"),
            &rest,
        )?;
        row(
            f,
            "first picture (goal for a frozen one ≤ 1 s)",
            &self.pictures.to_string(),
        )?;
        let rest = format!("{:.2} % of a core", self.rest_of_all * 100.0);
        row(f, &format!("the same, {all} desktops and no viewer"), &rest)?;
        row(
            f,
            "desktops started a second",
            &format!("{:.1}", self.starts_per_second),
        )?;
        for (which, found) in ["first", "second"].into_iter().zip(self.found) {
            let what = format!(
                "front and launcher killed, {real} + {fake} desktops, {which} time (goal ≤ 2 s)"
            );
            row(f, &what, &found.to_string())?;
        }
        Ok(())
    }
}

fn kilo(bytes: u64) -> String {
    format!("{}.{} kB", bytes / 1000, bytes % 1000 / 100)
}

fn mega(bytes: u64) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_that_is_missed_is_an_error() {
        let seconds = Duration::from_secs;
        let found = |listed, opened| Found {
            listed: seconds(listed),
            ready: seconds(listed),
            opened: seconds(opened),
        };
        let mut report = Report {
            real: 50,
            fake: 2000,
            empty: 0,
            per_desktop: 0,
            per_real: 0,
            beside: 0,
            per_viewer: 0,
            at_rest: 0.005,
            rest_of_all: 1.0,
            starts_per_second: 0.0,
            pictures: Pictures {
                running: [seconds(3); 2],
                frozen: [seconds(0), seconds(1)],
            },
            found: [found(2, 1), found(1, 2)],
        };
        assert!(report.judge().is_ok());
        report.found[1] = found(1, 3);
        report.at_rest = 0.006;
        report.pictures.frozen[1] = seconds(2);
        let error = report.judge().unwrap_err().to_string();
        let all = ["rest", "found", "picture"];
        assert!(all.iter().all(|it| error.contains(it)), "{error}");
    }
}

//! wrk, the generator of load for both: two threads, as many as there are workers in each server.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

const THREADS: &str = "-t2";
const CONNECTIONS: &str = "-c32";
/// Longer than any measurement.
const LONG: &str = "-d600s";

/// Answers per second, on connections that are kept.
pub(crate) fn pages(scheme: &str, port: u16, path: &str, span: Duration) -> Result<f64> {
    let span = format!("-d{}s", span.as_secs());
    let output = wrk(scheme, port, path, &span)
        .output()
        .context("cannot run wrk")?;
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() || failures(&said) != 0 {
        bail!("wrk was not served: {said}");
    }
    let per_second = field(&said, "Requests/sec:").and_then(|it| it.parse().ok());
    per_second.with_context(|| format!("wrk says no figure: {said}"))
}

/// A load that goes on until it is ended.
pub(crate) struct Load(Child);

impl Load {
    pub(crate) fn start(port: u16, path: &str) -> Result<Self> {
        let mut wrk = wrk("http", port, path, LONG);
        let child = wrk.stdout(Stdio::piped()).spawn();
        Ok(Self(child.context("cannot run wrk")?))
    }

    /// How many requests were answered, and how many were not.
    pub(crate) fn end(self) -> Result<(u64, u64)> {
        let pid = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.context("no process")?, Signal::INT)?;
        let output = self.0.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        let answered = said
            .lines()
            .find_map(|line| line.split_once(" requests in "));
        let answered = answered.and_then(|(count, _)| count.trim().parse().ok());
        let answered = answered.with_context(|| format!("wrk says no figure: {said}"))?;
        Ok((answered, failures(&said)))
    }
}

fn wrk(scheme: &str, port: u16, path: &str, span: &str) -> Command {
    let mut wrk = Command::new("wrk");
    wrk.args([THREADS, CONNECTIONS, span]);
    wrk.arg(format!("{scheme}://127.0.0.1:{port}{path}"));
    wrk
}

/// Errors of sockets and answers that are none, which wrk tells only when there are some.
fn failures(said: &str) -> u64 {
    let numbers = |line: &str| -> u64 {
        let words = line.split(|it: char| !it.is_ascii_digit());
        words.filter_map(|word| word.parse::<u64>().ok()).sum()
    };
    let sockets = said
        .lines()
        .find_map(|it| it.trim().strip_prefix("Socket errors:"));
    let answers = said
        .lines()
        .find_map(|it| it.trim().strip_prefix("Non-2xx or 3xx responses:"));
    sockets.map_or(0, numbers) + answers.map_or(0, numbers)
}

fn field<'a>(said: &'a str, name: &str) -> Option<&'a str> {
    let value = said.lines().find_map(|line| line.trim().strip_prefix(name));
    value.map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted_where_there_are_some() {
        let good = "  10 requests in 1.00s, 2.00MB read\nRequests/sec:     10.00\n";
        assert_eq!(failures(good), 0);
        assert_eq!(field(good, "Requests/sec:"), Some("10.00"));
        let bad = "  Socket errors: connect 1, read 2, write 0, timeout 3\n  \
                   Non-2xx or 3xx responses: 4\n";
        assert_eq!(failures(bad), 10);
    }
}

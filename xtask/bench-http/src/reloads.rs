//! The configuration read again and again while people are served.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::load::Load;
use crate::ours::Ours;
use crate::page::Page;

/// How long one reload may take until a page shows it.
const RELOAD_WITHIN: Duration = Duration::from_secs(20);

/// What became of the load.
pub(crate) struct Reloaded {
    count: usize,
    seconds: f64,
    answered: u64,
    pub(crate) failed: u64,
}

/// Reloads `count` times, each seen on a page before the next, and says what became of the load.
pub(crate) fn under_load(ours: &Ours, count: usize) -> Result<Reloaded> {
    let pid = i32::try_from(ours.pid()).ok().and_then(Pid::from_raw);
    let pid = pid.context("no process")?;
    let load = Load::start(ours.ports.http, "/sign-in")?;
    let began = Instant::now();
    for number in 0..count {
        let name = format!("Lab {number} of {count}");
        ours.rename(&name)?;
        kill_process(pid, Signal::HUP)?;
        let asked = Instant::now();
        while !shows(ours, &name)? {
            if asked.elapsed() > RELOAD_WITHIN {
                bail!("a reload takes too long");
            }
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    let (answered, failed) = load.end()?;
    Ok(Reloaded {
        count,
        seconds,
        answered,
        failed,
    })
}

impl fmt::Display for Reloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} reloads of the configuration in {:.1} s, each seen on a page, under load: {} requests \
             answered, {} failed",
            self.count, self.seconds, self.answered, self.failed
        )
    }
}

fn shows(ours: &Ours, name: &str) -> Result<bool> {
    let page = Page::fetch(ours.ports.http, "/sign-in")?;
    Ok(String::from_utf8_lossy(&page.body).contains(name))
}

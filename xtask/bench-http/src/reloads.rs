//! The configuration read again and again while people are served.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::load::Load;
use crate::ours::Ours;
use crate::page::Page;

/// How long one reload may take until a page shows it.
const RELOAD_WITHIN: Duration = Duration::from_secs(20);

/// Reloads `count` times, each seen on a page before the next, and says what became of the load.
pub(crate) fn under_load(ours: &Ours, count: usize) -> Result<String> {
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
    let took = began.elapsed().as_secs_f64();
    let (answered, failed) = load.end()?;
    Ok(format!(
        "{count} reloads of the configuration in {took:.1} s, each seen on a page, under load: \
         {answered} requests answered, {failed} failed"
    ))
}

fn shows(ours: &Ours, name: &str) -> Result<bool> {
    let page = Page::fetch(ours.ports.http, "/sign-in")?;
    Ok(String::from_utf8_lossy(&page.body).contains(name))
}

//! Many desktops behind one gateway, on loopback: real bare ones, which are watched, and many more
//! fake ones. `cargo xtask bench scale` builds it and starts it, as root.

mod account;
mod fakes;
mod gateway;
mod report;
mod viewer;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use bench_bridge::process::{self, Meter};

use crate::account::Account;
use crate::fakes::Fakes;
use crate::gateway::Gateway;
use crate::report::Report;
use crate::viewer::Viewer;

/// How many there are, and how long the rest is watched.
struct Extent {
    real: usize,
    fake: usize,
    rest: Duration,
}

const FULL: Extent = Extent {
    real: 50,
    fake: 2000,
    rest: Duration::from_secs(25),
};
const QUICK: Extent = Extent {
    real: 5,
    fake: 200,
    rest: Duration::from_secs(5),
};
/// How long all desktops may take to start, and to be found again.
const START_WITHIN: Duration = Duration::from_secs(90);
const FIND_WITHIN: Duration = Duration::from_secs(30);
/// A role that has lived so long is started again without a pause.
const STABLE: Duration = Duration::from_secs(6);
/// Most desktops that are visited to see how soon there is a picture.
const MOST_VISITED: usize = 10;
/// How long what was just done may still be felt.
const SETTLE: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["fake-sessions", rest @ ..] => fakes::sessions(rest),
        ["fake-agent", list] => fakes::agent(list),
        flags => run(flags),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            note(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// `--ours PATH [--quick]`
fn run(flags: &[&str]) -> Result<()> {
    let (mut ours, mut extent) = (None, FULL);
    let mut flags = flags.iter();
    while let Some(flag) = flags.next() {
        match *flag {
            "--ours" => ours = flags.next().map(PathBuf::from),
            "--quick" => extent = QUICK,
            other => bail!("unknown flag `{other}`"),
        }
    }
    process::raise_descriptor_limit()?;
    let account = Account::make()?;
    let gateway = Gateway::start(&ours.context("--ours PATH is needed")?)?;
    let report = measure(&gateway, &account, &extent);
    let report = report.inspect_err(|_| note(&gateway.log_end()))?;
    say(&report.to_string());
    report.judge()
}

fn measure(gateway: &Gateway, account: &Account, extent: &Extent) -> Result<Report> {
    let person = gateway.sign_in(account)?;
    // The roles are as they will be later: such as have found what was there before them.
    pause(STABLE);
    gateway.kill_roles()?;
    found_again(gateway, 0)?;
    at_ease(gateway)?;
    let empty = process::memory(&gateway.processes()?)?;
    let own_when_empty = process::own_memory(&gateway.processes()?)?;

    let began = Instant::now();
    for number in 0..extent.real {
        person.start(&name(number))?;
    }
    until("the real desktops", START_WITHIN, || {
        Ok((person.ready()? >= extent.real).then_some(()))
    })?;
    let starts_per_second = rate(extent.real, began.elapsed());
    note(&format!("{starts_per_second:.1} starts/s"));
    at_ease(gateway)?;
    let with_real = process::own_memory(&gateway.processes()?)?;
    let beside = process::memory(&gateway.session_processes()?)?;

    let viewers: Vec<Viewer> = (0..extent.real)
        .map(|number| Viewer::open(&person, Some(&name(number))))
        .collect::<Result<_>>()?;
    pause(SETTLE);
    let watched = process::own_memory(&gateway.processes()?)?;
    let meter = Meter::start(gateway.processes()?)?;
    let began = Instant::now();
    pause(extent.rest);
    let at_rest = meter.seconds()? / began.elapsed().as_secs_f64();
    note(&format!("{:.2} % of a core at rest", at_rest * 100.0));
    for viewer in viewers {
        viewer.leave()?;
    }
    let pictures = pictures(gateway, &person, extent)?;
    note(&format!("{pictures}"));

    let fakes = Fakes::make(&gateway.run_dir(), account, extent.fake)?;
    gateway.kill_roles()?;
    let all = extent.real + extent.fake;
    let first = found_and_opened(gateway, &person, all)?;
    note(&format!("{first}"));
    pause(STABLE);
    at_ease(gateway)?;
    let with_all = process::own_memory(&gateway.processes()?)?;
    let meter = Meter::start(gateway.processes()?)?;
    let began = Instant::now();
    pause(extent.rest / 2);
    let rest_of_all = meter.seconds()? / began.elapsed().as_secs_f64();
    gateway.kill_roles()?;
    let again = found_and_opened(gateway, &person, all)?;
    note(&format!("{again}"));
    for number in 0..extent.real {
        person.stop(&name(number))?;
    }
    drop(fakes);
    Ok(Report {
        real: extent.real,
        fake: extent.fake,
        empty,
        per_desktop: share(with_all.saturating_sub(own_when_empty), all),
        per_real: share(with_real.saturating_sub(own_when_empty), extent.real),
        beside: share(beside, extent.real),
        per_viewer: share(watched.saturating_sub(with_real), extent.real),
        at_rest,
        pictures,
        rest_of_all,
        starts_per_second,
        found: [first, again],
    })
}

/// How long it took after both roles were killed.
#[derive(Clone, Copy, Debug)]
struct Found {
    listed: Duration,
    ready: Duration,
    opened: Duration,
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [listed, ready, opened] =
            [self.listed, self.ready, self.opened].map(|it| it.as_secs_f64());
        write!(
            f,
            "listed after {listed:.2} s, ready after {ready:.2} s, one opened after {opened:.2} s"
        )
    }
}

/// How long a viewer waited for its first picture: the middle one, and the longest.
#[derive(Clone, Copy, Debug)]
struct Pictures {
    running: [Duration; 2],
    frozen: [Duration; 2],
}

impl std::fmt::Display for Pictures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [[running, longest], [frozen, most]] =
            [self.running, self.frozen].map(|it| it.map(|it| it.as_secs_f64() * 1000.0));
        write!(
            f,
            "a running desktop: {running:.0} ms, at most {longest:.0} ms; a frozen one: \
             {frozen:.0} ms, at most {most:.0} ms"
        )
    }
}

/// Visits real desktops, one after the other: first as they run, then frozen.
fn pictures(gateway: &Gateway, person: &gateway::Person, extent: &Extent) -> Result<Pictures> {
    let visited = 0..extent.real.min(MOST_VISITED);
    let visit = |number| {
        let began = Instant::now();
        let viewer = Viewer::open(person, Some(&name(number)))?;
        viewer.first_picture(FIND_WITHIN)?;
        let took = began.elapsed();
        viewer.leave().map(|()| took)
    };
    let running = visited.clone().map(visit).collect::<Result<Vec<_>>>()?;
    for number in visited.clone() {
        gateway.freeze(&format!("{}/{}", person.name, name(number)))?;
    }
    pause(SETTLE);
    let frozen = visited.map(visit).collect::<Result<Vec<_>>>()?;
    let [running, frozen] = [running, frozen].map(|mut times| {
        times.sort_unstable();
        let at = |index: usize| times.get(index).copied().unwrap_or_default();
        [at(times.len() / 2), at(times.len().saturating_sub(1))]
    });
    Ok(Pictures { running, frozen })
}

/// Waits until what was just done is not felt any more.
fn at_ease(gateway: &Gateway) -> Result<()> {
    process::wait_until_still(&[gateway.pid()], START_WITHIN)?;
    pause(SETTLE);
    Ok(())
}

/// Waits until all are listed and all are ready.
fn found_again(gateway: &Gateway, all: usize) -> Result<[Duration; 2]> {
    let began = Instant::now();
    let count = |wanted: fn(&gateway::Listed) -> usize| {
        until("all desktops", FIND_WITHIN, || {
            let enough = gateway.list().is_ok_and(|listed| wanted(&listed) >= all);
            Ok(enough.then_some(()))
        })
        .map(|()| began.elapsed())
    };
    Ok([count(|listed| listed.all)?, count(|listed| listed.ready)?])
}

/// Waits for the same, and until the person's own fake one can be opened.
fn found_and_opened(gateway: &Gateway, person: &gateway::Person, all: usize) -> Result<Found> {
    let began = Instant::now();
    std::thread::scope(|scope| {
        let opened = scope.spawn(|| {
            until(
                "a desktop that can be opened",
                FIND_WITHIN,
                || match Viewer::open(person, None) {
                    Ok(viewer) => viewer.leave().map(Some),
                    Err(_) => Ok(None),
                },
            )
            .map(|()| began.elapsed())
        });
        let [listed, ready] = found_again(gateway, all)?;
        let opened = opened.join();
        let opened = opened.map_err(|_| anyhow::anyhow!("a thread has panicked"))??;
        Ok(Found {
            listed,
            ready,
            opened,
        })
    })
}

/// The name of a real desktop.
fn name(number: usize) -> String {
    format!("real{number}")
}

/// Looks until there is something; `/proc` and other programs give no event.
fn until<T>(
    what: &str,
    within: Duration,
    mut look: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + within;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if Instant::now() >= deadline {
            bail!("{what}: not after {} s", within.as_secs());
        }
        pause(Duration::from_millis(20));
    }
}

fn pause(span: Duration) {
    process::pause(span);
}

fn rate(count: usize, span: Duration) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / span.as_secs_f64()
}

fn share(bytes: u64, among: usize) -> u64 {
    bytes / u64::try_from(among.max(1)).unwrap_or(1)
}

/// To standard output: the result.
fn say(text: &str) {
    // A closed pipe is the reader's choice; there is nobody left to tell.
    _ = writeln!(std::io::stdout(), "{text}");
}

/// To standard error: how it goes.
fn note(text: &str) {
    _ = writeln!(std::io::stderr(), "{text}");
}

//! `deskway doctor`: checks what a start needs and says how to mend what is missing.
//!
//! With `--url` it goes in from outside instead ([`outside`]).
//!
//! Each check is a function of what it looks at; [`examine`] gathers that on this machine.

mod certificates;
mod directories;
mod entrances;
mod finding;
mod machine;
mod network;
mod outside;
mod people;
mod programs;
mod session;

use std::io::Write as _;
use std::path::Path;

use deskway_osuser as osuser;

use super::{Doctor, Error, out};
use crate::cgroup::Cgroups;
use crate::config::{self, Config};
use crate::runtime::Clock;
use crate::store::accounts;
use finding::{Finding, State};
use programs::SYSTEM_PATH;

pub(super) use outside::parse_url;

/// The system account that the web server runs as when Deskway is started as root.
const SERVICE_USER: &str = "deskway";
/// Where PAM looks for services, the stronger first (pam.conf(5)).
const PAM_DIRECTORIES: [&str; 2] = ["/etc/pam.d", "/usr/lib/pam.d"];

/// Prints a line for each check. `Ok(false)` when a start would fail.
///
/// # Errors
/// When the answer cannot be printed.
pub fn run(args: &Doctor) -> Result<bool, Error> {
    let uid = osuser::own_uid();
    let (config, mut findings) = match args.start.load() {
        Ok((config, _)) => (config, vec![read_from(args.start.config.as_deref())]),
        Err(error) => {
            let wrong = Finding::wrong("configuration", error.to_string(), "correct the file");
            (Config::default_for(uid), vec![wrong])
        }
    };
    match &args.url {
        Some(url) => {
            if !args.quick && !args.json {
                let seconds = outside::SILENCE.as_secs();
                // When standard error is closed there is nobody to tell.
                _ = writeln!(
                    std::io::stderr(),
                    "deskway: this takes {seconds} s, in which a WebSocket is silent; --quick \
                     leaves that out"
                );
            }
            findings.extend(outside::examine(url, args.quick, &config));
        }
        None => findings.extend(examine(&config, uid)),
    }
    let text = if args.json {
        out::json(&findings)?
    } else {
        let lines: Vec<_> = findings.iter().map(Finding::to_string).collect();
        lines.join("\n") + "\n"
    };
    out::print(&text)?;
    Ok(findings.iter().all(|finding| finding.state != State::Wrong))
}

fn read_from(explicit: Option<&Path>) -> Finding {
    let found = match config::file(explicit) {
        Some(file) => file.display().to_string(),
        None => "no file: the defaults hold".to_owned(),
    };
    Finding::fine("configuration", found)
}

/// All checks, on this machine.
fn examine(config: &Config, uid: u32) -> Vec<Finding> {
    let root = uid == 0;
    let now = Clock::System.unix();
    let paths = &config.paths;
    let desktops = &config.desktops;
    let mut findings = vec![
        programs::x_server(desktops.x_server.as_deref(), SYSTEM_PATH),
        session::session(desktops, SYSTEM_PATH),
        programs::d_bus(SYSTEM_PATH),
    ];
    findings.extend(people::pam(
        &config.sign_in,
        root,
        &PAM_DIRECTORIES.map(Path::new),
    ));
    findings.push(people::accounts(&who_can_sign_in(config, root)));
    if root {
        let account = osuser::Account::by_name(SERVICE_USER).ok().flatten();
        findings.push(people::service_user(
            SERVICE_USER,
            account.map(|account| account.uid),
        ));
    }
    findings.push(directories::run_directory(&paths.run, uid));
    findings.push(directories::state_directory(&paths.state, uid));
    findings.push(directories::templates(paths.templates_dir.as_deref()));
    let running = osuser::connect(&paths.run.join("launcher.sock")).is_ok();
    let listen = config.server.listen.iter();
    findings.extend(listen.map(|listener| network::listener(listener, running)));
    findings.extend(network::secure_context(config, now));
    findings.extend(entrances::examine(&config.server));
    findings.push(machine::clock(now, installed()));
    let homes = if root {
        Path::new("/home")
    } else {
        paths.state.as_path()
    };
    for (path, vital) in [
        (paths.run.as_path(), true),
        (&paths.state, true),
        (homes, false),
        (Path::new("/tmp"), false),
    ] {
        findings.extend(directories::space(path, vital));
    }
    findings.push(machine::private_tmp(
        &namespaces(),
        root,
        desktops.private_tmp,
    ));
    findings.push(machine::limits(&Cgroups::find(&paths.run), root));
    let seccomp = text_of("/proc/sys/kernel/seccomp/actions_avail");
    findings.push(machine::sandbox(
        machine::has_landlock(),
        seccomp.as_deref(),
    ));
    findings.push(machine::memory(
        &text_of("/proc/meminfo").unwrap_or_default(),
    ));
    findings
}

fn who_can_sign_in(config: &Config, root: bool) -> people::Accounts {
    let passwd = || text_of("/etc/passwd").unwrap_or_default();
    let local = || {
        let accounts = accounts::list(&config.paths.state).map_err(|error| error.to_string())?;
        Ok(accounts
            .iter()
            .map(|account| account.name.to_string())
            .collect())
    };
    people::Accounts {
        machine: (config.sign_in.pam && root)
            .then(|| people::machine_accounts(&passwd(), config.access.min_uid)),
        local: config.sign_in.local.then(local),
    }
}

fn namespaces() -> machine::Namespaces {
    let value = |name: &str| text_of(&format!("/proc/sys/{name}"))?.trim().parse().ok();
    machine::Namespaces {
        max: value("user/max_user_namespaces"),
        clone: value("kernel/unprivileged_userns_clone"),
        apparmor: value("kernel/apparmor_restrict_unprivileged_userns"),
    }
}

/// When this program was written to disk, in seconds since 1970; 0 when that is unknown.
fn installed() -> u64 {
    let modified = std::env::current_exe().and_then(|program| program.metadata()?.modified());
    let since = modified
        .ok()
        .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    since.map_or(0, |since| since.as_secs())
}

fn text_of(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

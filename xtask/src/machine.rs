//! What the machine has, and installing what it lacks.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use crate::run;

/// What Deskway needs to run: the X server, a session, D-Bus, and PAM to build against.
pub(crate) const TO_RUN: &[&str] = &[
    "build-essential",
    "dbus",
    "fonts-dejavu-core",
    "libpam0g-dev",
    "tigervnc-standalone-server",
    "xfce4-appfinder",
    "xfce4-panel",
    "xfce4-session",
    "xfce4-settings",
    "xfce4-terminal",
    "xfconf",
    "xfdesktop4",
    "xfwm4",
    "adwaita-icon-theme",
    "tango-icon-theme",
    "thunar",
];

/// What the tests need besides: a browser, clients of the X server, noVNC's own pages, the reverse
/// proxies that Deskway can stand behind, what reads the YAML that is printed for one more, and for
/// `tests/compat` the original of `deskway websockify`, what its plugins import, and the services
/// that they ask.
pub(crate) const TO_TEST: &[&str] = &[
    "apache2-bin",
    "caddy",
    "chromium",
    "haproxy",
    "iproute2",
    "libfaketime",
    "libnginx-mod-stream",
    "nginx-light",
    "novnc",
    "openssl",
    "procps",
    "python3",
    "python3-jwcrypto",
    "python3-pip",
    "python3-prometheus-client",
    "python3-redis",
    "python3-requests",
    "python3-simplejson",
    "python3-yaml",
    "redis-server",
    "websockify",
    "x11-utils",
    "xclip",
    "xterm",
];

/// What the machine of [`crate::guest`] is made with, and run in.
pub(crate) const TO_EMULATE: &[&str] = &["binutils", "cpio", "mmdebstrap", "qemu-system-x86"];

/// What the benchmarks need besides: the chain that Deskway replaces, a
/// proxy that only copies, and a generator of load.
pub(crate) const TO_BENCH: &[&str] = &[
    "haproxy",
    "nginx-light",
    "novnc",
    "tigervnc-common",
    "websockify",
    "wrk",
];

/// Whether this process is root.
pub(crate) fn is_root() -> bool {
    run::output(Command::new("id").arg("-u")).is_some_and(|uid| uid.trim() == "0")
}

/// A command that is run as root: directly, or through `sudo`.
pub(crate) fn as_root(program: &str) -> Command {
    if is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.arg(program);
    command
}

/// Installs those of the Debian packages that are missing, and says which.
pub(crate) fn ensure(packages: &[&str]) -> Result<()> {
    let missing: Vec<&str> = packages
        .iter()
        .copied()
        .filter(|name| !is_installed(name))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    run::note(&format!(
        "Installing Debian packages that are missing: {}",
        missing.join(" ")
    ));
    apt_get(&["update", "--quiet"])?;
    install(&missing).with_context(|| {
        format!(
            "install these by hand, then try again: {}",
            missing.join(" ")
        )
    })
}

/// Installs packages and starts none of the services in them: with a policy-rc.d that ends with
/// 101, invoke-rc.d(8) starts nothing. One that is there already is the machine's own, and stays.
fn install(packages: &[&str]) -> Result<()> {
    const SCRIPT: &str = r#"
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' > "$policy" && chmod 755 "$policy" || exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get install --quiet --yes --no-install-recommends "$@"
"#;
    let mut command = as_root("sh");
    command.args(["-c", SCRIPT, "sh"]).args(packages);
    command.stdout(std::io::stderr()).stdin(Stdio::null());
    run::finish(&mut command)
}

fn is_installed(package: &str) -> bool {
    let query = ["--show", "--showformat=${db:Status-Status}", package];
    run::output(Command::new("dpkg-query").args(query)).is_some_and(|status| status == "installed")
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    let mut command = as_root("env");
    command
        .args(["DEBIAN_FRONTEND=noninteractive", "apt-get"])
        .args(arguments);
    // What apt says goes to standard error: standard output is for the command's own result.
    command.stdout(std::io::stderr());
    run::run(&mut command)
}

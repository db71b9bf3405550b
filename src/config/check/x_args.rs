//! `x_args` in `[desktops]`: more arguments for the X server, but none that Deskway needs for
//! itself and none that would open a desktop to others.
//!
//! TigerVNC takes its parameters in any case, with one dash or two, and as `NAME=VALUE` also
//! without one (Xvnc(1), PARAMETERS), so that all of these are looked at.

use super::place::Fault;

const MAX_ARGUMENT: usize = 1024;

/// What is refused, in small letters without dashes, and why.
const REFUSED: &[(&[&str], &str)] = &[
    (
        &[
            "rfbport",
            "rfbunixpath",
            "rfbunixmode",
            "inetd",
            "interface",
            "localhost",
            "useipv4",
            "useipv6",
            "httpport",
            "httpd",
        ],
        "the screen is reached through a unix socket of Deskway's alone",
    ),
    (
        &[
            "securitytypes",
            "rfbauth",
            "passwordfile",
            "password",
            "passwd",
            "plainusers",
            "pamservice",
            "pam_service",
            "x509cert",
            "x509key",
            "useblacklist",
            "blacklistthreshold",
            "blacklisttimeout",
            "queryconnect",
            "requireusername",
        ],
        "Deskway asks for the password, not the screen",
    ),
    (
        &[
            "auth",
            "ac",
            "nolisten",
            "listen",
            "displayfd",
            "query",
            "broadcast",
            "indirect",
            "multicast",
            "from",
            "port",
            "class",
            "cookie",
            "displayid",
            "i",
            "nolock",
        ],
        "Deskway decides who may open the display",
    ),
    (&["geometry"], "write `geometry` in [desktops]"),
    (&["depth", "pixelformat"], "write `depth` in [desktops]"),
    (&["dpi"], "write `dpi` in [desktops]"),
    (&["desktop"], "it is the desktop's name"),
    (&["log"], "the log is the desktop's own"),
    (
        &["once", "terminate", "reset", "noreset"],
        "Deskway decides when the screen ends",
    ),
    (
        &[
            "alwaysshared",
            "nevershared",
            "disconnectclients",
            "maxidletime",
            "maxdisconnectiontime",
            "maxconnectiontime",
            "idletimeout",
        ],
        "Deskway decides who sees a desktop and for how long",
    ),
    (&["version", "help"], "the screen would end at once"),
];

/// Takes one argument, or says why not.
pub(super) fn check(argument: &str) -> Result<String, Fault> {
    if argument.is_empty() || argument.len() > MAX_ARGUMENT || argument.contains('\0') {
        return Err(Fault::Because(format!(
            "write 1 to {MAX_ARGUMENT} bytes without NUL"
        )));
    }
    if argument
        .strip_prefix(':')
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    {
        return Err(Fault::Because(
            "leave it out: Deskway chooses the display's number".to_owned(),
        ));
    }
    let is_option = argument.starts_with(['-', '+']) || argument.contains('=');
    let name = argument.trim_start_matches(['-', '+']);
    let name = name
        .split_once('=')
        .map_or(name, |(name, _)| name)
        .to_lowercase();
    let refused = REFUSED
        .iter()
        .find(|(names, _)| names.contains(&name.as_str()));
    match refused.filter(|_| is_option) {
        Some((_, why)) => Err(Fault::Because(format!("leave it out: {why}"))),
        None => Ok(argument.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_an_argument_of_deskways_own_is_refused() {
        for argument in [
            "-rfbport",
            "-auth",
            "-SecurityTypes",
            "--securitytypes",
            "SecurityTypes=None",
            "-securitytypes=none",
            "-nolisten",
            "-listen",
            "-rfbunixpath",
            "-PasswordFile",
            "-UseBlacklist",
            "-displayfd",
            "-inetd",
            "-query",
            "-ac",
            "-I",
            "-geometry",
            "-Log",
            ":7",
            "",
            "a\0",
        ] {
            assert!(check(argument).is_err(), "{argument}");
        }
    }

    #[test]
    fn other_arguments_and_their_values_pass() {
        for argument in [
            "-FrameRate",
            "60",
            "-FrameRate=60",
            "+extension",
            "GLX",
            "listen",
            "-fp",
            "CompareFB=2",
        ] {
            assert!(check(argument).is_ok(), "{argument}");
        }
    }
}

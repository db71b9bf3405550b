//! What runs without a file: the defaults, for root and for an ordinary user.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

use super::{
    Access, Admin, Audit, Brand, Colours, Config, Desktops, Idle, Limits, ListenAt, Listener, Log,
    Metrics, Paths, Portal, Restart, Server, SignIn, Tls,
};
use crate::model::Geometry;

/// The smallest uid of a person where `/etc/login.defs` does not say.
const MIN_UID: u32 = 1000;

/// What the defaults depend on, given by the caller so that tests can choose it.
pub(super) struct Place<'a> {
    /// The effective uid of this process.
    pub uid: u32,
    /// An environment variable; empty ones count as absent.
    pub env: &'a dyn Fn(&str) -> Option<OsString>,
    /// The text of `/etc/login.defs`, empty where there is none.
    pub login_defs: &'a str,
}

impl Place<'_> {
    pub(super) fn is_root(&self) -> bool {
        self.uid == 0
    }

    /// The directory that `variable` names, if it is absolute (as the XDG specification asks),
    /// else `below` in the home.
    pub(super) fn xdg(&self, variable: &str, below: &str) -> Option<PathBuf> {
        let absolute = |path: &PathBuf| path.is_absolute();
        self.path(variable)
            .filter(absolute)
            .or_else(|| Some(self.path("HOME").filter(absolute)?.join(below)))
    }

    fn path(&self, variable: &str) -> Option<PathBuf> {
        (self.env)(variable)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    }

    fn paths(&self) -> Paths {
        if self.is_root() {
            return Paths {
                run: "/run/deskway".into(),
                state: "/var/lib/deskway".into(),
                templates_dir: None,
            };
        }
        let own = PathBuf::from(format!("/tmp/deskway-{}", self.uid));
        Paths {
            run: self
                .path("XDG_RUNTIME_DIR")
                .filter(|path| path.is_absolute())
                .map_or_else(|| own.clone(), |path| path.join("deskway")),
            state: self
                .xdg("XDG_STATE_HOME", ".local/state")
                .map_or_else(|| own.join("state"), |path| path.join("deskway")),
            templates_dir: None,
        }
    }
}

/// The configuration of a machine without a file.
pub(super) fn config(place: &Place<'_>) -> Config {
    Config {
        server: Server {
            listen: vec![Listener::at(ListenAt::Address(
                (Ipv4Addr::LOCALHOST, 6080).into(),
            ))],
            trusted_proxies: Vec::new(),
            base_path: String::new(),
            hosts: Vec::new(),
            max_connections: 4096,
            max_connections_per_address: 256,
        },
        tls: Tls::default(),
        sign_in: SignIn {
            pam: place.is_root(),
            pam_service: "deskway".to_owned(),
            pam_dir: None,
            local: true,
            lifetime: Duration::from_hours(12),
            recheck: Duration::from_mins(1),
            tries_per_minute: 5,
        },
        access: Access {
            min_uid: min_uid(place.login_defs),
            groups: Vec::new(),
        },
        admin: Admin::default(),
        desktops: desktops(),
        limits: Limits::default(),
        idle: Idle {
            warn_after: None,
            freeze_after: None,
            stop_after: None,
            busy_cpu: 5,
            grace: Duration::from_mins(1),
        },
        attach: Vec::new(),
        brand: Brand {
            name: "Deskway".to_owned(),
            logo: None,
            colours: Colours::default(),
            notice: None,
            links: Vec::new(),
        },
        groups: Vec::new(),
        portal: Portal {
            public_index: false,
        },
        paths: place.paths(),
        log: Log {
            filter: "info".to_owned(),
            json: false,
        },
        audit: Audit {
            keep: Duration::from_hours(365 * 24),
            max_size: 256 << 20,
            syslog: false,
        },
        metrics: Metrics {
            allow: vec![
                IpAddr::from(Ipv4Addr::LOCALHOST).into(),
                IpAddr::from(Ipv6Addr::LOCALHOST).into(),
            ],
            token_file: None,
        },
    }
}

fn desktops() -> Desktops {
    Desktops {
        x_server: None,
        geometry: Geometry::new(1280, 800).expect("it is within the bounds"),
        depth: 24,
        dpi: 96,
        private_tmp: true,
        env: BTreeMap::new(),
        x_args: Vec::new(),
        default_profile: None,
        profiles: Vec::new(),
        xsessions: "/usr/share/xsessions".into(),
        xstartup: true,
        max_per_person: 3,
        screen_timeout: Duration::from_secs(10),
        session_timeout: Duration::from_secs(20),
        restart: Restart::default(),
    }
}

/// `UID_MIN` of `/etc/login.defs`; never 0, which is root.
fn min_uid(login_defs: &str) -> u32 {
    login_defs
        .lines()
        .filter_map(|line| line.split_once(char::is_whitespace))
        .filter(|(key, _)| *key == "UID_MIN")
        .find_map(|(_, value)| value.trim().parse().ok())
        .filter(|uid| *uid > 0)
        .unwrap_or(MIN_UID)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defaults(uid: u32, env: &[(&str, &str)], login_defs: &str) -> Config {
        let look_up = |name: &str| {
            let (_, value) = env.iter().find(|(key, _)| *key == name)?;
            Some(OsString::from(value))
        };
        config(&Place {
            uid,
            env: &look_up,
            login_defs,
        })
    }

    #[test]
    fn root_gets_the_systems_directories_whatever_the_environment_says() {
        let env = [("XDG_RUNTIME_DIR", "/run/user/0"), ("HOME", "/root")];
        let config = defaults(0, &env, "");
        assert_eq!(config.paths.run, PathBuf::from("/run/deskway"));
        assert_eq!(config.paths.state, PathBuf::from("/var/lib/deskway"));
        assert!(config.sign_in.pam);
    }

    #[test]
    fn an_ordinary_user_gets_directories_of_their_own() {
        let env = [("XDG_RUNTIME_DIR", "/run/user/1000"), ("HOME", "/home/a")];
        let config = defaults(1000, &env, "");
        assert_eq!(config.paths.run, PathBuf::from("/run/user/1000/deskway"));
        assert_eq!(
            config.paths.state,
            PathBuf::from("/home/a/.local/state/deskway")
        );
        assert!(!config.sign_in.pam && config.sign_in.local);
    }

    #[test]
    fn without_an_environment_an_ordinary_user_gets_a_directory_in_tmp() {
        for env in [
            &[][..],
            &[("XDG_RUNTIME_DIR", ""), ("HOME", "not/absolute")],
        ] {
            let paths = defaults(1000, env, "").paths;
            assert_eq!(paths.run, PathBuf::from("/tmp/deskway-1000"));
            assert_eq!(paths.state, PathBuf::from("/tmp/deskway-1000/state"));
        }
    }

    #[test]
    fn people_begin_where_login_defs_says() {
        let uid = |text| defaults(0, &[], text).access.min_uid;
        assert_eq!(uid("# UID_MIN 7\nUID_MIN\t\t  500\nUID_MAX 60000\n"), 500);
        assert_eq!(uid("UID_MIN 0\n"), 1000);
        assert_eq!(uid(""), 1000);
    }
}

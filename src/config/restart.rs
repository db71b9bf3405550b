//! What differs between two configurations, and what of it a running Deskway cannot change.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::Config;

/// The settings that differ between `old` and `new` and count only from the next start on. All
/// others apply as soon as the file is read again.
pub fn diff_needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let differs = [
        ("listen", old.server.listen != new.server.listen),
        (
            "server.base_path",
            old.server.base_path != new.server.base_path,
        ),
        // Whether https is spoken is decided when the listeners are opened.
        ("tls", old.tls.is_configured() != new.tls.is_configured()),
        ("paths.run", old.paths.run != new.paths.run),
        ("paths.state", old.paths.state != new.paths.state),
        ("log.filter", old.log.filter != new.log.filter),
        (
            "metrics.token_file",
            old.metrics.token_file != new.metrics.token_file,
        ),
        ("log.json", old.log.json != new.log.json),
    ];
    differs
        .into_iter()
        .filter_map(|(key, differs)| differs.then_some(key))
        .collect()
}

/// Calls a macro with every setting and its key, or where they are many its section.
macro_rules! of_every_key {
    ($call:ident) => {
        $call![
            server.listen = "listen",
            server.trusted_proxies = "server.trusted_proxies",
            server.base_path = "server.base_path",
            server.hosts = "server.hosts",
            server.max_connections = "server.max_connections",
            server.max_connections_per_address = "server.max_connections_per_address",
            tls = "tls",
            sign_in.pam = "sign_in.pam",
            sign_in.pam_service = "sign_in.pam_service",
            sign_in.pam_dir = "sign_in.pam_dir",
            sign_in.local = "sign_in.local",
            sign_in.lifetime = "sign_in.lifetime",
            sign_in.recheck = "sign_in.recheck",
            sign_in.tries_per_minute = "sign_in.tries_per_minute",
            access.min_uid = "access.min_uid",
            access.groups = "access.groups",
            admin.users = "admin.users",
            admin.groups = "admin.groups",
            desktops.x_server = "desktops.x_server",
            desktops.geometry = "desktops.geometry",
            desktops.depth = "desktops.depth",
            desktops.dpi = "desktops.dpi",
            desktops.private_tmp = "desktops.private_tmp",
            desktops.env = "desktops.env",
            desktops.x_args = "desktops.x_args",
            desktops.default_profile = "desktops.default_profile",
            desktops.profiles = "profile",
            desktops.xsessions = "desktops.xsessions",
            desktops.xstartup = "desktops.xstartup",
            desktops.max_per_person = "desktops.max_per_person",
            desktops.screen_timeout = "desktops.screen_timeout",
            desktops.session_timeout = "desktops.session_timeout",
            desktops.restart = "desktops.restart",
            limits = "limits",
            idle = "idle",
            attach = "attach",
            brand = "brand",
            groups = "group",
            portal = "portal",
            paths = "paths",
            log = "log",
            audit.keep = "audit.keep",
            audit.max_size = "audit.max_size",
            audit.syslog = "audit.syslog",
            metrics = "metrics",
        ]
    };
}

/// The keys, or where they are many the sections, in which `old` and `new` differ. It says nothing
/// of what stands there: that may be secret.
pub fn changed_keys(old: &Config, new: &Config) -> Vec<&'static str> {
    macro_rules! differing {
        ($($($field:ident).+ = $key:literal,)+) => {
            [$(($key, old.$($field).+ != new.$($field).+)),+]
        };
    }
    let differs = of_every_key!(differing).into_iter();
    differs
        .filter_map(|(key, differs)| differs.then_some(key))
        .collect()
}

/// The same keys, each with a SHA-256 of what stands there, by which a later start of the same
/// version knows whether it is another. For files of root's alone: what is short can be guessed.
pub fn fingerprints(config: &Config) -> BTreeMap<&'static str, [u8; 32]> {
    macro_rules! texts {
        ($($($field:ident).+ = $key:literal,)+) => {
            [$(($key, format!("{:?}", config.$($field).+))),+]
        };
    }
    let texts = of_every_key!(texts).into_iter();
    texts
        .map(|(key, text)| (key, Sha256::digest(text).into()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_fixed_at_the_start_is_named() {
        let old = Config::default_for(0);
        let mut new = old.clone();
        new.desktops.dpi = 120;
        new.brand.name = "Lab".to_owned();
        assert!(diff_needs_restart(&old, &new).is_empty());
        new.server.listen.clear();
        new.paths.state = "/srv".into();
        assert_eq!(diff_needs_restart(&old, &new), ["listen", "paths.state"]);
    }

    #[test]
    fn what_has_changed_is_named_by_its_keys() {
        let old = Config::default_for(0);
        let mut new = old.clone();
        assert!(changed_keys(&old, &new).is_empty());
        new.access.groups.push("staff".to_owned());
        new.desktops
            .env
            .insert("TOKEN".to_owned(), "secret".to_owned());
        new.audit.syslog = true;
        assert_eq!(
            changed_keys(&old, &new),
            ["access.groups", "desktops.env", "audit.syslog"]
        );
    }
}

//! What a running Deskway cannot change.

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
}

//! [`Raw`] → [`Config`]: every value is checked, and every problem is noted at its place.

mod access;
mod admin;
mod attach;
mod brand;
mod desktops;
mod environment;
mod idle;
mod limits;
mod listeners;
mod metrics;
mod place;
mod server;
mod tls;
mod x_args;

pub(super) use brand::MAX_GROUPS;

use std::time::Duration;

use super::Config;
use super::parse::shown;
use super::problems::Problems;
use super::raw::{self, Raw};
use super::value;
use place::{Fault, Field, absolute, flag};

/// Puts what `raw` says into `config`, which holds the defaults.
pub(super) fn check(raw: Raw, config: &mut Config, problems: &mut Problems<'_>) {
    let short_at = raw.server.listen.as_ref().map(toml::Spanned::span);
    let (cert, key) = (raw.server.tls_cert.clone(), raw.server.tls_key.clone());
    config.tls.main = tls::main(cert, key, problems);
    tls::tls(raw.tls, &mut config.tls, problems);
    server::server(raw.server, &mut config.server, problems);
    listeners::sections(raw.listen, short_at, &mut config.server, problems);
    server::sign_in(raw.sign_in, &mut config.sign_in, problems);
    access::access(raw.access, &mut config.access, problems);
    admin::admin(raw.admin, &mut config.admin, problems);
    desktops::desktops(raw.desktops, &mut config.desktops, problems);
    config.desktops.profiles = desktops::profiles(raw.profile, problems);
    config.attach = attach::attached(raw.attach, problems);
    brand::brand(raw.brand, &mut config.brand, problems);
    let field = |key| Field::new("limits", key);
    limits::limits(raw.limits, field, &mut config.limits, problems);
    idle::idle(raw.idle, &mut config.idle, problems);
    config.groups = brand::groups(raw.group, &config.brand, &config.limits, problems);
    // Whoever comes by a group's name, or by one that a certificate is ordered for, is to be let in
    // by it.
    let names = config.groups.iter().flat_map(|group| &group.hosts);
    let ordered = config.tls.acme.iter().flat_map(|acme| &acme.domains);
    for name in names.chain(ordered) {
        if !config.server.hosts.contains(name) {
            config.server.hosts.push(name.clone());
        }
    }
    flag(raw.portal.public_index, &mut config.portal.public_index);
    paths(raw.paths, &mut config.paths, problems);
    log(raw.log, &mut config.log, problems);
    metrics::metrics(raw.metrics, &mut config.metrics, problems);
    audit(raw.audit, &mut config.audit, problems);
}

fn paths(raw: raw::Paths, paths: &mut super::Paths, problems: &mut Problems<'_>) {
    let field = |key| Field::new("paths", key);
    field("run").set(raw.run, &mut paths.run, problems, |path| {
        value::parse_run_dir(path)
            .map_err(Fault::Because)
            .and_then(|_| absolute(path))
    });
    field("state").set(raw.state, &mut paths.state, problems, |path| absolute(path));
    field("templates_dir").set(
        raw.templates_dir,
        &mut paths.templates_dir,
        problems,
        |path| absolute(path).map(Some),
    );
}

fn log(raw: raw::Log, log: &mut super::Log, problems: &mut Problems<'_>) {
    let field = |key| Field::new("log", key);
    field("filter").set(raw.filter, &mut log.filter, problems, |filter| {
        value::parse_log_filter(filter).map_err(|_| Fault::Wants)
    });
    flag(raw.json, &mut log.json);
}

fn audit(raw: raw::Audit, audit: &mut super::Audit, problems: &mut Problems<'_>) {
    const DAY: Duration = Duration::from_hours(24);
    let field = |key| Field::new("audit", key);
    field("keep").set(raw.keep, &mut audit.keep, problems, |keep| {
        value::duration(keep, DAY..=3650 * DAY).ok_or(Fault::Wants)
    });
    field("max_size").set(raw.max_size, &mut audit.max_size, problems, |size| {
        value::size(size, 8 << 20..=1000 << 30).ok_or(Fault::Wants)
    });
    flag(raw.syslog, &mut audit.syslog);
}

//! [`Raw`] → [`Config`]: every value is checked, and every problem is noted at its place.

mod access;
mod attach;
mod desktops;
mod environment;
mod listeners;
mod place;
mod server;
mod x_args;

use super::Config;
use super::parse::shown;
use super::problems::Problems;
use super::raw::{self, Raw};
use super::value;
use place::{Fault, Field, absolute, flag};

/// Puts what `raw` says into `config`, which holds the defaults.
pub(super) fn check(raw: Raw, config: &mut Config, problems: &mut Problems<'_>) {
    let short_at = raw.server.listen.as_ref().map(toml::Spanned::span);
    server::server(raw.server, &mut config.server, problems);
    listeners::sections(raw.listen, short_at, &mut config.server, problems);
    server::sign_in(raw.sign_in, &mut config.sign_in, problems);
    access::access(raw.access, &mut config.access, problems);
    desktops::desktops(raw.desktops, &mut config.desktops, problems);
    config.desktops.profiles = desktops::profiles(raw.profile, problems);
    config.attach = attach::attached(raw.attach, problems);
    brand(raw.brand, &mut config.brand, problems);
    paths(raw.paths, &mut config.paths, problems);
    log(raw.log, &mut config.log, problems);
}

fn brand(raw: raw::Brand, brand: &mut super::Brand, problems: &mut Problems<'_>) {
    let field = |key| Field::new("brand", key);
    field("name").set(raw.name, &mut brand.name, problems, |name| {
        value::line(name, 60).ok_or(Fault::Wants)
    });
    field("accent").set(raw.accent, &mut brand.accent, problems, |colour| {
        value::colour(colour).map(Some).ok_or(Fault::Wants)
    });
    field("notice").set(raw.notice, &mut brand.notice, problems, |notice| {
        if notice.chars().count() <= 1000 {
            Ok(Some(notice.clone()).filter(|text| !text.trim().is_empty()))
        } else {
            Err(Fault::Wants)
        }
    });
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

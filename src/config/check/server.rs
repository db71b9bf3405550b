//! `[server]` and `[sign_in]`: where the front listens and how people get in.

use std::time::Duration;

use super::listeners;
use super::place::{Fault, Field, absolute, flag, number};
use crate::config::problems::Problems;
use crate::config::{Server, SignIn, raw, value};

const MAX_HOSTS: usize = 100;
const MAX_TRUSTED_PROXIES: usize = 100;

pub(super) fn server(raw: raw::Server, server: &mut Server, problems: &mut Problems<'_>) {
    let field = |key| Field::new("server", key);
    listeners::short(raw.listen, &mut server.listen, problems);
    field("base_path").set(raw.base_path, &mut server.base_path, problems, |path| {
        value::parse_base_path(path).map_err(|_| Fault::Wants)
    });
    server.hosts = field("hosts").list(raw.hosts, MAX_HOSTS, problems, |name| {
        value::host_name(name).ok_or(Fault::Wants)
    });
    server.trusted_proxies =
        field("trusted_proxies").list(raw.trusted_proxies, MAX_TRUSTED_PROXIES, problems, |text| {
            text.parse().map_err(|_| Fault::Wants)
        });
    let limits_at = raw
        .max_connections_per_address
        .as_ref()
        .or(raw.max_connections.as_ref())
        .map(toml::Spanned::span);
    field("max_connections").set(
        raw.max_connections,
        &mut server.max_connections,
        problems,
        |max| number(*max, 1..=1_000_000),
    );
    // The default follows a smaller total, so that setting one of the two is enough.
    server.max_connections_per_address = server
        .max_connections_per_address
        .min(server.max_connections);
    field("max_connections_per_address").set(
        raw.max_connections_per_address,
        &mut server.max_connections_per_address,
        problems,
        |max| number(*max, 1..=1_000_000),
    );
    if let Some(place) =
        limits_at.filter(|_| server.max_connections_per_address > server.max_connections)
    {
        let is = format!("is {}", server.max_connections_per_address);
        let because = Fault::Because(format!(
            "write at most `max_connections`, which is {}",
            server.max_connections
        ));
        field("max_connections_per_address").refuse(&place, &is, because, problems);
    }
}

pub(super) fn sign_in(raw: raw::SignIn, sign_in: &mut SignIn, problems: &mut Problems<'_>) {
    const DAY: Duration = Duration::from_hours(24);
    let field = |key| Field::new("sign_in", key);
    let switches = raw
        .local
        .as_ref()
        .or(raw.pam.as_ref())
        .map(toml::Spanned::span);
    flag(raw.pam, &mut sign_in.pam);
    flag(raw.local, &mut sign_in.local);
    if let Some(place) = switches.filter(|_| !sign_in.pam && !sign_in.local) {
        let because =
            Fault::Because("nobody could sign in: set `pam` or `local` to true".to_owned());
        field("local").refuse(&place, "is false, and so is `pam`", because, problems);
    }
    field("pam_service").set(
        raw.pam_service,
        &mut sign_in.pam_service,
        problems,
        |name| {
            let fits = (1..=64).contains(&name.len())
                && name
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
                && !name.starts_with('.');
            if fits {
                Ok(name.clone())
            } else {
                Err(Fault::Wants)
            }
        },
    );
    field("pam_dir").set(raw.pam_dir, &mut sign_in.pam_dir, problems, |path| {
        absolute(path).map(Some)
    });
    field("lifetime").set(raw.lifetime, &mut sign_in.lifetime, problems, |text| {
        value::duration(text, Duration::from_mins(1)..=30 * DAY).ok_or(Fault::Wants)
    });
    field("recheck").set(raw.recheck, &mut sign_in.recheck, problems, |text| {
        value::duration(text, Duration::from_secs(1)..=Duration::from_hours(1)).ok_or(Fault::Wants)
    });
    field("tries_per_minute").set(
        raw.tries_per_minute,
        &mut sign_in.tries_per_minute,
        problems,
        |tries| number(*tries, 1..=1000),
    );
}

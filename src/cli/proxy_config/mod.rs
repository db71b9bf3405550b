//! `deskway proxy-config`: a reverse proxy's configuration for the Deskway that is set up here.
//!
//! The configuration alone goes to standard output; what `deskway.toml` lacks for it goes to
//! standard error.

mod lacking;
mod way;

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use super::{Error, ProxyConfig, out};
use crate::config::{self, Config, Overrides};
use crate::templates::{Proxy, ProxyValues, TemplateError, Templates, Upstream, Value};

/// # Errors
/// When the configuration or the template is wrong, or the proxy cannot reach Deskway.
pub fn run(args: &ProxyConfig) -> Result<(), Error> {
    let (config, _) = config::load(args.config.as_deref(), &Overrides::default())?;
    let templates = Templates::load(config.paths.templates_dir.as_deref())?;
    let values = values(args, &config)?;
    let text = printed(&templates, args.proxy, &values)?;
    // When standard error is closed there is nobody to tell.
    _ = std::io::stderr().write_all(lacking::said(args.proxy, &values, &config).as_bytes());
    out::print(&text)
}

fn printed(
    templates: &Templates,
    proxy: Proxy,
    values: &ProxyValues,
) -> Result<String, TemplateError> {
    let mut text = templates.render(proxy.template(), &values.values())?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

/// What the proxy's template is given when nothing is asked for on the command line.
pub(super) fn default_values(proxy: Proxy, config: &Config) -> Result<Value, Error> {
    let args = ProxyConfig {
        proxy,
        config: None,
        base_path: None,
        name: None,
        listen: None,
        cert: None,
        key: None,
        upstream: None,
        site: false,
    };
    Ok(values(&args, config)?.values())
}

fn values(args: &ProxyConfig, config: &Config) -> Result<ProxyValues, Error> {
    let upstream = match &args.upstream {
        Some(given) => given.clone(),
        None => way::to(args.proxy, config)?,
    };
    if let Upstream::Unix(path) = &upstream {
        if args.proxy == Proxy::Traefik {
            return Err(Error::NoUnixSocket { proxy: args.proxy });
        }
        fits(Path::new(path))?;
    }
    let tls = match (&args.cert, &args.key) {
        (Some(cert), Some(key)) => Some((fits(cert)?, fits(key)?)),
        _ => None,
    };
    let base = args.base_path.as_ref().unwrap_or(&config.server.base_path);
    Ok(ProxyValues {
        command: command(args),
        upstream,
        base: base.clone(),
        name: args.name.clone(),
        listen: args.listen,
        tls,
        site: args.site,
    })
}

/// The path as text, when it needs no quotes in any proxy's configuration.
fn fits(path: &Path) -> Result<String, Error> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    if ProxyValues::fits(&path) {
        Ok(path.display().to_string())
    } else {
        Err(Error::UnfitPath { path })
    }
}

/// The command line that asks for the same once more.
fn command(args: &ProxyConfig) -> String {
    let mut line = format!("deskway proxy-config {}", args.proxy);
    let mut flag = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            // Writing to a string never fails.
            _ = write!(line, " --{name} {value}");
        }
    };
    let path = |path: &Option<std::path::PathBuf>| Some(path.as_ref()?.display().to_string());
    flag("base-path", args.base_path.clone());
    flag("name", args.name.clone());
    flag("listen", args.listen.map(|listen| listen.to_string()));
    flag("cert", path(&args.cert));
    flag("key", path(&args.key));
    flag("upstream", args.upstream.as_ref().map(way::shown));
    if args.site {
        line.push_str(" --site");
    }
    line.replace(char::is_control, "?")
}

/// Reads `--upstream`.
///
/// # Errors
/// A sentence that says what would be right.
pub(super) fn parse_upstream(text: &str) -> Result<Upstream, String> {
    way::parse(text)
}

/// Reads where the proxy listens.
///
/// # Errors
/// A sentence with an example.
pub(super) fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!(
            "`{text}` is no address to listen on: write IP:PORT such as 0.0.0.0:443 or [::]:443"
        )
    })
}

/// Reads the name of a proxy.
///
/// # Errors
/// A sentence that names all.
pub(super) fn parse_proxy(text: &str) -> Result<Proxy, String> {
    let found = Proxy::ALL.into_iter().find(|proxy| proxy.name() == text);
    found.ok_or_else(|| {
        let names = Proxy::ALL.map(Proxy::name).join(", ");
        format!("there is no configuration for `{text}`: write one of {names}")
    })
}

#[cfg(test)]
mod tests;

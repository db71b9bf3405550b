//! `[tls]`, and `tls_cert` and `tls_key` in `[server]`.

use std::collections::BTreeSet;

use toml::Spanned;

use super::place::{Fault, Field, absolute};
use crate::config::problems::Problems;
use crate::config::raw;
use crate::config::value;
use crate::config::{Acme, Tls, TlsFiles};

const MAX_CERTIFICATES: usize = 32;
/// Let's Encrypt takes no more in one certificate.
const MAX_DOMAINS: usize = 100;
const MAX_CONTACTS: usize = 10;
const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// The pair of `[server]`.
pub(super) fn main(
    cert: raw::Value<String>,
    key: raw::Value<String>,
    problems: &mut Problems<'_>,
) -> Option<TlsFiles> {
    let cert_field = Field::new("server", "tls_cert");
    let key_field = Field::new("server", "tls_key");
    let lone = match (&cert, &key) {
        (Some(cert), None) => Some((cert_field, cert.span(), "tls_key")),
        (None, Some(key)) => Some((key_field, key.span(), "tls_cert")),
        _ => None,
    };
    if let Some((field, place, other)) = lone
        && !problems.has(&Field::new("server", other).path())
    {
        let because = Fault::Because(format!("write `{other}` too"));
        field.refuse(&place, "stands alone", because, problems);
    }
    let cert = cert_field.value(cert, problems, |path| absolute(path));
    let key = key_field.value(key, problems, |path| absolute(path));
    cert.zip(key).map(|(cert, key)| TlsFiles { cert, key })
}

pub(super) fn tls(raw: raw::Tls, tls: &mut Tls, problems: &mut Problems<'_>) {
    let field = Field::new("tls", "certificates");
    if let Some(surplus) = raw.certificates.get(MAX_CERTIFICATES) {
        let because = Fault::Because(format!("write at most {MAX_CERTIFICATES}"));
        field.refuse(&surplus.span(), "has too many entries", because, problems);
    }
    let pairs = raw.certificates.into_iter().take(MAX_CERTIFICATES);
    tls.certificates = pairs.filter_map(|entry| pair(entry, problems)).collect();
    tls.acme = raw.acme.and_then(|section| acme(section, problems));
}

fn pair(entry: Spanned<raw::Pair>, problems: &mut Problems<'_>) -> Option<TlsFiles> {
    let field = Field::new("tls", "certificates");
    let place = entry.span();
    let raw = entry.into_inner();
    let mut path = |name: &str, value: raw::Value<String>| {
        let Some(value) = value else {
            let is = format!("has an entry without `{name}`");
            field.refuse(&place, &is, Fault::Wants, problems);
            return None;
        };
        field.value(Some(value), problems, |path| absolute(path))
    };
    let cert = path("cert", raw.cert);
    let key = path("key", raw.key);
    cert.zip(key).map(|(cert, key)| TlsFiles { cert, key })
}

fn acme(section: Spanned<raw::Acme>, problems: &mut Problems<'_>) -> Option<Acme> {
    let field = Field::new("tls", "acme");
    let place = section.span();
    let raw = section.into_inner();
    if raw.domains.is_empty() {
        let because = Fault::Because(
            "write domains = [\"desk.example.org\"], the names to order a certificate for"
                .to_owned(),
        );
        field.refuse(&place, "has no `domains`", because, problems);
    }
    let mut seen = BTreeSet::new();
    let domains = field.list(raw.domains, MAX_DOMAINS, problems, |text| {
        let name = domain(text).ok_or_else(|| {
            Fault::Because(
                "a domain is a name such as \"desk.example.org\", without `*`, and no address"
                    .to_owned(),
            )
        })?;
        if seen.insert(name.clone()) {
            Ok(name)
        } else {
            Err(Fault::Because(
                "it stands there twice: write it once".to_owned(),
            ))
        }
    });
    let contact = field.list(raw.contact, MAX_CONTACTS, problems, |text| {
        let fits = text.starts_with("mailto:") && text.contains('@') && is_plain(text);
        fits.then(|| text.to_owned()).ok_or_else(|| {
            Fault::Because("a contact is written as \"mailto:admin@example.org\"".to_owned())
        })
    });
    let mut directory = LETS_ENCRYPT.to_owned();
    field.set(raw.directory, &mut directory, problems, |text| {
        let fits = url::Url::parse(text).is_ok_and(|url| url.scheme() == "https" && url.has_host());
        fits.then(|| text.clone()).ok_or_else(|| {
            Fault::Because(format!(
                "`directory` is an address that begins with https://, such as {LETS_ENCRYPT}"
            ))
        })
    });
    let ca_file = field.value(raw.ca_file, problems, |path| {
        absolute(path).map_err(|_| {
            Fault::Because("`ca_file` is the path of a PEM file, from `/` on".to_owned())
        })
    });
    (!domains.is_empty()).then_some(Acme {
        domains,
        contact,
        directory,
        ca_file,
    })
}

/// A name that an authority can look up: more than a number, no wildcard, which only DNS could
/// prove.
fn domain(text: &str) -> Option<String> {
    let name = value::host_name(text)?;
    let is_number = name
        .split('.')
        .all(|label| label.bytes().all(|it| it.is_ascii_digit()));
    (!is_number && is_plain(text) && !name.contains('_')).then_some(name)
}

fn is_plain(text: &str) -> bool {
    text.len() <= 253 && text.bytes().all(|byte| byte.is_ascii_graphic())
}

//! The session cookie: the handle that the launcher gave at sign-in, and nothing else.
//!
//! On https its name starts with `__Host-`, so that no other host and no plain page can set it.
//! In the clear browsers refuse that, hence a name of its own.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::header::{COOKIE, HeaderMap, HeaderValue};
use sha2::{Digest, Sha256};
use zeroize::Zeroize;

use crate::launcher::protocol::Handle;
use crate::model::Scheme;

/// Most bytes of `Cookie` headers that are looked through.
const MAX_COOKIES: usize = 8 * 1024;

/// The handle that the browser presents. `None` when it presents none, or several that differ:
/// then one of them was planted, and nobody can say which.
pub fn handle_from_cookies(headers: &HeaderMap, scheme: Scheme) -> Option<Handle> {
    let name = cookie_name(scheme);
    let mut found: Option<&str> = None;
    let mut seen = 0;
    for header in headers.get_all(COOKIE) {
        seen += header.len();
        if seen > MAX_COOKIES {
            return None;
        }
        let pairs = header.to_str().ok()?.split(';');
        for (key, value) in pairs.filter_map(|pair| pair.trim().split_once('=')) {
            if key == name && found.is_some_and(|other| other != value) {
                return None;
            }
            if key == name {
                found = Some(value);
            }
        }
    }
    let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(found?).ok()?;
    let handle = <[u8; 32]>::try_from(bytes.as_slice()).ok().map(Handle::new);
    bytes.zeroize();
    handle
}

/// The cookie of a new sign-in, which the browser keeps `max_age` seconds.
pub fn set_cookie(handle: &Handle, scheme: Scheme, max_age: u64) -> HeaderValue {
    let value = BASE64_URL_SAFE_NO_PAD.encode(handle.expose());
    cookie(scheme, &value, max_age)
}

/// Takes the cookie away.
pub fn clear_cookie(scheme: Scheme) -> HeaderValue {
    cookie(scheme, "", 0)
}

/// What is stored and compared in place of the handle: its SHA-256.
pub fn handle_hash(handle: &Handle) -> [u8; 32] {
    Sha256::digest(handle.expose()).into()
}

/// What the cookie is called over that scheme.
pub fn cookie_name(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Https => "__Host-deskway",
        Scheme::Http => "deskway_local",
    }
}

fn cookie(scheme: Scheme, value: &str, max_age: u64) -> HeaderValue {
    let name = cookie_name(scheme);
    let secure = if scheme.is_secure() { "; Secure" } else { "" };
    let text =
        format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={max_age}{secure}");
    let mut header = HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""));
    header.set_sensitive(true);
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(cookies: &[&str]) -> HeaderMap {
        cookies
            .iter()
            .map(|cookie| (COOKIE, HeaderValue::from_str(cookie).unwrap()))
            .collect()
    }

    fn presented(handle: &Handle, scheme: Scheme) -> String {
        let set = set_cookie(handle, scheme, 60);
        set.to_str().unwrap().split(';').next().unwrap().to_owned()
    }

    #[test]
    fn the_cookie_comes_back_as_the_handle() {
        for scheme in [Scheme::Http, Scheme::Https] {
            let cookie = presented(&Handle::new([7; 32]), scheme);
            let line = format!("a=b; {cookie}; c=d");
            let handle = handle_from_cookies(&headers(&[&line]), scheme).unwrap();
            assert_eq!(handle.expose(), &[7; 32]);
        }
    }

    #[test]
    fn the_cookie_of_plain_http_is_none_on_https() {
        let cookie = presented(&Handle::new([7; 32]), Scheme::Http);
        assert!(handle_from_cookies(&headers(&[&cookie]), Scheme::Https).is_none());
    }

    #[test]
    fn two_handles_are_none() {
        let one = presented(&Handle::new([1; 32]), Scheme::Http);
        let two = presented(&Handle::new([2; 32]), Scheme::Http);
        assert!(handle_from_cookies(&headers(&[&one, &two]), Scheme::Http).is_none());
        assert!(handle_from_cookies(&headers(&[&one, &one]), Scheme::Http).is_some());
    }

    #[test]
    fn what_is_no_handle_is_none() {
        for value in [
            "",
            "abc",
            "!!!!",
            &"A".repeat(42),
            &"A".repeat(44),
            &"A".repeat(9000),
        ] {
            let line = format!("deskway_local={value}");
            assert!(
                handle_from_cookies(&headers(&[&line]), Scheme::Http).is_none(),
                "{value}"
            );
        }
    }

    #[test]
    fn on_https_the_cookie_has_every_flag() {
        let cookie = set_cookie(&Handle::new([7; 32]), Scheme::Https, 60);
        let text = cookie.to_str().unwrap();
        assert!(text.starts_with("__Host-deskway="), "{text}");
        for flag in ["; Path=/", "; HttpOnly", "; SameSite=Strict", "; Secure"] {
            assert!(text.contains(flag), "{text}");
        }
    }
}

//! The first steps: to the address, and wherever it sends a browser on.

use http::header::{ACCEPT, LOCATION};
use http::{HeaderMap, HeaderValue};
use url::Url;

use super::Finding;
use super::door::{DoorError, Facts};
use super::mend::Lack;
use super::proxy::recognise;
use super::request::{self, Answer, Failure};

const WAY: &str = "way in";
/// How often a browser may be sent on.
const MAX_REDIRECTS: usize = 5;

/// Where a browser arrives.
#[derive(Debug)]
pub(super) struct Landing {
    pub(super) url: Url,
    pub(super) answer: Answer,
    pub(super) facts: Facts,
}

/// What else is to be known of the place for words about it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ground<'a> {
    /// Where Deskway listens.
    pub(super) upstream: &'a str,
    /// The configuration's base path.
    pub(super) configured_base: &'a str,
}

/// Goes where a browser would. `start` ends with a slash. No landing: the way ends before.
pub(super) async fn walk(start: &Url, ground: Ground<'_>) -> (Option<Landing>, Vec<Finding>) {
    let mut findings = Vec::new();
    let mut url = start.clone();
    for _ in 0..=MAX_REDIRECTS {
        let html = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("text/html"))]);
        let (answer, facts) = match request::get(&url, html).await {
            Ok(answered) => answered,
            Err(failure) => {
                findings.push(shut(&url, &failure));
                return (None, findings);
            }
        };
        let location = answer.headers.get(LOCATION);
        let Some(location) = location.filter(|_| answer.status.is_redirection()) else {
            let landing = Landing { url, answer, facts };
            return (Some(landing), findings);
        };
        let next = location.to_str().ok().and_then(|to| url.join(to).ok());
        let Some(next) = next else {
            let found = format!("{url} sends browsers to what is no address: {location:?}");
            findings.push(Finding::wrong(WAY, found, "correct the redirect"));
            return (None, findings);
        };
        match step(start, &url, &next, &answer, ground) {
            Ok(said) => findings.extend(said),
            Err(finding) => {
                findings.push(finding);
                return (None, findings);
            }
        }
        url = next;
    }
    findings.push(Finding::wrong(
        WAY,
        format!("{start} sends browsers on more than {MAX_REDIRECTS} times"),
        "have one of http and https sent on to the other, by the proxy alone",
    ));
    (None, findings)
}

/// Whether to go on to `next`.
fn step(
    start: &Url,
    url: &Url,
    next: &Url,
    answer: &Answer,
    ground: Ground<'_>,
) -> Result<Option<Finding>, Finding> {
    if next.host() != start.host() {
        return Err(Finding::wrong(
            WAY,
            format!("{url} sends browsers to another host: {next}"),
            "give --url that address if it is meant, or correct the redirect",
        ));
    }
    let base = start.path().trim_end_matches('/');
    if !below(next.path(), base) {
        let proxy = recognise(answer);
        let mend = if ground.configured_base == base {
            "correct the proxy's redirect".to_owned()
        } else {
            let passed = proxy.mend(Lack::BasePath, ground.upstream, base);
            format!("write `base_path = \"{base}\"` under [server]; then {passed}")
        };
        let found = format!("{url} sends browsers to {next}, which loses the base path {base}");
        return Err(Finding::wrong(WAY, found, mend));
    }
    match (url.scheme(), next.scheme()) {
        ("http", "https") => Ok(Some(Finding::fine(WAY, format!("{url} leads to {next}")))),
        ("https", "http") => Err(Finding::wrong(
            WAY,
            format!("{url} sends browsers from https back to http: {next}"),
            "correct the redirect",
        )),
        _ if url.port() != next.port() => Ok(Some(Finding::note(
            WAY,
            format!("{url} sends browsers to another port: {next}"),
            "correct the redirect if that is not meant",
        ))),
        _ => Ok(None),
    }
}

/// Whether `path` is `base` or below it.
fn below(path: &str, base: &str) -> bool {
    path.strip_prefix(base)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn shut(url: &Url, failure: &Failure) -> Finding {
    let mend = match failure {
        Failure::Door(DoorError::Name { .. } | DoorError::NoHost) => {
            "correct the name, or its record in DNS".to_owned()
        }
        Failure::Door(DoorError::Tls { .. }) => {
            "the log of what listens there says why; TLS 1.2 or newer is needed".to_owned()
        }
        Failure::Door(_) => {
            let port = url.port_or_known_default().unwrap_or_default();
            format!("start what listens there, and let port {port} through the firewall")
        }
        _ => "the log of what listens there says more".to_owned(),
    };
    Finding::wrong(WAY, format!("{url}: {failure}"), mend)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::StatusCode;

    use super::super::State;
    use super::*;

    fn step_to(start: &str, to: &str) -> (Option<State>, String) {
        let start = Url::parse(start).unwrap();
        let next = start.join(to).unwrap();
        let answer = Answer {
            status: StatusCode::FOUND,
            headers: HeaderMap::from_iter([(
                http::header::SERVER,
                HeaderValue::from_static("nginx"),
            )]),
            body: Bytes::new(),
        };
        let ground = Ground {
            upstream: "127.0.0.1:6080",
            configured_base: "",
        };
        let said = step(&start, &start, &next, &answer, ground);
        let finding = said.unwrap_or_else(Some);
        let state = finding.as_ref().map(|finding| finding.state);
        (
            state,
            finding.map_or_else(String::new, |finding| finding.to_string()),
        )
    }

    #[test]
    fn to_https_and_deeper_is_fine() {
        let (state, _) = step_to("http://desk.example/desk/", "https://desk.example/desk/");
        assert_eq!(state, Some(State::Fine));
        let (state, _) = step_to("http://desk.example/", "/sign-in?next=/");
        assert_eq!(state, None);
    }

    #[test]
    fn another_host_back_to_http_and_out_of_the_base_path_are_wrong() {
        for (to, said) in [
            ("https://evil.example/", "another host"),
            ("http://desk.example/desk/", "back to http"),
            ("/sign-in?next=/", "loses the base path /desk"),
            ("/desktop/", "base_path = \"/desk\""),
            ("/desktop/", "proxy_pass http://127.0.0.1:6080;"),
        ] {
            let (state, line) = step_to("https://desk.example/desk/", to);
            assert_eq!(state, Some(State::Wrong), "{line}");
            assert!(line.contains(said), "{line}");
        }
    }
}

//! Is it Deskway that answers, this one, and at this path?

use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Deserialize;

use super::mend::Lack;
use super::request;
use super::walk::Landing;
use super::{Finding, Way};

const DESKWAY: &str = "Deskway";
const BASE: &str = "base path";
const OWN_VERSION: &str = env!("CARGO_PKG_VERSION");

/// What each page of Deskway's says of itself.
#[derive(Debug, Deserialize)]
struct Boot {
    base: String,
    version: String,
}

/// An error in Deskway's API.
#[derive(Debug, Deserialize)]
struct ApiError {
    error: Code,
}

#[derive(Debug, Deserialize)]
struct Code {
    code: String,
}

/// What answered, and whether it is worth while to ask it more.
pub(super) async fn identify(way: &Way, landing: &Landing) -> (Vec<Finding>, bool) {
    match (boot(&landing.answer.text()), landing.answer.status) {
        (Some(boot), StatusCode::NOT_FOUND) => (vec![nothing_here(way, Some(&boot.base))], false),
        (_, StatusCode::MISDIRECTED_REQUEST) => (vec![other_name(way)], false),
        (Some(boot), _) => at_home(way, landing, &boot),
        (None, _) => by_health(way, landing).await,
    }
}

fn at_home(way: &Way, landing: &Landing, boot: &Boot) -> (Vec<Finding>, bool) {
    let path = landing.url.path();
    let landed = path.strip_suffix("/sign-in").unwrap_or(path);
    let landed = landed.trim_end_matches('/');
    let version = if release(&boot.version) == OWN_VERSION {
        Finding::fine(DESKWAY, format!("version {}", boot.version))
    } else {
        Finding::note(
            DESKWAY,
            format!(
                "version {} answers, and this is the doctor of {OWN_VERSION}",
                boot.version
            ),
            "restart Deskway if it was upgraded",
        )
    };
    if boot.base != landed {
        return (vec![version, nothing_here(way, Some(&boot.base))], false);
    }
    let given = way.base();
    let base = if landed != given {
        Finding::note(
            BASE,
            format!("{given}/ leads to {landed}/, where Deskway is"),
            format!("give --url the address with {landed}/"),
        )
    } else if way.key.is_some() && way.configured_base != landed {
        Finding::note(
            BASE,
            format!(
                "{landed}/, but the configuration has {}/",
                way.configured_base
            ),
            "restart Deskway if the configuration is newer, or give the one that it runs with",
        )
    } else {
        Finding::fine(BASE, format!("{landed}/"))
    };
    (vec![version, base], landed == given)
}

/// Without a word in the page, by what programs are told.
async fn by_health(way: &Way, landing: &Landing) -> (Vec<Finding>, bool) {
    let json = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]);
    let health = request::get(&way.at("healthz"), json).await;
    let health = health.map(|(answer, _)| answer);
    let code = health
        .as_ref()
        .ok()
        .and_then(|answer| serde_json::from_slice::<ApiError>(&answer.body).ok())
        .map(|error| error.error.code);
    let healthy = |answer: &request::Answer| answer.status.is_success() && answer.body == "ok";
    match (&health, code.as_deref(), landing.answer.status) {
        (Ok(answer), _, _) if healthy(answer) => (vec![Finding::fine(DESKWAY, "it answers")], true),
        (Ok(answer), Some(_), _) if answer.status == StatusCode::MISDIRECTED_REQUEST => {
            (vec![other_name(way)], false)
        }
        (_, Some("not_found"), _) => (vec![nothing_here(way, None)], false),
        (
            _,
            _,
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT,
        ) => {
            let found = format!(
                "{} does not reach it: {}",
                way.proxy.name(),
                landing.answer.described()
            );
            let mend = format!(
                "start Deskway (`deskway doctor` says what it lacks), and have {} connect to {}",
                way.proxy.name(),
                way.upstream
            );
            (vec![Finding::wrong(DESKWAY, found, mend)], false)
        }
        _ => {
            let found = format!("another server answers: {}", landing.answer.described());
            let mend = format!(
                "correct the address, or have {} pass {}/ on to {}",
                way.proxy.name(),
                way.base(),
                way.upstream
            );
            (vec![Finding::wrong(DESKWAY, found, mend)], false)
        }
    }
}

/// Deskway answers, and there is nothing of it at this path. `its`: its own base path.
fn nothing_here(way: &Way, its: Option<&str>) -> Finding {
    let given = way.base();
    let its = its.unwrap_or(&way.configured_base);
    if its == given {
        return Finding::wrong(
            BASE,
            format!(
                "Deskway is asked for another path than {given}/: the base path is lost on the way"
            ),
            way.mend(Lack::BasePath),
        );
    }
    Finding::wrong(
        BASE,
        format!("Deskway takes itself to be at {its}/, not at {given}/"),
        format!(
            "give --url the address with {its}/, or write `base_path = \"{given}\"` under \
             [server]; then {}",
            way.mend(Lack::BasePath)
        ),
    )
}

fn other_name(way: &Way) -> Finding {
    let host = way.site.host_str().unwrap_or_default();
    Finding::wrong(
        "host",
        "Deskway does not go by the name with which the request reaches it",
        format!(
            "write `hosts = [\"{host}\"]` under [server]; where that stands already, {}",
            way.mend(Lack::Host)
        ),
    )
}

/// A version without the build behind its `+`, which the pages' files have in theirs.
fn release(version: &str) -> &str {
    version
        .split_once('+')
        .map_or(version, |(release, _)| release)
}

fn boot(page: &str) -> Option<Boot> {
    let (_, after) = page.split_once("id=\"boot\">")?;
    let (json, _) = after.split_once("</script>")?;
    serde_json::from_str(json).ok()
}

#[cfg(test)]
mod tests {
    use super::super::door::Facts;
    use super::super::proxy::Proxy;
    use super::super::trust::Trust;
    use super::super::{State, parse_url};
    use super::*;

    #[test]
    fn the_same_release_is_no_other_whatever_its_files_are() {
        let way = Way {
            site: parse_url("http://127.0.0.1/desk/").unwrap(),
            key: None,
            trust: Trust::nobody(),
            proxy: Proxy::Nginx,
            upstream: String::new(),
            configured_base: "/desk".to_owned(),
        };
        let landing = Landing {
            url: way.site.clone(),
            answer: request::Answer {
                status: StatusCode::OK,
                headers: HeaderMap::new(),
                body: bytes::Bytes::new(),
            },
            facts: Facts {
                from: [127, 0, 0, 1].into(),
                to: [127, 0, 0, 1].into(),
                tls: None,
            },
        };
        for (version, state) in [
            (format!("{OWN_VERSION}+5a1b2c3d"), State::Fine),
            (OWN_VERSION.to_owned(), State::Fine),
            ("9.9.9+5a1b2c3d".to_owned(), State::Note),
        ] {
            let boot = Boot {
                base: "/desk".to_owned(),
                version,
            };
            let (findings, go_on) = at_home(&way, &landing, &boot);
            assert!(go_on, "{findings:?}");
            assert_eq!(findings[0].state, state, "{findings:?}");
        }
    }
}

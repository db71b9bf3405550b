//! What a Prometheus reads: that it can, that it counts, and that nobody else reads it.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use deskway::launcher::protocol::{FromLauncher, Measure, Totals};
use deskway::model::{Census, DesktopState, EndCause, Stage};

use super::browser::Response;
use super::{Browser, House};
use crate::support::soon;

const SOCKET: &str = "/d/alice/websockify";
/// Reads standard input as Prometheus does, and says every metric's name, kind and help.
const PARSER: &str = "
import sys
from prometheus_client.openmetrics.parser import text_fd_to_metric_families as families
for family in families(sys.stdin):
    assert family.documentation, family.name
    print(family.name, family.type, len(family.samples))
";
const PLAIN_PARSER: &str = "
import sys
from prometheus_client.parser import text_fd_to_metric_families as families
for family in families(sys.stdin):
    assert family.documentation, family.name
    print(family.name, family.type, len(family.samples))
";

/// One sample's value.
fn sample(text: &str, of: &str) -> f64 {
    let line = text.lines().find(|it| it.starts_with(&format!("{of} ")));
    let line = line.unwrap_or_else(|| panic!("no {of} in:\n{text}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// What comes out of Debian's Python with `text` as its input.
fn python(script: &str, text: &str) -> String {
    let mut python = Command::new("/usr/bin/python3");
    python.args(["-c", script]);
    python.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut python = python.spawn().unwrap();
    let mut input = python.stdin.take().unwrap();
    input.write_all(text.as_bytes()).unwrap();
    drop(input);
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "cannot be read:\n{text}");
    String::from_utf8(output.stdout).unwrap()
}

async fn scrape(browser: &Browser) -> String {
    let answer = browser.get("/metrics").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

/// Waits until a metric has a value.
async fn until(browser: &Browser, metric: &str, value: f64) -> String {
    soon(async {
        loop {
            let text = scrape(browser).await;
            if (sample(&text, metric) - value).abs() < 1e-9 {
                return text;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

/// What the launcher sees of such a day.
async fn tell_all(house: &House) {
    let launcher = house.launcher();
    let (stage, millis) = (Stage::Session, 700);
    for measure in [
        Measure::Started { stage, millis },
        Measure::Ended {
            cause: "logged_out".to_owned(),
        },
        Measure::SignInRefused {
            why: "wrong".to_owned(),
        },
    ] {
        launcher.say(FromLauncher::Measured(measure)).await;
    }
    let desktops = Census {
        ready: 2,
        frozen: 1,
        ..Census::default()
    };
    let totals = Totals {
        desktops,
        sign_ins: 5,
        ..Totals::default()
    };
    launcher.say(FromLauncher::Totals(totals)).await;
}

/// What is counted of it.
const COUNTED: &[(&str, f64)] = &[
    ("deskway_sign_ins_total", 1.0),
    ("deskway_sign_ins_refused_total{reason=\"wrong\"}", 1.0),
    ("deskway_desktops{state=\"ready\"}", 2.0),
    ("deskway_desktops{state=\"frozen\"}", 1.0),
    ("deskway_desktop_ends_total{cause=\"logged_out\"}", 1.0),
    (
        "deskway_desktop_start_seconds_count{stage=\"session\"}",
        1.0,
    ),
    (
        "deskway_desktop_start_seconds_bucket{le=\"0.5\",stage=\"session\"}",
        0.0,
    ),
    (
        "deskway_desktop_start_seconds_bucket{le=\"1.0\",stage=\"session\"}",
        1.0,
    ),
    ("deskway_viewer_ends_total{cause=\"left\"}", 1.0),
    ("deskway_http_errors_total{kind=\"not_found\"}", 1.0),
    (
        "deskway_http_requests_total{route=\"page\",status=\"4xx\"}",
        1.0,
    ),
    (
        "deskway_http_requests_total{route=\"websocket\",status=\"1xx\"}",
        1.0,
    ),
    (
        "deskway_http_requests_total{route=\"sign_in\",status=\"3xx\"}",
        1.0,
    ),
    ("deskway_launcher_connected", 1.0),
];

#[tokio::test]
async fn a_day_at_the_office_is_counted_and_names_nobody() {
    let mut house = House::open().await;
    let watcher = house.browser();
    let mut guest = house.browser();
    assert_eq!(guest.sign_in("alice", "wrong").await.status, 401);
    let alice = house.alice().await;
    assert_eq!(alice.get("/d/bob/").await.status, 404);
    let mut socket = alice.websocket(SOCKET).await;
    let (_, mut screen) = house.screens.next().await;
    let hands = async { tokio::join!(screen.shake_hands(), socket.shake_hands(1)) };
    assert!(soon(hands).await.1.is_ok());
    let text = until(&watcher, "deskway_viewers", 1.0).await;
    let carried = |way| format!("deskway_viewer_bytes_total{{direction=\"{way}\"}}");
    assert!(sample(&text, &carried("to_browser")) > 12.0);
    assert!(sample(&text, &carried("from_browser")) > 12.0);
    assert!(sample(&text, "deskway_http_connections") >= 2.0);
    soon(socket.send_close(1000)).await.unwrap();
    until(&watcher, "deskway_viewers", 0.0).await;

    tell_all(&house).await;
    let text = until(&watcher, "deskway_sign_ins_live", 5.0).await;
    for (metric, value) in COUNTED {
        let counted = sample(&text, metric);
        assert!(
            (counted - *value).abs() < 1e-9,
            "{metric}: {counted}\n{text}"
        );
    }
    let names = python(PARSER, &text);
    assert!(names.contains("deskway_build info 1"), "{names}");
    assert!(
        names.contains("deskway_desktop_start_seconds histogram"),
        "{names}"
    );
    for name in ["alice", "bob", "127.0.0.1", "wonderland"] {
        assert!(!text.contains(name), "{name} in:\n{text}");
    }
}

#[tokio::test]
async fn crashes_and_refusals_are_counted_by_cause() {
    let mut house = House::open().await;
    let (alice, watcher) = (house.alice().await, house.browser());
    let log = String::new();
    let cause = EndCause::AgentDied;
    let crashed = DesktopState::Failed { cause, log, at: 2 };
    let cause = EndCause::Unused { seconds: 60 };
    let unused = DesktopState::Gone { cause, at: 3 };
    let cause = EndCause::HoursUsedUp;
    let used_up = DesktopState::Gone { cause, at: 4 };
    for (state, code, word) in [
        (crashed, 4002, "crashed"),
        (unused, 4001, "unused"),
        (used_up, 4001, "hours_used_up"),
    ] {
        house.world.set("alice", DesktopState::Ready { since: 1 });
        alice.get("/api/v1/desktops").await;
        let mut socket = alice.websocket(SOCKET).await;
        let (_, screen) = house.screens.next().await;
        house.world.set("alice", state);
        house.launcher().say(house.world.desktops_of("alice")).await;
        drop(screen);
        assert_eq!(soon(socket.closed()).await.unwrap().code, Some(code));
        drop(socket);
        let ended = format!("deskway_viewer_ends_total{{cause=\"{word}\"}}");
        soon(async { while !scrape(&watcher).await.contains(&ended) {} }).await;
        until(&watcher, &ended, 1.0).await;
    }
    house.launcher.take().unwrap().kill().await;
    let text = until(&watcher, "deskway_launcher_connected", 0.0).await;
    assert!(text.ends_with("# EOF\n"));
    assert_eq!(watcher.get("/readyz").await.status, 503);
    assert_eq!(watcher.get("/healthz").await.status, 200);
    house.start_launcher();
    until(&watcher, "deskway_launcher_connected", 1.0).await;
    assert_eq!(watcher.get("/readyz").await.status, 200);
}

#[tokio::test]
async fn each_reader_gets_the_format_that_it_knows() {
    let house = House::with(|config| config.server.base_path = "/desk".to_owned(), None).await;
    let mut browser = house.browser();
    browser.base = "/desk".to_owned();
    let kind = |answer: &Response| answer.header("content-type").unwrap().to_owned();
    let answer = browser.get("/metrics").await;
    assert_eq!(
        kind(&answer),
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    let open = python(PARSER, &answer.body);
    let plain = ["Accept: text/plain;version=0.0.4"];
    let answer = browser.ask("GET", "/metrics", &plain, "").await;
    assert_eq!(kind(&answer), "text/plain; version=0.0.4; charset=utf-8");
    let plain = python(PLAIN_PARSER, &answer.body);
    // What was asked first is counted in what is asked then.
    let same = |text: &str| {
        let lines = text
            .lines()
            .filter(|line| !line.contains("_http_") && !line.contains("build"));
        let lines: Vec<_> = lines.map(str::to_owned).collect();
        lines
    };
    assert_eq!(same(&open), same(&plain));
    assert!(plain.contains("deskway_build_info gauge 1"), "{plain}");
}

#[tokio::test]
async fn others_find_nothing_and_a_token_opens() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    std::fs::write(&file, "a token for the metrics\n").unwrap();
    let house = House::with(
        |config| {
            config.server.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
            config.metrics.token_file = Some(file);
            config
                .metrics
                .allow
                .push("198.51.100.0/24".parse().unwrap());
        },
        None,
    )
    .await;
    let browser = house.browser();
    let nothing = browser.get("/nothing").await.body;
    let token = "Authorization: Bearer a token for the metrics";
    let wrong = "Authorization: Bearer a token for the metric";
    let from = |address: &str| format!("X-Forwarded-For: {address}");
    for (headers, allowed) in [
        (vec![], true),
        (vec![from("198.51.100.7")], true),
        // Through the proxy on this machine, which is not the reader's.
        (vec![from("203.0.113.9")], false),
        (vec![from("203.0.113.9"), wrong.to_owned()], false),
        (vec![from("203.0.113.9"), token.to_owned()], true),
        // One that does not say whom it brings.
        (vec!["X-Forwarded-Proto: https".to_owned()], false),
        (
            vec!["X-Forwarded-Proto: https".to_owned(), token.to_owned()],
            true,
        ),
    ] {
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        let answer = browser.ask("GET", "/metrics", &headers, "").await;
        assert_eq!(
            answer.status,
            if allowed { 200 } else { 404 },
            "{headers:?}"
        );
        assert!(allowed || answer.body == nothing, "{headers:?}");
    }
}

#[tokio::test]
async fn who_is_configured_away_finds_nothing_on_this_machine_either() {
    let house = House::with(|config| config.metrics.allow.clear(), None).await;
    assert_eq!(house.browser().get("/metrics").await.status, 404);
}

/// The names that stand in a text.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let ours = words.filter(|word| word.starts_with("deskway_"));
    ours.map(str::to_owned).collect()
}

#[tokio::test]
async fn dashboard_and_alerts_ask_for_what_is_there() {
    let house = House::open().await;
    let alice = house.alice().await;
    // What has labels of its own is there once it has happened.
    assert_eq!(alice.get("/nothing").await.status, 404);
    drop(alice.websocket(SOCKET).await);
    let totals = Totals {
        memory: Some(1),
        cpu_pressure: Some(1),
        ..Totals::default()
    };
    house.launcher().say(FromLauncher::Totals(totals)).await;
    let left = "deskway_viewer_ends_total";
    soon(async { while !scrape(&alice).await.contains(left) {} }).await;
    let there = named(&scrape(&alice).await);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging");
    let dashboard = std::fs::read_to_string(root.join("grafana/deskway.json")).unwrap();
    let rules = std::fs::read_to_string(root.join("prometheus/deskway.rules.yml")).unwrap();
    for (text, least) in [(&dashboard, 15), (&rules, 5)] {
        let asked = named(text);
        let missing: Vec<_> = asked.difference(&there).collect();
        // A certificate of its own is not there in this house.
        let missing: Vec<_> = missing
            .into_iter()
            .filter(|it| *it != "deskway_certificate_end_timestamp_seconds")
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
        assert!(asked.len() >= least, "{asked:?}");
    }
    let read: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    assert!(read["schemaVersion"].as_u64().unwrap() >= 38);
    assert_eq!(read["templating"]["list"][0]["type"], "datasource");
    python(
        "import sys, yaml; assert yaml.safe_load(sys.stdin)['groups']",
        &rules,
    );
}

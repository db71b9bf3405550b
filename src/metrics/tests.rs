//! What is counted, and what a scraper reads of it.

use std::io::Write as _;

use super::*;
use crate::bridge::Traffic;
use crate::model::Census;

fn sample(text: &str, of: &str) -> Option<f64> {
    let line = text
        .lines()
        .find(|line| line.starts_with(&format!("{of} ")))?;
    line.rsplit_once(' ')?.1.parse().ok()
}

#[test]
fn what_the_launcher_tells_is_counted() {
    let metrics = Metrics::new(None);
    metrics.measured(&Measure::Started {
        stage: Stage::Screen,
        millis: 1500,
    });
    for cause in ["stopped", "stopped", "a cause of tomorrow"] {
        let cause = cause.to_owned();
        metrics.measured(&Measure::Ended { cause });
    }
    let why = "wrong".to_owned();
    metrics.measured(&Measure::SignInRefused { why });
    let desktops = Census {
        ready: 7,
        ..Census::default()
    };
    metrics.told(&Totals {
        desktops,
        sign_ins: 3,
        memory: Some(4096),
        cpu_pressure: Some(250),
        ..Totals::default()
    });
    let text = metrics.text(&Now::default());
    let sample = |of: &str| sample(&text, of);
    assert_eq!(
        sample("deskway_desktop_start_seconds_sum{stage=\"screen\"}"),
        Some(1.5)
    );
    assert_eq!(
        sample("deskway_desktop_ends_total{cause=\"stopped\"}"),
        Some(2.0)
    );
    assert_eq!(
        sample("deskway_desktop_ends_total{cause=\"other\"}"),
        Some(1.0)
    );
    assert_eq!(
        sample("deskway_desktop_ends_total{cause=\"agent_died\"}"),
        Some(0.0)
    );
    assert_eq!(
        sample("deskway_sign_ins_refused_total{reason=\"wrong\"}"),
        Some(1.0)
    );
    assert_eq!(sample("deskway_desktops{state=\"ready\"}"), Some(7.0));
    assert_eq!(sample("deskway_sign_ins_live"), Some(3.0));
    assert_eq!(sample("deskway_desktops_memory_bytes"), Some(4096.0));
    assert_eq!(
        sample("deskway_desktops_pressure_ratio{resource=\"cpu\"}"),
        Some(0.25)
    );
    assert_eq!(
        sample("deskway_desktops_pressure_ratio{resource=\"io\"}"),
        None
    );
    metrics.told(&Totals::default());
    let later = metrics.text(&Now::default());
    assert!(!later.contains("deskway_desktops_memory_bytes "), "{later}");
}

#[test]
fn bytes_of_viewers_who_left_stay_counted() {
    let metrics = Metrics::new(None);
    let traffic = Arc::new(Traffic::default());
    let bytes = || {
        let text = metrics.text(&Now::default());
        sample(
            &text,
            "deskway_viewer_bytes_total{direction=\"to_browser\"}",
        )
    };
    let carried = metrics.flows().count(Arc::clone(&traffic));
    assert_eq!(bytes(), Some(0.0));
    traffic.add_to_browser(100);
    assert_eq!(bytes(), Some(100.0));
    drop(carried);
    assert_eq!(bytes(), Some(100.0));
}

#[test]
fn the_process_tells_of_itself() {
    let metrics = Metrics::new(Some(OwnProcess::open().unwrap()));
    let text = metrics.text(&Now::default());
    let at_least = |of: &str, least: f64| {
        let value = sample(&text, of).unwrap();
        assert!(value >= least, "{of}: {value}");
    };
    at_least("deskway_process_resident_memory_bytes", 100_000.0);
    at_least("deskway_process_open_fds", 3.0);
    at_least("deskway_process_cpu_seconds_total", 0.0);
}

#[test]
fn the_older_format_names_counters_whole() {
    let metrics = Metrics::new(None);
    metrics.signed_in();
    let plain = as_plain_text(&metrics.text(&Now::default()));
    assert!(
        plain.contains("# TYPE deskway_sign_ins_total counter\ndeskway_sign_ins_total 1\n"),
        "{plain}"
    );
    assert!(
        plain.contains("# TYPE deskway_build_info gauge\n"),
        "{plain}"
    );
    assert!(
        !plain.contains("# UNIT") && !plain.contains("# EOF"),
        "{plain}"
    );
}

#[test]
fn only_the_first_line_of_its_file_is_the_token() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    assert!(Token::read(file.path()).is_err());
    file.write_all(b"sixteen bytes ok\nmore\n").unwrap();
    let token = Token::read(file.path()).unwrap();
    for (shown, good) in [
        ("Bearer sixteen bytes ok", true),
        ("bearer sixteen bytes ok", true),
        ("Bearer sixteen bytes ok\nmore", false),
        ("Basic sixteen bytes ok", false),
        ("Bearer ", false),
        ("", false),
    ] {
        assert_eq!(token.is_shown(shown.as_bytes()), good, "{shown}");
    }
    assert!(!format!("{token:?}").contains("sixteen"));
}

//! What a proxy can do wrong with requests, over plain http.

use super::{Deskway, GOOD, Nginx, Report};

/// Trusts the proxy.
const TRUSTING: &str = "[server]\ntrusted_proxies = [\"127.0.0.1\"]\n";

/// What doctor says of the good location with `from` in it replaced by `to`.
fn broken(from: &str, to: &str) -> Report {
    assert!(GOOD.contains(from), "{from}");
    let deskway = Deskway::start(TRUSTING);
    let nginx = Nginx::start(&deskway, &GOOD.replace(from, to));
    deskway.quick(&nginx.url)
}

#[test]
fn without_upgrade_headers_the_lines_to_add_are_named() {
    let report = broken("proxy_set_header Upgrade $http_upgrade;", "");
    report.only("WebSocket").is_mended_by(
        "add `proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header \
         Connection \"upgrade\";` to the location",
    );
    let report = broken("proxy_http_version 1.1;", "");
    let line = report.only("WebSocket");
    line.is_mended_by("proxy_http_version 1.1;");
    assert!(line.found.contains("nginx"), "{line:?}");
    assert_eq!(report.status, Some(1));
}

#[test]
fn a_read_timeout_of_10_s_is_found_and_what_it_means_for_desktops() {
    let deskway = Deskway::start(TRUSTING);
    let nginx = Nginx::start(
        &deskway,
        &GOOD.replace("read_timeout 1h", "read_timeout 10s"),
    );
    let report = deskway.doctor(&nginx.url, &[], None);
    let line = report.only("silence");
    line.is_mended_by("proxy_read_timeout 1h;");
    assert!(line.found.contains("is cut after "), "{line:?}");
    assert!(line.found.contains("pings only every 25 s"), "{line:?}");
}

#[test]
fn a_base_path_that_the_proxy_takes_off_is_named_with_the_right_proxy_pass() {
    let deskway = Deskway::start(TRUSTING);
    let nginx = Nginx::start(&deskway, &GOOD.replace("UPSTREAM;", "UPSTREAM/;"));
    let report = deskway.quick(&nginx.url);
    let directive = format!(
        "location /desk/ {{ proxy_pass http://{}; … }}",
        deskway.address
    );
    report.only("base path").is_mended_by(&directive);
}

#[test]
fn a_made_up_address_that_the_proxy_passes_on_is_found() {
    let report = broken(
        "X-Forwarded-For $remote_addr;",
        "X-Forwarded-For $http_x_forwarded_for;",
    );
    let line = report.of("made-up address");
    assert!(
        line.found.contains("believes the X-Forwarded-For"),
        "{line:?}"
    );
    line.is_mended_by("proxy_set_header X-Forwarded-For $remote_addr;");
    let report = broken("proxy_set_header Forwarded \"\";", "");
    for finding in &report.findings {
        assert_ne!(finding.state, "wrong", "{report:#?}");
    }
}

#[test]
fn a_proxy_that_does_not_tell_the_address_and_a_deskway_that_does_not_believe_it() {
    let report = broken(
        "proxy_set_header X-Forwarded-For $remote_addr;",
        "proxy_set_header X-Forwarded-For \"\";",
    );
    let line = report.only("your address");
    line.is_mended_by("add `proxy_set_header X-Forwarded-For $remote_addr;` to the location");
    line.is_mended_by("trusted_proxies = [\"127.0.0.1\"]");

    let deskway = Deskway::start("");
    let nginx = Nginx::start(&deskway, GOOD);
    let report = deskway.quick(&nginx.url);
    let line = report.only("your address");
    assert!(line.found.contains("not believed"), "{line:?}");
    let mend = "write `trusted_proxies = [\"127.0.0.1\"]` under [server]";
    assert_eq!(line.mend.as_deref(), Some(mend));
}

#[test]
fn events_that_are_kept_back_are_found() {
    // What speaks HTTP/1.0 to Deskway is told no lengths, and nginx waits for a whole buffer.
    let buffered = |more: &str| {
        let events = format!(
            "location ~ /events$ {{ proxy_pass http://UPSTREAM; proxy_http_version 1.0; \
             proxy_buffering on; {more} }}"
        );
        let deskway = Deskway::start(TRUSTING);
        let nginx = Nginx::start(&deskway, &format!("{GOOD}{events}"));
        deskway.quick(&nginx.url)
    };
    let report = buffered("proxy_ignore_headers X-Accel-Buffering;");
    let line = report.only("events");
    line.is_mended_by("add `proxy_buffering off;` to the location");
    line.is_mended_by("no `proxy_ignore_headers X-Accel-Buffering`");
    // Deskway itself asks nginx not to.
    buffered("").all_is_fine();
}

#[test]
fn another_host_is_found_and_why_websockets_are_refused() {
    let report = broken("proxy_set_header Host $http_host;", "");
    let directive = "add `proxy_set_header Host $http_host;` to the location";
    report.of("host").is_mended_by(directive);
    report.of("WebSocket").is_mended_by("mend `host`");
    assert_eq!(report.of("large messages").state, "fine", "{report:#?}");
    let report = broken("Host $http_host;", "Host no-name-of-ours;");
    report.only("host").is_mended_by(directive);
}

#[test]
fn a_proxy_that_does_not_reach_deskway_and_a_server_that_is_none() {
    let deskway = Deskway::start("");
    let nginx = Nginx::start(&deskway, &GOOD.replace("UPSTREAM", "127.0.0.1:1"));
    let report = deskway.quick(&nginx.url);
    let line = report.only("Deskway");
    assert!(
        line.found.contains("nginx does not reach it: 502"),
        "{line:?}"
    );
    let nginx = Nginx::start(&deskway, "return 200 'another';");
    let report = deskway.quick(&nginx.url);
    let line = report.only("Deskway");
    assert!(
        line.found.contains("another server answers: 200"),
        "{line:?}"
    );
}

#[test]
fn redirects_elsewhere_are_named_and_not_followed() {
    let deskway = Deskway::start("");
    for (location, said) in [
        (
            "return 302 https://desk.invalid/;",
            "to another host: https://desk.invalid/",
        ),
        ("return 302 /elsewhere/;", "loses the base path /desk"),
        ("return 302 $request_uri;", "more than 5 times"),
    ] {
        let nginx = Nginx::start(&deskway, location);
        let report = deskway.quick(&nginx.url);
        let line = report.only("way in");
        assert!(line.found.contains(said), "{location}: {line:?}");
    }
}

#[test]
fn without_the_key_what_needs_none_is_looked_at_and_the_rest_is_named() {
    let deskway = Deskway::start(TRUSTING);
    std::fs::remove_file(deskway.state().join("front/doctor-key")).unwrap();
    let nginx = Nginx::start(&deskway, GOOD);
    let report = deskway.quick(&nginx.url);
    assert_eq!(report.of("WebSocket").state, "fine", "{report:#?}");
    let line = report.only("left out");
    assert!(
        line.state == "note" && line.found.contains("doctor-key"),
        "{line:?}"
    );
    let nginx = Nginx::start(
        &deskway,
        &GOOD.replace("Upgrade $http_upgrade", "Upgrade \"\""),
    );
    let report = deskway.quick(&nginx.url);
    report
        .of("WebSocket")
        .is_mended_by("proxy_set_header Upgrade $http_upgrade;");
}

#[test]
fn the_door_that_nobody_opens_and_the_one_that_answers_nothing() {
    let deskway = Deskway::start("");
    let report = deskway.quick("http://127.0.0.1:1/desk/");
    let line = report.only("way in");
    assert!(line.mend.as_ref().unwrap().contains("port 1 "), "{line:?}");
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/desk/", silent.local_addr().unwrap());
    let line = deskway.quick(&url).only("way in").clone();
    assert!(
        line.found.contains("no whole answer within 15 s"),
        "{line:?}"
    );
}

#[test]
fn without_a_proxy_all_is_fine() {
    let deskway = Deskway::start("");
    let url = format!("http://{}/desk", deskway.address);
    let report = deskway.quick(&url);
    report.all_is_fine();
    assert!(report.of("proxy").found.contains("none"), "{report:#?}");
}

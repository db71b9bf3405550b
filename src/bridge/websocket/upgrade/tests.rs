//! Upgrades that are one, and each kind that is none.

use http::Request;

use super::*;

/// The request of RFC 6455 §1.3, as a browser sends it.
fn good() -> Parts {
    let (parts, ()) = Request::builder()
        .uri("/d/alice/websockify")
        .header("Host", "desk.example")
        .header("Connection", "keep-alive, Upgrade")
        .header("Upgrade", "WebSocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
        .body(())
        .unwrap()
        .into_parts();
    parts
}

fn with(change: impl FnOnce(&mut Parts)) -> Result<HeaderMap, UpgradeError> {
    let mut request = good();
    change(&mut request);
    accept(&request)
}

fn with_header(name: &'static str, values: &[&'static str]) -> Result<HeaderMap, UpgradeError> {
    with(|request| {
        request.headers.remove(name);
        for value in values {
            request
                .headers
                .append(name, HeaderValue::from_static(value));
        }
    })
}

#[test]
fn the_example_of_the_rfc_gets_its_answer() {
    let answer = accept(&good()).unwrap();
    assert_eq!(answer[SEC_WEBSOCKET_ACCEPT], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_eq!(answer[UPGRADE], "websocket");
    assert_eq!(answer[CONNECTION], "Upgrade");
    assert!(!answer.contains_key(SEC_WEBSOCKET_PROTOCOL));
}

#[test]
fn binary_is_chosen_when_it_is_offered_and_nothing_else_ever() {
    let name = "sec-websocket-protocol";
    for offers in [&["binary"][..], &["base64, binary"], &["base64", "binary"]] {
        let answer = with_header(name, offers).unwrap();
        assert_eq!(answer[SEC_WEBSOCKET_PROTOCOL], "binary");
    }
    for offers in [&["base64"][..], &["Binary"], &[""], &["chat, superchat"]] {
        assert_eq!(with_header(name, offers), Err(UpgradeError::Subprotocol));
    }
}

#[test]
fn other_methods_and_versions_are_refused() {
    assert_eq!(
        with(|request| request.method = Method::POST),
        Err(UpgradeError::Method)
    );
    for version in [Version::HTTP_10, Version::HTTP_2] {
        assert_eq!(
            with(|request| request.version = version),
            Err(UpgradeError::HttpVersion)
        );
    }
}

#[test]
fn each_header_must_be_there_as_it_should() {
    let host = |values| with_header("host", values);
    assert_eq!(host(&[]), Err(UpgradeError::Host));
    assert_eq!(host(&[""]), Err(UpgradeError::Host));
    assert_eq!(host(&["a", "a"]), Err(UpgradeError::Host));
    for upgrade in [&[][..], &["h2c"], &["websockets"]] {
        assert_eq!(
            with_header("upgrade", upgrade),
            Err(UpgradeError::NotUpgrade)
        );
    }
    for connection in [&[][..], &["close"], &["keep-alive, upgraded"]] {
        let answer = with_header("connection", connection);
        assert_eq!(answer, Err(UpgradeError::NotUpgrade));
    }
    for version in [&[][..], &["8"], &["13, 8"], &["13", "13"], &["14"]] {
        let answer = with_header("sec-websocket-version", version);
        assert_eq!(answer, Err(UpgradeError::Version));
    }
    for key in [
        &[][..],
        &[""],
        &["dGhlIHNhbXBsZSBub25jZQ"],
        &["dGhlIHNhbXBsZSBub25j"],
        &["dGhlIHNhbXBsZSBub25jZR=="],
        &["dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ=="],
        &["this is no base64 at all"],
    ] {
        assert_eq!(
            with_header("sec-websocket-key", key),
            Err(UpgradeError::Key)
        );
    }
}

#[test]
fn a_request_with_a_body_is_refused() {
    for length in [&["1"][..], &["0", "5"], &["+0"], &["00"], &["x"]] {
        assert_eq!(
            with_header("content-length", length),
            Err(UpgradeError::Body)
        );
    }
    assert!(with_header("content-length", &["0"]).is_ok());
    for coding in ["chunked", "identity", ""] {
        let answer = with(|request| {
            let coding = HeaderValue::from_static(coding);
            request.headers.insert(TRANSFER_ENCODING, coding);
        });
        assert_eq!(answer, Err(UpgradeError::Body));
    }
}

#[test]
fn a_refusal_says_what_would_be_right() {
    let version = UpgradeError::Version;
    assert_eq!(version.status(), StatusCode::UPGRADE_REQUIRED);
    assert_eq!(version.headers()[SEC_WEBSOCKET_VERSION], "13");
    assert_eq!(UpgradeError::Method.status(), 405);
    assert_eq!(UpgradeError::Method.headers()[ALLOW], "GET");
    assert_eq!(UpgradeError::Key.status(), 400);
    assert_eq!(UpgradeError::Key.headers()[CONNECTION], "close");
}

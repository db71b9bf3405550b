//! A real token service, over HTTP and HTTPS.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::get;
use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::*;

/// A token service on a port of its own; it ends when `_tasks` is dropped.
struct Service {
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Service {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, service()).await.unwrap() });
        Self {
            address,
            _tasks: tasks,
        }
    }

    fn plugin(&self, answer: Answer, rest: &str) -> TokenApi {
        TokenApi::new(answer, &format!("http://{}{rest}", self.address)).unwrap()
    }
}

fn service() -> Router {
    Router::new()
        .route(
            "/json/{token}",
            get(|Path(token): Path<String>| async move { json(&token) }),
        )
        .route(
            "/query",
            get(|Query(query): Query<Vec<(String, String)>>| async move {
                match query.as_slice() {
                    [(name, token), (other, _)] if name == "token" && other == "x" => json(token),
                    _ => StatusCode::BAD_REQUEST.into_response(),
                }
            }),
        )
        .route("/text/{token}", get(|| async { "h:5900\n" }))
        .route(
            "/moved/{token}",
            get(|Path(token): Path<String>| async move {
                Redirect::temporary(&format!("../json/{token}"))
            }),
        )
        .route(
            "/around/{token}",
            get(|| async { Redirect::temporary("/around/x") }),
        )
        .route(
            "/big/{token}",
            get(|| async { Body::from(vec![b' '; 70_000]) }),
        )
        .route(
            "/broken/{token}",
            get(|| async { StatusCode::INTERNAL_SERVER_ERROR }),
        )
        .route(
            "/closed/{token}",
            get(|headers: HeaderMap| async move {
                match headers.get("authorization").map(HeaderValue::as_bytes) {
                    Some(b"Basic bWU6YSBi") => "h:1".into_response(), // me:a b
                    _ => StatusCode::UNAUTHORIZED.into_response(),
                }
            }),
        )
}

fn json(token: &str) -> Response {
    match token {
        "vm1" => r#"{"host": "h", "port": 5900}"#.into_response(),
        "vm/2 &x=ü#" => r#"{"host": "h2", "port": "5902", "more": []}"#.into_response(),
        "sock" => r#"{"host": "unix_socket", "port": "/run/vm.sock"}"#.into_response(),
        "empty" => "{}".into_response(),
        "bad" => r#"{"host": "h", "port": 70000}"#.into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn target(plugin: &TokenApi, token: &str) -> String {
    match plugin.lookup(token).await {
        Ok(target) => target.map_or_else(|| "none".to_owned(), |target| target.to_string()),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn a_service_answers_in_json() {
    let service = Service::start().await;
    for rest in ["/json/%s", "/query?token=%s&x=1", "/query?token=%s&x=50%%"] {
        let plugin = service.plugin(Answer::Json, rest);
        assert_eq!(target(&plugin, "vm1").await, "h:5900");
        assert_eq!(target(&plugin, "vm/2 &x=ü#").await, "h2:5902");
        assert_eq!(target(&plugin, "sock").await, "/run/vm.sock");
        for token in ["vm2", "..", "../text/vm1", "vm1?x", "%73ock"] {
            assert_eq!(target(&plugin, token).await, "none", "{token}");
        }
        for token in ["empty", "bad"] {
            let said = target(&plugin, token).await;
            assert!(
                said.contains("gives no target") && !said.contains(token),
                "{said}"
            );
        }
    }
}

#[tokio::test]
async fn a_service_answers_in_text() {
    let service = Service::start().await;
    let plugin = service.plugin(Answer::Text, "/text/%s");
    assert_eq!(target(&plugin, "vm1").await, "h:5900");
}

#[tokio::test]
async fn a_service_may_send_us_on_but_not_for_ever() {
    let service = Service::start().await;
    let plugin = service.plugin(Answer::Json, "/moved/%s");
    assert_eq!(target(&plugin, "vm1").await, "h:5900");
    let plugin = service.plugin(Answer::Json, "/around/%s");
    assert!(target(&plugin, "vm1").await.contains("sends us on"));
}

#[tokio::test]
async fn a_service_that_fails_or_floods_is_an_error_without_the_token() {
    let service = Service::start().await;
    for (rest, fault) in [("/big/%s", "longer than"), ("/broken/%s", "500")] {
        let said = target(&service.plugin(Answer::Text, rest), "hunter2").await;
        assert!(said.contains(fault) && !said.contains("hunter2"), "{said}");
    }
    let gone = TokenApi::new(Answer::Text, "http://127.0.0.1:1/%s").unwrap();
    let said = target(&gone, "hunter2").await;
    assert!(
        said.contains("cannot connect") && !said.contains("hunter2"),
        "{said}"
    );
}

#[tokio::test]
async fn a_name_and_password_in_the_address_are_sent() {
    let service = Service::start().await;
    let address = format!("http://me:a%20b@{}/closed/%s", service.address);
    let plugin = TokenApi::new(Answer::Text, &address).unwrap();
    assert_eq!(target(&plugin, "vm1").await, "h:1");
    let plugin = service.plugin(Answer::Text, "/closed/%s");
    assert_eq!(target(&plugin, "vm1").await, "none");
}

#[tokio::test]
async fn https_is_for_services_whose_certificate_is_trusted() {
    let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let der = certificate.cert.der().clone();
    let key = PrivateKeyDer::try_from(certificate.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![der.clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut request = [0; 1024];
            let length = stream.read(&mut request).await.unwrap();
            assert!(request[..length].starts_with(b"GET /vm1 HTTP/1.1\r\n"));
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nh:5900";
            stream.write_all(answer).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    let mut plugin = TokenApi::new(Answer::Text, &format!("https://localhost:{port}/%s")).unwrap();
    let said = target(&plugin, "vm1").await;
    assert!(said.contains("certificate"), "{said}");
    let mut roots = RootCertStore::empty();
    roots.add(der).unwrap();
    plugin.fetcher = Fetcher::trusting(roots).unwrap();
    assert_eq!(target(&plugin, "vm1").await, "h:5900");
}

#[test]
fn an_address_has_one_place_for_the_token_after_its_host() {
    for (address, fault) in [
        ("http://h/", "one %s"),
        ("http://h/%s/%s", "one %s"),
        ("http://h/%%s", "one %s"),
        ("ftp://h/%s", "http://"),
        ("/tokens/%s", "relative URL"),
        ("http://%s.example/", "in the host"),
        ("http://%s@h/", "in the host"),
        ("http://h:8%s/", ""),
        ("http://h/#%s", "neither in the path"),
    ] {
        let said = TokenApi::new(Answer::Json, address)
            .err()
            .map(|error| error.to_string());
        let said = said.unwrap_or_else(|| panic!("{address} is taken"));
        assert!(said.contains(fault), "{address}: {said}");
    }
}

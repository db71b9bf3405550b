//! The document of the API against the server that it is about.

use std::collections::BTreeSet;

use deskway::route::table;
use serde_json::{Value, json};

use super::browser::Response;
use super::{Browser, House};

async fn document(browser: &Browser) -> Value {
    let answer = browser.get("/api/v1/openapi.json").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// What is written down of an operation's answer.
fn written<'a>(document: &'a Value, method: &str, path: &str, status: u16) -> &'a Value {
    let operation = &document["paths"][path][method.to_lowercase()];
    let answer = &operation["responses"][status.to_string()];
    assert!(
        answer.is_object(),
        "{method} {path} answers {status}, unwritten"
    );
    answer
}

/// Fails where an answer is not as the document has it.
fn assert_fits(document: &Value, method: &str, path: &str, answer: &Response) {
    let written = written(document, method, path, answer.status);
    let Some(content) = written["content"].as_object() else {
        assert!(answer.body.is_empty(), "{method} {path}: {answer:?}");
        return;
    };
    let kind = answer.header("content-type").unwrap_or_default();
    let schema = &content.get(kind).unwrap_or(&Value::Null)["schema"];
    assert!(schema.is_object(), "{method} {path}: {kind}, unwritten");
    let mut whole = schema.clone();
    whole["components"] = document["components"].clone();
    let validator = jsonschema::validator_for(&whole).unwrap();
    let body = answer.json();
    let errors = validator.iter_errors(&body).map(|it| it.to_string());
    let errors: Vec<_> = errors.collect();
    assert!(
        errors.is_empty(),
        "{method} {path}: {errors:?} in {answer:?}"
    );
}

#[tokio::test]
async fn the_document_has_the_paths_and_methods_of_the_router_and_no_others() {
    let house = House::open().await;
    let alice = house.alice().await;
    let document = document(&alice).await;
    let mut written = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            written.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    let mut there = BTreeSet::new();
    for row in table() {
        if !row.path.starts_with("/api/") {
            continue;
        }
        // A method that nothing has: the answer says which there are.
        let path = row.path.replace(['{', '}'], "");
        let origin = alice.origin_header();
        let answer = alice.ask("PATCH", &path, &[&origin], "").await;
        assert_eq!(answer.status, 405, "{path}: {answer:?}");
        for method in answer.header("allow").unwrap().split(',') {
            if method != "HEAD" {
                there.insert(format!("{method} {}", row.path));
            }
        }
    }
    assert_eq!(written, there);
}

#[tokio::test]
async fn the_document_is_for_those_who_are_signed_in_and_whole() {
    let house = House::open().await;
    assert_eq!(
        house.browser().get("/api/v1/openapi.json").await.status,
        401
    );
    let alice = house.alice().await;
    let document = document(&alice).await;
    assert_eq!(document["info"]["title"], "Deskway");
    let cookie = &document["components"]["securitySchemes"]["cookie"];
    assert_eq!(
        (&cookie["in"], &cookie["name"]),
        (&json!("cookie"), &json!("deskway_local"))
    );
    let mut ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id), "{id} is there twice");
            let summary = operation["summary"].as_str().unwrap_or_default();
            assert!(
                !summary.is_empty(),
                "{method} {path} says nothing of itself"
            );
            for status in ["401", "403", "503"] {
                let fault = &operation["responses"][status]["content"]["application/json"];
                assert_eq!(fault["schema"]["$ref"], "#/components/schemas/Fault");
            }
        }
    }
}

#[tokio::test]
async fn what_the_server_answers_is_as_the_document_has_it() {
    let house = House::open().await;
    house.world.set_admin("alice", true);
    let (alice, bob) = (house.alice().await, house.bob().await);
    let document = document(&alice).await;
    for path in [
        "/api/v1/me",
        "/api/v1/desktops",
        "/api/v1/openapi.json",
        "/api/v1/admin/desktops",
        "/api/v1/admin/people",
    ] {
        for browser in [&alice, &bob, &house.browser()] {
            assert_fits(&document, "GET", path, &browser.get(path).await);
        }
    }
    let own = ["start", "restart", "stop"].map(|act| ("desktops", act));
    let all = ["start", "freeze", "thaw", "stop", "message"].map(|act| ("admin/desktops", act));
    for (below, act) in own.into_iter().chain(all) {
        let path = format!("/api/v1/{below}/{{user}}/{{name}}/{act}");
        for desktop in ["alice/main", "bob/main", "nobody/main", "alice/none"] {
            let real = path.replace("{user}/{name}", desktop);
            for body in [
                "",
                "{}",
                r#"{"text":"At noon"}"#,
                "{",
                r#"{"profile":"none"}"#,
            ] {
                for browser in [&alice, &bob] {
                    let answer = browser.post_json(&real, body).await;
                    assert_fits(&document, "POST", &path, &answer);
                }
                let foreign = alice.ask("POST", &real, &[], body).await;
                assert_eq!(foreign.status, 403);
                assert_fits(&document, "POST", &path, &foreign);
            }
        }
    }
    let end = "/api/v1/admin/people/{account}/end";
    let ended = alice.post_json("/api/v1/admin/people/bob/end", "").await;
    assert_eq!(ended.status, 204);
    assert_fits(&document, "POST", end, &ended);
    let set_up = "/api/v1/set-up";
    for body in [r#"{"token":"first","name":"x","password":"y"}"#, "{}", "no"] {
        let answer = alice.post_json(set_up, body).await;
        assert_fits(&document, "POST", set_up, &answer);
    }
    let out = alice.post_json("/api/v1/sign-out", "").await;
    assert_fits(&document, "POST", "/api/v1/sign-out", &out);
}

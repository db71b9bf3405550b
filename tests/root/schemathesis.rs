//! Schemathesis against a real front and launcher, with an admin's cookie: whatever it makes of the
//! API's document, the answers are as the document has them, and none is the server's fault.

use std::path::PathBuf;
use std::process::Command;

use crate::account::Person;
use crate::admins::users;
use crate::gateway::Gateway;

/// Seconds that may be spent on making requests up.
const MAX_TIME: &str = "40";
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_schema_conformance";
/// That too much is asked at once is no fault of the server.
const SETTINGS: &str =
    "[checks]\nnot_a_server_error.expected-statuses = [\"2xx\", \"3xx\", \"4xx\", \"503\"]\n";
/// What would never end, and what would end the sign-in that all is asked with.
const LEFT_OUT: [&str; 4] = ["events", "adminEvents", "signOut", "adminEndSignIns"];

#[test]
#[ignore = "needs what `cargo xtask test` installs for it"]
fn whatever_schemathesis_asks_is_answered_as_the_document_says() {
    let packages = std::env::var_os("SCHEMATHESIS").map(PathBuf::from).unwrap();
    let (alice, bob) = (Person::new("a"), Person::new("b"));
    let folder = Gateway::folder();
    let file = folder.path().join("deskway.toml");
    let old = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, old + &users(&[&alice])).unwrap();
    let document = folder.path().join("openapi.json");
    let mut up = Command::new(folder.path().join("deskway"));
    up.args(["up", "--listen", "127.0.0.1:0"]);
    let gateway = Gateway::run(folder, &mut up);
    let (hers, his) = (gateway.sign_in(&alice.name), gateway.sign_in(&bob.name));
    gateway.start_desktop(&bob.name, &his);
    let answer = gateway.get("/api/v1/openapi.json", &hers);
    // Names that nobody has are soon asked for: let it also ask for two that somebody has.
    let people = format!("\"name\":\"user\",\"example\":\"{}\"", bob.name);
    let text = answer.body.replace("\"name\":\"user\"", &people);
    std::fs::write(&document, text).unwrap();

    std::fs::write(gateway.path().join("schemathesis.toml"), SETTINGS).unwrap();

    let origin = format!("http://{}", gateway.address);
    let mut python = Command::new("/usr/bin/python3");
    python.args(["-m", "schemathesis.cli", "run"]);
    python.arg(&document).args(["--url", &origin]);
    python.args(["--header", &format!("Cookie:{hers}")]);
    python.args(["--header", &format!("Origin:{origin}")]);
    python.args(["--checks", CHECKS]);
    python.args(["--phases", "examples,coverage,fuzzing"]);
    python.args(["--max-time", MAX_TIME, "--max-examples", "30"]);
    // A start or a stop may take long, and the machine may be slow.
    python.args(["--request-timeout", "60"]);
    python.args(["--suppress-health-check", "all"]);
    python.args(["--seed", "1", "--workers", "2", "--warnings", "off"]);
    for operation in LEFT_OUT {
        python.args(["--exclude-operation-id", operation]);
    }
    let output = python
        .env("PYTHONPATH", packages)
        .current_dir(gateway.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complained}");
    // It was asked with a right that held to the end.
    assert_eq!(gateway.get("/api/v1/admin/people", &hers).status, 200);
}

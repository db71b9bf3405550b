//! Targets by token, from services and from the token itself.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::tokens::{by, leads, leads_nowhere};
use crate::harness::{Process, Target, WebService, Wire, free_port, python, serving, until};
use crate::ledger::case;

case!(json_token_api_asks_a_web_service, || {
    let target = Target::new();
    let body = format!(r#"{{"host": "127.0.0.1", "port": {}}}"#, target.port());
    let service = WebService::answering("200 OK", body);
    let url = service.url("/tokens/%s?from=websockify");
    let subject = by("JSONTokenApi", url.as_ref()).start();
    leads(&subject, "one", &target);
    assert_eq!(service.asked(), "/tokens/one?from=websockify");
});

case!(json_token_api_takes_a_port_in_quotation_marks, || {
    let target = Target::new();
    let body = format!(r#"{{"host": "127.0.0.1", "port": "{}"}}"#, target.port());
    let service = WebService::answering("200 OK", body);
    let subject = by("JSONTokenApi", service.url("/%s").as_ref()).start();
    leads(&subject, "one", &target);
});

case!(a_service_that_does_not_know_the_token_opens_nothing, || {
    let service = WebService::answering("404 Not Found", "{}".to_owned());
    let subject = by("JSONTokenApi", service.url("/%s").as_ref()).start();
    leads_nowhere(&subject, "/?token=one");
    assert_eq!(service.asked(), "/one");
});

case!(a_service_that_answers_nonsense_opens_nothing, || {
    let service = WebService::answering("200 OK", "no JSON at all".to_owned());
    let subject = by("JSONTokenApi", service.url("/%s").as_ref()).start();
    leads_nowhere(&subject, "/?token=one");
});

case!(a_token_does_not_change_which_address_is_asked, || {
    let target = Target::new();
    let body = format!(r#"{{"host": "127.0.0.1", "port": {}}}"#, target.port());
    let service = WebService::answering("200 OK", body);
    let subject = by("JSONTokenApi", service.url("/tokens/%s").as_ref()).start();
    subject.try_to_open("/?token=..%2Fadmin%3Fx", &[]);
    let asked = service.asked();
    assert!(asked.starts_with("/tokens/"), "{asked}");
    assert!(!asked.contains('?'), "{asked}");
});

case!(a_signed_token_carries_its_target, || {
    let tokens = Jwt::new("oct", "HS256");
    let target = Target::new();
    let subject = by("JWTTokenApi", &tokens.key).start();
    leads(&subject, &tokens.make(&claims(&target, "")), &target);
});

case!(a_token_signed_with_rsa_carries_its_target, || {
    let tokens = Jwt::new("RSA", "RS256");
    let target = Target::new();
    let subject = by("JWTTokenApi", &tokens.key).start();
    leads(&subject, &tokens.make(&claims(&target, "")), &target);
});

case!(
    a_token_signed_on_an_elliptic_curve_carries_its_target,
    || {
        let tokens = Jwt::new("EC", "ES256");
        let target = Target::new();
        let subject = by("JWTTokenApi", &tokens.key).start();
        leads(&subject, &tokens.make(&claims(&target, "")), &target);
    }
);

case!(a_public_key_is_enough_to_check_signed_tokens, || {
    let tokens = Jwt::new("RSA", "RS256");
    let public = tokens.key.with_extension("public");
    let done = Command::new("openssl")
        .args(["pkey", "-pubout", "-in"])
        .arg(&tokens.key)
        .arg("-out")
        .arg(&public)
        .status()
        .unwrap();
    assert!(done.success());
    let target = Target::new();
    let subject = by("JWTTokenApi", &public).start();
    leads(&subject, &tokens.make(&claims(&target, "")), &target);
});

case!(a_token_signed_by_somebody_else_opens_nothing, || {
    let (tokens, foreign) = (Jwt::new("oct", "HS256"), Jwt::new("oct", "HS256"));
    let target = Target::new();
    let subject = by("JWTTokenApi", &tokens.key).start();
    let token = foreign.make(&claims(&target, ""));
    leads_nowhere(&subject, &format!("/?token={token}"));
    // {"alg":"none"}, the claims, and no signature.
    let claims = token.split('.').nth(1).unwrap();
    leads_nowhere(&subject, &format!("/?token=eyJhbGciOiJub25lIn0.{claims}."));
    leads_nowhere(&subject, "/?token=nonsense");
    assert!(!target.is_asked());
});

case!(an_encrypted_token_carries_its_target, || {
    let tokens = Jwt::new("RSA", "RSA-OAEP");
    let target = Target::new();
    let subject = by("JWTTokenApi", &tokens.key).start();
    leads(&subject, &tokens.make(&claims(&target, "")), &target);
});

case!(
    a_token_encrypted_with_a_shared_key_carries_its_target,
    || {
        let tokens = Jwt::new("oct", "A256KW");
        let target = Target::new();
        let subject = by("JWTTokenApi", &tokens.key).start();
        leads(&subject, &tokens.make(&claims(&target, "")), &target);
    }
);

case!(a_token_that_has_expired_opens_nothing, || {
    let tokens = Jwt::new("oct", "HS256");
    let target = Target::new();
    let subject = by("JWTTokenApi", &tokens.key).start();
    let expired = tokens.make(&claims(&target, r#", "exp": 1000000000"#));
    leads_nowhere(&subject, &format!("/?token={expired}"));
    let good = tokens.make(&claims(
        &target,
        r#", "exp": 4000000000, "nbf": 1000000000"#,
    ));
    leads(&subject, &good, &target);
});

case!(a_token_that_is_not_valid_yet_opens_nothing, || {
    let tokens = Jwt::new("oct", "HS256");
    let target = Target::new();
    let subject = by("JWTTokenApi", &tokens.key).start();
    let early = tokens.make(&claims(&target, r#", "nbf": 4000000000"#));
    leads_nowhere(&subject, &format!("/?token={early}"));
    assert!(!target.is_asked());
});

case!(redis_knows_the_targets_in_json, || {
    let redis = Redis::start(&[]);
    let target = Target::new();
    redis.set("one", &format!(r#"{{"host":"{}"}}"#, target.address()));
    redis.set("broken", r#"{"host""#);
    let subject = serving()
        .with(&["--token-plugin", "TokenRedis", "--token-source"])
        .with(&[&format!("127.0.0.1:{}", redis.port)])
        .start();
    leads(&subject, "one", &target);
    leads_nowhere(&subject, "/?token=two");
    leads_nowhere(&subject, "/?token=broken");
});

case!(redis_knows_the_targets_in_plain_text, || {
    let redis = Redis::start(&[]);
    let target = Target::new();
    redis.set("one", &format!("{}\n", target.address()));
    let subject = serving()
        .with(&["--token-plugin", "TokenRedis", "--token-source"])
        .with(&[&format!("127.0.0.1:{}", redis.port)])
        .start();
    leads(&subject, "one", &target);
});

case!(redis_is_asked_with_password_database_and_namespace, || {
    let redis = Redis::start(&["--requirepass", "secret"]);
    let target = Target::new();
    redis.command(
        &["AUTH", "secret"],
        &["SELECT", "3"],
        &["SET", "desks:here:one", &target.address()],
    );
    let source = format!("127.0.0.1:{}:3:secret:\"desks:here\"", redis.port);
    let subject = serving()
        .with(&["--token-plugin", "TokenRedis", "--token-source", &source])
        .start();
    leads(&subject, "one", &target);
    leads_nowhere(&subject, "/?token=desks:here:one");
});

case!(a_redis_that_is_not_there_opens_nothing, || {
    let nobody = Target::refusing();
    let subject = serving()
        .with(&["--token-plugin", "TokenRedis", "--token-source"])
        .with(&[&nobody.address()])
        .start();
    leads_nowhere(&subject, "/?token=one");
});

/// The claims of a token for a target.
fn claims(target: &Target, more: &str) -> String {
    let port = target.port();
    format!(r#"{{"host": "127.0.0.1", "port": {port}{more}}}"#)
}

/// Makes tokens with a key of its own, by an implementation that is not ours.
struct Jwt {
    key: PathBuf,
    algorithm: &'static str,
    _dir: TempDir,
}

/// Makes a key: its kind → the file. A shared key is stored as the plugin wants it.
const MAKE_KEY: &str = r"
import sys
from jwcrypto import jwk
kind, path = sys.argv[1:]
if kind == 'oct':
    data = jwk.JWK.generate(kty='oct', size=256).export(as_dict=True)['k'].encode()
elif kind == 'EC':
    data = jwk.JWK.generate(kty='EC', crv='P-256').export_to_pem(private_key=True, password=None)
else:
    data = jwk.JWK.generate(kty=kind, size=2048).export_to_pem(private_key=True, password=None)
open(path, 'wb').write(data)
";

/// Makes a token: key file, algorithm, claims → standard output. What is encrypted is signed
/// first, with the same key, as the plugin wants it.
const MAKE_TOKEN: &str = r"
import json, sys
from jwcrypto import jwk, jwt
path, algorithm, claims = sys.argv[1:]
data = open(path, 'rb').read()
key = jwk.JWK()
if data.startswith(b'-----'):
    key.import_from_pem(data)
else:
    key = jwk.JWK(kty='oct', k=data.decode())
signing = algorithm if algorithm[1] == 'S' and algorithm[2:].isdigit() else (
    'HS256' if key['kty'] == 'oct' else 'RS256')
token = jwt.JWT(header={'alg': signing}, claims=claims)
token.make_signed_token(key)
if signing != algorithm:
    outer = jwt.JWT(header={'alg': algorithm, 'enc': 'A256CBC-HS512'}, claims=token.serialize())
    outer.make_encrypted_token(key)
    token = outer
sys.stdout.write(token.serialize())
";

impl Jwt {
    fn new(kind: &str, algorithm: &'static str) -> Self {
        let dir = TempDir::new().unwrap();
        let key = dir.path().join("key");
        python(MAKE_KEY, &[kind, key.to_str().unwrap()]);
        Self {
            key,
            algorithm,
            _dir: dir,
        }
    }

    fn make(&self, claims: &str) -> String {
        python(
            MAKE_TOKEN,
            &[self.key.to_str().unwrap(), self.algorithm, claims],
        )
    }
}

/// A Redis server with nothing in it.
struct Redis {
    port: u16,
    _process: Process,
    _dir: TempDir,
}

impl Redis {
    fn start(options: &[&str]) -> Self {
        let dir = TempDir::new().unwrap();
        let port = free_port();
        let mut command = Command::new("redis-server");
        command
            .args([
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--port",
                &port.to_string(),
            ])
            .args(options)
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let process = Process::start(command);
        process.stdout.until("Ready to accept connections");
        Self {
            port,
            _process: process,
            _dir: dir,
        }
    }

    fn set(&self, key: &str, value: &str) {
        self.command(&["PING"], &["PING"], &["SET", key, value]);
    }

    /// Three commands on one connection, each of which must succeed.
    fn command(&self, first: &[&str], second: &[&str], third: &[&str]) {
        let stream = until("a connection to Redis", || {
            std::net::TcpStream::connect(("127.0.0.1", self.port)).ok()
        });
        let mut wire = Wire::tcp(stream);
        for words in [first, second, third] {
            let mut text = format!("*{}\r\n", words.len());
            for word in words {
                write!(text, "${}\r\n{word}\r\n", word.len()).unwrap();
            }
            wire.send(text.as_bytes());
            let mut line = Vec::new();
            while !line.ends_with(b"\r\n") {
                line.extend(wire.read_bytes(1));
            }
            assert!(line.starts_with(b"+"), "{}", String::from_utf8_lossy(&line));
        }
    }
}

case!(a_key_file_that_is_not_there_opens_nothing, || {
    let dir = TempDir::new().unwrap();
    let tokens = Jwt::new("oct", "HS256");
    let target = Target::new();
    let key = dir.path().join("key");
    fs::copy(&tokens.key, &key).unwrap();
    let subject = by("JWTTokenApi", &key).start();
    let token = tokens.make(&claims(&target, ""));
    leads(&subject, &token, &target);
    fs::remove_file(&key).unwrap();
    leads_nowhere(&subject, &format!("/?token={token}"));
    assert!(!target.is_asked());
});

//! Tokens and keys are jwcrypto's, which Python's websockify uses: `tests/fixtures/jwt/make.py`.

use std::fs;
use std::path::Path;

use tempfile::tempdir;

use super::key::Verifier;
use super::*;

/// Some time in 2026.
const NOW: u64 = 1_790_000_000;

#[derive(Deserialize)]
struct Case {
    name: String,
    key: String,
    token: String,
    /// The target, or why there is none.
    says: String,
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/jwt")
        .join(name)
}

fn key(name: &str) -> Key {
    Key::read(&file(name)).unwrap()
}

fn file(name: &str) -> Vec<u8> {
    fs::read(fixture(name)).unwrap()
}

fn cases() -> Vec<Case> {
    serde_json::from_slice(&file("tokens.json")).unwrap()
}

fn case(name: &str) -> Case {
    cases().into_iter().find(|case| case.name == name).unwrap()
}

fn said(key: &Key, token: &str, now: u64) -> String {
    match read_token(key, token, now) {
        Ok(target) => target.to_string(),
        Err(refused) => format!("{refused:?}"),
    }
}

#[test]
fn each_token_of_jwcrypto_says_what_it_should() {
    let cases = cases();
    assert!(cases.len() > 60, "{}", cases.len());
    for case in cases {
        let key = key(&case.key);
        assert_eq!(said(&key, &case.token, NOW), case.says, "{}", case.name);
    }
}

#[test]
fn a_token_counts_from_nbf_to_exp() {
    let case = case("from 100 to 200");
    let key = key(&case.key);
    for (now, says) in [
        (99, "TooEarly"),
        (100, "10.0.0.1:5901"),
        (200, "10.0.0.1:5901"),
        (201, "Expired"),
    ] {
        assert_eq!(said(&key, &case.token, now), says, "{now}");
    }
}

#[test]
fn a_token_that_is_altered_anywhere_is_refused() {
    for name in [
        "HS256",
        "RS256",
        "ES256, public",
        "EdDSA, public",
        "dir A256GCM",
        "dir A128CBC-HS256",
        "A256KW A256GCM",
        "RSA-OAEP A256GCM",
        "RSA-OAEP-256 A256CBC-HS512",
    ] {
        let case = case(name);
        let key = key(&case.key);
        let parts: Vec<&str> = case.token.split('.').collect();
        for (index, part) in parts
            .iter()
            .enumerate()
            .filter(|(_, part)| !part.is_empty())
        {
            let mut bytes = BASE64URL.decode(part).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            for other in [bytes.as_slice(), &bytes[..middle], b""] {
                let other = BASE64URL.encode(other);
                let mut parts = parts.clone();
                parts[index] = &other;
                let altered = read_token(&key, &parts.join("."), NOW);
                assert!(altered.is_err(), "{name}, part {index}");
            }
        }
        assert!(read_token(&key, &format!("{}A", case.token), NOW).is_err());
        assert!(read_token(&key, &format!("{}.", case.token), NOW).is_err());
    }
}

#[test]
fn a_key_file_that_is_of_no_use_is_refused_with_what_to_do() {
    for (name, fault) in [
        ("p521-public.pem", KeyError::Kind),
        ("p521-private.pem", KeyError::Kind),
        ("p256-sec1-private.pem", KeyError::Sec1),
        ("rsa-locked-private.pem", KeyError::Passphrase),
        ("rsa1024-private.pem", KeyError::Weak),
        ("rsa1024-public.pem", KeyError::Weak),
        ("tokens.json", KeyError::Form),
    ] {
        assert_eq!(Key::read(&file(name)).err(), Some(fault), "{name}");
    }
    for (text, fault) in [
        ("", KeyError::TooShort),
        ("AAAA", KeyError::TooShort),
        ("not base64!", KeyError::Form),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n", KeyError::Pem),
        (
            "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
            KeyError::Pem,
        ),
        (
            "-----BEGIN DH PARAMETERS-----\nAAAA\n-----END DH PARAMETERS-----\n",
            KeyError::Kind,
        ),
    ] {
        assert_eq!(Key::read(text.as_bytes()).err(), Some(fault), "{text}");
    }
}

#[test]
fn a_secret_is_base64_of_either_alphabet() {
    let bytes = [0xfb; 32];
    let text = BASE64URL.encode(bytes);
    let standard = text.replace('-', "+").replace('_', "/");
    for file in [format!("{text}\n"), format!("{text}="), standard] {
        let Verifier::Secret(secret) = Key::read(file.as_bytes()).unwrap().verifier else {
            panic!("{file} is no secret");
        };
        assert_eq!(*secret.expose(), bytes);
    }
}

#[tokio::test]
async fn a_new_key_counts_at_once() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("key");
    let plugin = TokenKey::new(path.to_str().unwrap());
    let (one, other) = (case("HS256"), case("RS256"));
    let missing = plugin.lookup(&one.token).await.unwrap_err().to_string();
    assert!(missing.contains(path.to_str().unwrap()), "{missing}");
    for (new, old) in [(&one, &other), (&other, &one)] {
        fs::copy(fixture(&new.key), &path).unwrap();
        for _ in 0..2 {
            assert!(plugin.lookup(&new.token).await.unwrap().is_some());
            assert_eq!(plugin.lookup(&old.token).await.unwrap(), None);
        }
    }
}

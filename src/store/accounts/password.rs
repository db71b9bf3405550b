//! Passwords and their hashes: Argon2id, RFC 9106.

use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};

use crate::model::Secret;

/// Fewest characters of a password.
pub const MIN_PASSWORD: usize = 8;
/// Most bytes of a password: it has to fit into one request to the launcher.
pub const MAX_PASSWORD: usize = 1024;

/// Memory in KiB, passes and lanes: OWASP's second choice for Argon2id, 20 to 40 ms on a core.
const MEMORY: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// A password that is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPassword {
    #[error("the password is too short: take at least {MIN_PASSWORD} characters")]
    TooShort,
    #[error("the password is too long: take at most {MAX_PASSWORD} bytes")]
    TooLong,
    /// It could not be typed into a sign-in form.
    #[error("the password has a control character in it")]
    ControlCharacter,
    #[error("no random numbers for the password's salt")]
    NoSalt,
}

/// Hashes a password that keeps the rules, with a new salt.
pub(super) fn hash(password: &Secret<String>) -> Result<String, BadPassword> {
    let text = password.expose();
    if text.len() > MAX_PASSWORD {
        return Err(BadPassword::TooLong);
    }
    if text.chars().count() < MIN_PASSWORD {
        return Err(BadPassword::TooShort);
    }
    if text.contains(char::is_control) {
        return Err(BadPassword::ControlCharacter);
    }
    let hash = argon2().hash_password(text.as_bytes());
    hash.map(|hash| hash.to_string())
        .map_err(|_| BadPassword::NoSalt)
}

/// Whether `hash` is of this password. One that cannot be read is of none.
pub(super) fn verify(password: &Secret<String>, hash: &str) -> bool {
    let bytes = password.expose().as_bytes();
    bytes.len() <= MAX_PASSWORD && argon2().verify_password(bytes, hash).is_ok()
}

/// Takes as long as [`verify`] with a hash of [`hash`]'s.
pub(super) fn verify_nothing(password: &Secret<String>) {
    let bytes = password.expose().as_bytes();
    if bytes.len() <= MAX_PASSWORD {
        let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
        // What comes out is nobody's; only the time counts.
        let done = argon2().hash_password_into(bytes, b"sixteen bytes of", &mut output);
        std::hint::black_box((done.is_ok(), output));
    }
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(MEMORY, PASSES, LANES, None).expect("they are within Argon2's bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    #[test]
    fn a_hash_is_of_its_password_alone_and_never_twice_the_same() {
        let first = hash(&secret("correct horse")).unwrap();
        let second = hash(&secret("correct horse")).unwrap();
        assert_ne!(first, second);
        assert!(
            first.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{first}"
        );
        assert!(verify(&secret("correct horse"), &first));
        assert!(!verify(&secret("correct horsf"), &first));
        assert!(!verify(&secret("correct horse"), "no hash"));
    }

    #[test]
    fn passwords_have_bounds() {
        let refused = |text: &str| hash(&secret(text)).err();
        assert_eq!(refused("1234567"), Some(BadPassword::TooShort));
        assert_eq!(refused("äöüäöüä"), Some(BadPassword::TooShort));
        assert_eq!(refused(&"x".repeat(1025)), Some(BadPassword::TooLong));
        assert_eq!(refused("12345678\n"), Some(BadPassword::ControlCharacter));
        assert_eq!(refused(&"x".repeat(1024)), None);
    }
}

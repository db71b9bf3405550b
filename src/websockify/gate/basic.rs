//! `BasicHTTPAuth`: one name and password (RFC 7617).

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;

use super::{Denied, PluginError};

/// Takes base64 with and without `=` at its end.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The name and password that open the gate, as digests: comparing those tells nobody how long
/// they are.
pub(super) struct BasicHttpAuth {
    utf8: [u8; 32],
    /// The same text as browsers without UTF-8 send it, where it can be written so.
    latin1: Option<[u8; 32]>,
}

impl BasicHttpAuth {
    /// `source` is `username:password`.
    pub(super) fn new(source: &str) -> Result<Self, PluginError> {
        if !source.contains(':') {
            return Err(PluginError::NoSource {
                plugin: "BasicHTTPAuth",
                what: "username:password",
            });
        }
        let latin1: Option<Vec<u8>> = source.chars().map(|c| u8::try_from(c).ok()).collect();
        Ok(Self {
            utf8: digest(source.as_bytes()),
            latin1: latin1.map(|bytes| digest(&bytes)),
        })
    }

    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Denied> {
        let Some(header) = headers.get(AUTHORIZATION) else {
            return Err(ask("no name and password were given"));
        };
        let given = decode(header).ok_or_else(|| {
            Denied::forbidden("the Authorization header is not of the form Basic")
        })?;
        let given = digest(&given);
        let opens = given.ct_eq(&self.utf8);
        let opens = match &self.latin1 {
            Some(latin1) => opens | given.ct_eq(latin1),
            None => opens,
        };
        if opens.into() {
            Ok(())
        } else {
            Err(ask("the name or the password is wrong"))
        }
    }
}

/// `username:password` out of the header.
fn decode(header: &HeaderValue) -> Option<Vec<u8>> {
    let (scheme, encoded) = header.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = BASE64.decode(encoded.trim()).ok()?;
    decoded.contains(&b':').then_some(decoded)
}

fn digest(text: &[u8]) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// Makes the browser ask for a name and a password.
fn ask(reason: &str) -> Denied {
    let mut headers = HeaderMap::new();
    headers.insert(
        WWW_AUTHENTICATE,
        HeaderValue::from_static("Basic realm=\"Websockify\""),
    );
    Denied {
        status: StatusCode::UNAUTHORIZED,
        headers,
        reason: reason.into(),
    }
}

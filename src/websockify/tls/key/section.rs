//! Finds an encrypted key in a PEM file: RFC 7468, section 11, and the older form with header
//! lines (RFC 1421, section 4.6) that OpenSSL calls traditional.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// An encrypted private key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Section {
    Pkcs8(Vec<u8>),
    Traditional {
        kind: Kind,
        /// `DEK-Info`: the cipher's name, a comma, its first vector in hexadecimal.
        how: String,
        bytes: Vec<u8>,
    },
}

/// What is inside of a traditional one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Pkcs1,
    Sec1,
}

/// The first private key of a PEM file, if it is encrypted and whole.
pub(super) fn encrypted(text: &[u8]) -> Option<Section> {
    let text = Zeroizing::new(String::from_utf8_lossy(text).into_owned());
    let mut lines = text.lines().map(str::trim);
    let label = loop {
        let label = lines.next()?.strip_prefix("-----BEGIN ");
        if let Some(label) = label.and_then(|rest| rest.strip_suffix("-----"))
            && label.ends_with("PRIVATE KEY")
        {
            break label;
        }
    };
    let body: Vec<&str> = lines
        .take_while(|line| !line.starts_with("-----END "))
        .collect();
    let header = |name: &str| {
        body.iter()
            .filter_map(|line| line.split_once(':'))
            .find_map(|(key, value)| (key == name).then_some(value.trim()))
    };
    let base64 = body.iter().filter(|line| !line.contains(':'));
    let bytes = STANDARD.decode(base64.copied().collect::<String>()).ok()?;
    if label == "ENCRYPTED PRIVATE KEY" {
        return Some(Section::Pkcs8(bytes));
    }
    let kind = match label {
        "RSA PRIVATE KEY" => Kind::Pkcs1,
        "EC PRIVATE KEY" => Kind::Sec1,
        _ => return None,
    };
    let how = header("DEK-Info")?.to_owned();
    Some(Section::Traditional { kind, how, bytes })
}

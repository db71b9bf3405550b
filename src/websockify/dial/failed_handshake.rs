//! Why a TLS handshake with a target failed: in words, since its admin is to mend it and should not
//! have to look it up.

use std::io;

use rustls::{AlertDescription, CertificateError, Error, OtherError};
use webpki::Error as Refusal;

/// What follows on `cannot speak TLS with vnc.example:5900: `. `trust` is what can name a file
/// with those who are trusted.
pub(super) fn in_words(error: &io::Error, trust: &str) -> String {
    let Some(inner) = error.get_ref().and_then(|inner| inner.downcast_ref()) else {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof => "it closes the connection instead".to_owned(),
            _ => error.to_string(),
        };
    };
    let words = match inner {
        Error::InvalidCertificate(wrong) => return certificate(wrong, trust),
        Error::NoCertificatesPresented => "it shows no certificate",
        Error::InvalidMessage(_) => "what it answers is no TLS",
        Error::PeerIncompatible(_) => "it has no version or cipher suite of TLS that is used here",
        Error::AlertReceived(alert) => match alert {
            AlertDescription::ProtocolVersion
            | AlertDescription::HandshakeFailure
            | AlertDescription::InsufficientSecurity => {
                "it has no version or cipher suite of TLS that is used here"
            }
            AlertDescription::CertificateRequired => "it wants a certificate from this side",
            AlertDescription::UnrecognisedName => "it does not know that name",
            _ => return error.to_string(),
        },
        _ => return error.to_string(),
    };
    words.to_owned()
}

fn certificate(wrong: &CertificateError, trust: &str) -> String {
    let words = match wrong {
        CertificateError::UnknownIssuer => {
            return format!(
                "nobody whom this machine trusts vouches for its certificate; {trust} can name a \
                 file with those who do"
            );
        }
        CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => {
            "its certificate names no host (as a subjectAltName)"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for another name"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet"
        }
        CertificateError::Revoked => "its certificate has been revoked",
        CertificateError::BadEncoding => "its certificate cannot be read",
        CertificateError::UnhandledCriticalExtension => {
            "its certificate demands something that is not known here (a critical extension)"
        }
        CertificateError::BadSignature => {
            "its certificate is not signed by the key that it names, or that is an RSA key of fewer \
             than 2048 bits"
        }
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "its certificate is signed in a way that is not trusted here, such as with SHA-1"
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "its certificate is not for servers (extendedKeyUsage)"
        }
        CertificateError::Other(OtherError(other)) => match other.downcast_ref() {
            Some(refusal) => return refused(refusal, trust),
            None => return format!("its certificate is not taken: {other}"),
        },
        _ => return format!("its certificate is not taken: {wrong}"),
    };
    words.to_owned()
}

/// What webpki finds wrong, and rustls has no name for.
fn refused(refusal: &Refusal, trust: &str) -> String {
    let words = match refusal {
        Refusal::CaUsedAsEndEntity => {
            return format!(
                "its certificate is that of an authority (CA:TRUE), as openssl req -x509 makes \
                 them, and this machine does not trust it; {trust} can name a file with it"
            );
        }
        Refusal::UnsupportedCertVersion => {
            "its certificate is of an old form; it is to be made anew as X.509 version 3"
        }
        Refusal::EndEntityUsedAsCa
        | Refusal::PathLenConstraintViolated
        | Refusal::NameConstraintViolation => {
            "those who vouch for its certificate may not do so (their own certificates say)"
        }
        Refusal::MaximumPathDepthExceeded
        | Refusal::MaximumPathBuildCallsExceeded
        | Refusal::MaximumSignatureChecksExceeded
        | Refusal::MaximumNameConstraintComparisonsExceeded => {
            "too many certificates lie between its own and those that this machine trusts"
        }
        Refusal::CertDistrusted => "its certificate is one that nobody is to trust",
        Refusal::EmptyEkuExtension
        | Refusal::ExtensionValueInvalid
        | Refusal::InvalidNetworkMaskConstraint
        | Refusal::InvalidSerialNumber
        | Refusal::MalformedDnsIdentifier
        | Refusal::MalformedExtensions
        | Refusal::MalformedNameConstraint
        | Refusal::SignatureAlgorithmMismatch
        | Refusal::UnsupportedCriticalExtension
        | Refusal::UnsupportedNameType => {
            "its certificate, or one that vouches for it, is malformed"
        }
        _ => return format!("its certificate is not taken: {refusal}"),
    };
    words.to_owned()
}

//! Why a connection is refused before anything was asked on it.

use std::io;

use rustls::{CertificateError, Error as TlsFault};

use super::limits::Full;
use super::proxy_protocol::BadHeader;

/// What a connection did not get past; for the log. The visitor's fault, but for the first.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error(transparent)]
    Full(#[from] Full),
    #[error("it is none of the trusted proxies, whose connections alone are taken here")]
    Stranger,
    #[error(transparent)]
    Header(#[from] BadHeader),
    #[error("it does not speak TLS")]
    Plain,
    #[error("{}", handshake(.0))]
    Handshake(io::Error),
    #[error("it does not speak HTTP: {0}")]
    NotHttp(hyper::Error),
    /// It was lost, or kept a deadline waiting: nobody was refused.
    #[error("{0}")]
    Left(io::Error),
}

/// What went wrong in a TLS handshake.
fn handshake(error: &io::Error) -> String {
    let fault = error.get_ref().and_then(|error| error.downcast_ref());
    match fault {
        Some(TlsFault::NoCertificatesPresented) => {
            "it shows no client certificate, and has to".to_owned()
        }
        Some(TlsFault::InvalidCertificate(CertificateError::Expired)) => {
            "its client certificate has expired".to_owned()
        }
        // The second: it claims one of their names.
        Some(TlsFault::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        )) => "its client certificate comes from none of the authorities that count".to_owned(),
        Some(TlsFault::InvalidCertificate(fault)) => {
            format!("its client certificate does not count: {fault}")
        }
        _ => format!("the TLS handshake failed: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_client_s_certificate_is_told() {
        for (fault, part) in [
            (TlsFault::NoCertificatesPresented, "no client certificate"),
            (CertificateError::Expired.into(), "has expired"),
            (CertificateError::UnknownIssuer.into(), "authorities"),
            (CertificateError::BadSignature.into(), "authorities"),
            (CertificateError::Revoked.into(), "does not count"),
            (TlsFault::DecryptError, "the TLS handshake failed"),
        ] {
            let error = io::Error::new(io::ErrorKind::InvalidData, fault);
            let said = Refusal::Handshake(error).to_string();
            assert!(said.contains(part), "{said}");
        }
    }
}

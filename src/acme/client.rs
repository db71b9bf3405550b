//! How the authority is spoken to: https, within bounds, and with its `Retry-After` noted.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::header::RETRY_AFTER;
use http_body_util::Limited;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use crate::runtime::Clock;

/// How long one answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Most bytes of an answer: a certificate's chain is the longest.
const MAX_ANSWER: usize = 1024 * 1024;

/// Clones share what was noted.
#[derive(Clone)]
pub(super) struct Client {
    inner: HyperClient<HttpsConnector<HttpConnector>, BodyWrapper<Bytes>>,
    retry_after: Arc<Mutex<Option<u64>>>,
}

impl Client {
    /// Trusts the authorities in the text of `ca_file`, or those of this machine.
    ///
    /// # Errors
    /// In words, when there are none.
    pub(super) fn new(ca_file: Option<&[u8]>) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        let found = match ca_file {
            Some(text) => CertificateDer::pem_slice_iter(text).flatten().collect(),
            None => rustls_native_certs::load_native_certs().certs,
        };
        let (added, _) = roots.add_parsable_certificates(found);
        if added == 0 {
            let nobody = match ca_file {
                Some(_) => "`ca_file` holds no certificate of an authority",
                None => "this machine trusts no authority: install ca-certificates",
            };
            return Err(nobody.to_owned());
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_only()
            .enable_http1()
            .build();
        Ok(Self {
            inner: HyperClient::builder(TokioExecutor::new()).build(connector),
            retry_after: Arc::default(),
        })
    }

    /// How many seconds the authority asked us to wait, in its last refusal.
    pub(super) fn retry_after(&self) -> Option<u64> {
        *self.noted()
    }

    fn noted(&self) -> std::sync::MutexGuard<'_, Option<u64>> {
        let noted = self.retry_after.lock();
        noted.unwrap_or_else(PoisonError::into_inner)
    }
}

impl HttpClient for Client {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let asked = self.inner.request(request);
        let noted = self.clone();
        Box::pin(async move {
            let answer = tokio::time::timeout(ANSWER_TIMEOUT, asked).await;
            let answer = answer.map_err(|late| Error::Other(late.into()))?;
            let answer = answer.map_err(|error| Error::Other(error.into()))?;
            if answer.status().is_client_error() || answer.status().is_server_error() {
                let asked = answer.headers().get(RETRY_AFTER);
                *noted.noted() = asked.and_then(|it| seconds(it.to_str().ok()?));
            }
            let answer = answer.map(|body| Limited::new(body, MAX_ANSWER));
            Ok(BytesResponse::from(answer))
        })
    }
}

/// A `Retry-After` (RFC 9110 §10.2.3): seconds, or a date.
fn seconds(text: &str) -> Option<u64> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(seconds);
    }
    let date = httpdate::parse_http_date(text).ok()?;
    let at = date.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs();
    Some(at.saturating_sub(Clock::System.unix()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_authority_asks_for_is_understood_in_both_forms() {
        assert_eq!(seconds("120"), Some(120));
        assert_eq!(seconds("Thu, 01 Jan 1970 00:00:10 GMT"), Some(0));
        assert!(seconds("Tue, 31 Dec 2199 23:59:59 GMT").unwrap() > 1_000_000);
        assert_eq!(seconds("soon"), None);
    }
}

//! How an authority is shown that a name leads to this machine.

use serde::{Deserialize, Serialize};

/// One challenge of an order and what to answer to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    pub kind: ChallengeKind,
    /// The name, lower case.
    pub domain: String,
    pub token: String,
    /// The key authorization (RFC 8555 §8.1): the token and the account key's thumbprint.
    pub authorization: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChallengeKind {
    /// A file on port 80 (RFC 8555 §8.3).
    Http01,
    /// A certificate on port 443 (RFC 8737).
    TlsAlpn01,
}

//! One order, from the account to the certificate's files. Runs in a child that is the service
//! user and may talk to the network.

use std::path::{Path, PathBuf};
use std::time::Duration;

use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, ChallengeType, Error, Identifier, NewAccount,
    NewOrder, Order, OrderStatus, RetryPolicy,
};
use serde::{Deserialize, Serialize};

use super::client::Client;
use super::files;
use super::record::Record;
use crate::config::Acme;
use crate::model::{Challenge, ChallengeKind};
use crate::runtime::words;

/// How long the authority may take to validate, and then to sign.
const VALIDATION_TIMEOUT: Duration = Duration::from_mins(1);
const SIGNING_TIMEOUT: Duration = Duration::from_mins(1);

/// What a child is to do.
#[derive(Clone, Debug)]
pub struct Work {
    pub acme: Acme,
    /// `STATE/acme`.
    pub folder: PathBuf,
    /// The text of `ca_file`.
    pub authorities: Option<Vec<u8>>,
    /// With this try begun in it.
    pub record: Record,
    /// How to prove it, the first way that is tried first.
    pub kinds: [ChallengeKind; 2],
}

/// Has challenges answered.
pub trait Show {
    /// Returns when the authority can ask for them.
    ///
    /// # Errors
    /// In words, when nobody answers them.
    fn show(&self, challenges: &[Challenge]) -> Result<(), String>;
}

/// Why there is no certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// In words for the administrator.
    pub message: String,
    /// Seconds that the authority asks us to wait.
    pub retry_after: Option<u64>,
}

/// The account as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    directory: String,
    contact: Vec<String>,
    credentials: AccountCredentials,
}

/// Orders, writes the files and what became of it.
///
/// # Errors
/// See [`Failure`].
pub fn run(work: &Work, shown: &dyn Show) -> Result<(), Failure> {
    let mut record = work.record.clone();
    let plain = |error: std::io::Error| Failure {
        message: format!("{}: {error}", work.folder.display()),
        retry_after: None,
    };
    // Should this process end at any time, the try is known.
    files::save(&work.folder, &record).map_err(plain)?;
    let ordered = order(work, shown);
    match &ordered {
        Ok(()) => record.succeeded(),
        Err(failure) => record.failed(&failure.message, failure.retry_after),
    }
    files::save(&work.folder, &record).map_err(plain)?;
    ordered
}

fn order(work: &Work, shown: &dyn Show) -> Result<(), Failure> {
    let failed = |message| Failure {
        message,
        retry_after: None,
    };
    let client = Client::new(work.authorities.as_deref()).map_err(failed)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| failed(error.to_string()))?;
    let ordered = runtime.block_on(order_either_way(work, &client, shown));
    ordered.map_err(|message| Failure {
        message,
        retry_after: client.retry_after(),
    })
}

/// An order is over when one validation fails: the other way takes another.
async fn order_either_way(work: &Work, client: &Client, shown: &dyn Show) -> Result<(), String> {
    let account = account(work, client).await?;
    let [first, second] = work.kinds;
    let Err(why) = order_once(work, &account, first, shown).await else {
        return Ok(());
    };
    let Fault::Unproved(reason) = why else {
        return Err(why.into_words());
    };
    match order_once(work, &account, second, shown).await {
        Ok(()) => Ok(()),
        Err(other) => Err(format!("{reason}; and {}", other.into_words())),
    }
}

/// Why one way did not lead to a certificate.
enum Fault {
    /// The authority could not convince itself: another way may do.
    Unproved(String),
    Other(String),
}

impl Fault {
    fn into_words(self) -> String {
        match self {
            Self::Unproved(words) | Self::Other(words) => words,
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Other(words(&error))
    }
}

/// The account that is kept for this directory, or a new one.
async fn account(work: &Work, client: &Client) -> Result<Account, String> {
    let acme = &work.acme;
    let unreachable = |error: Error| format!("the directory {}: {}", acme.directory, words(&error));
    let kept = files::read(&work.folder.join(files::ACCOUNT)).ok();
    let kept: Option<Kept> = kept.and_then(|text| serde_json::from_slice(&text).ok());
    if let Some(kept) = kept.filter(|kept| kept.directory == acme.directory) {
        let builder = Account::builder_with_http(Box::new(client.clone()));
        let credentials = kept.credentials;
        let account = builder.from_credentials(credentials).await;
        let account = account.map_err(unreachable)?;
        if kept.contact != acme.contact {
            let contacts: Vec<_> = acme.contact.iter().map(String::as_str).collect();
            let updated = account.update_contacts(&contacts).await;
            updated.map_err(unreachable)?;
            let text = files::read(&work.folder.join(files::ACCOUNT));
            let text = text.map_err(|error| error.to_string())?;
            let same: Kept = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
            keep(&work.folder, acme, same.credentials)?;
        }
        return Ok(account);
    }
    let contacts: Vec<_> = acme.contact.iter().map(String::as_str).collect();
    let wanted = NewAccount {
        contact: &contacts,
        terms_of_service_agreed: true,
        only_return_existing: false,
    };
    let builder = Account::builder_with_http(Box::new(client.clone()));
    let made = builder.create(&wanted, acme.directory.clone(), None).await;
    let (account, credentials) = made.map_err(unreachable)?;
    keep(&work.folder, acme, credentials)?;
    Ok(account)
}

fn keep(folder: &Path, acme: &Acme, credentials: AccountCredentials) -> Result<(), String> {
    let kept = Kept {
        directory: acme.directory.clone(),
        contact: acme.contact.clone(),
        credentials,
    };
    let text = serde_json::to_vec(&kept).map_err(|error| error.to_string())?;
    files::write(folder, files::ACCOUNT, &text).map_err(|error| error.to_string())
}

async fn order_once(
    work: &Work,
    account: &Account,
    kind: ChallengeKind,
    shown: &dyn Show,
) -> Result<(), Fault> {
    let names: Vec<_> = work
        .acme
        .domains
        .iter()
        .cloned()
        .map(Identifier::Dns)
        .collect();
    let mut order = account.new_order(&NewOrder::new(&names)).await?;
    let challenges = challenges(&mut order, kind).await?;
    if !challenges.is_empty() {
        shown.show(&challenges).map_err(Fault::Other)?;
        validate(&mut order, kind).await?;
    }
    let key = order.finalize().await?;
    let policy = RetryPolicy::new().timeout(SIGNING_TIMEOUT);
    let chain = order.poll_certificate(&policy).await?;
    let saved = files::save_pair(&work.folder, &chain, &key);
    saved.map_err(|error| Fault::Other(format!("{}: {error}", work.folder.display())))
}

/// What has to be answered for the names that are not proved yet.
async fn challenges(order: &mut Order, kind: ChallengeKind) -> Result<Vec<Challenge>, Fault> {
    let mut found = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let domain = authorization.identifier().to_string();
        let Some(challenge) = authorization.challenge(kind_of(kind)) else {
            let name = name_of(kind);
            let words = format!("the directory does not offer {name} for {domain}");
            return Err(Fault::Unproved(words));
        };
        found.push(Challenge {
            kind,
            domain: domain.to_lowercase(),
            token: challenge.token.clone(),
            authorization: challenge.key_authorization().as_str().to_owned(),
        });
    }
    Ok(found)
}

/// Asks the authority to look, and waits until it has.
async fn validate(order: &mut Order, kind: ChallengeKind) -> Result<(), Fault> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let domain = authorization.identifier().to_string();
        if let Some(mut challenge) = authorization.challenge(kind_of(kind)) {
            let told = challenge.set_ready().await;
            told.map_err(|error| unproved(kind, &domain, &challenge.token, &words(&error)))?;
        }
    }
    let policy = RetryPolicy::new().timeout(VALIDATION_TIMEOUT);
    let waited = order.poll_ready(&policy).await;
    if let Ok(OrderStatus::Ready | OrderStatus::Valid) = waited {
        return Ok(());
    }
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        let domain = authorization.identifier().to_string();
        let state = authorization.refresh().await?;
        if state.status == AuthorizationStatus::Valid {
            continue;
        }
        let challenge = state
            .challenges
            .iter()
            .find(|it| it.r#type == kind_of(kind));
        let token = challenge.map_or("…", |it| it.token.as_str());
        let detail = challenge.and_then(|it| it.error.as_ref());
        let detail = detail.and_then(|problem| problem.detail.clone());
        let detail = detail.unwrap_or_else(|| match &waited {
            Err(error) => words(error),
            Ok(_) => "it does not say why".to_owned(),
        });
        return Err(unproved(kind, &domain, token, &detail));
    }
    let words = waited.map_or_else(|error| words(&error), |status| format!("it is {status:?}"));
    Err(Fault::Other(format!(
        "the order did not get ready: {words}"
    )))
}

fn unproved(kind: ChallengeKind, domain: &str, token: &str, detail: &str) -> Fault {
    Fault::Unproved(match kind {
        ChallengeKind::Http01 => format!(
            "the directory could not reach http://{domain}/.well-known/acme-challenge/{token}: {detail}"
        ),
        ChallengeKind::TlsAlpn01 => {
            format!("the directory could not check https://{domain}:443 (tls-alpn-01): {detail}")
        }
    })
}

fn kind_of(kind: ChallengeKind) -> ChallengeType {
    match kind {
        ChallengeKind::Http01 => ChallengeType::Http01,
        ChallengeKind::TlsAlpn01 => ChallengeType::TlsAlpn01,
    }
}

fn name_of(kind: ChallengeKind) -> &'static str {
    match kind {
        ChallengeKind::Http01 => "http-01",
        ChallengeKind::TlsAlpn01 => "tls-alpn-01",
    }
}

//! The one place where an error becomes a response: a page for people, JSON for programs.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Json};
use http::header::{ACCEPT, ALLOW, RETRY_AFTER, UPGRADE};
use http::{HeaderValue, Method, StatusCode};
use serde::Serialize;
use tracing::error;
use utoipa::ToSchema;

use super::looks::look_of;
use super::site::Site;
use crate::auth::BadOrigin;
use crate::desktop::LauncherError;
use crate::launcher::protocol::Refusal;
use crate::listen::Connection;
use crate::model::UserName;
use crate::store::StoreError;

/// Why a request is not answered as asked. The text is what people read.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("Sign in first.")]
    SignedOut,
    /// Also what is somebody else's: that it exists is nobody's business.
    #[error("There is nothing here.")]
    NotFound,
    /// What everybody may know, since it stands in the public index.
    #[error(
        "This is the desktop of {owner}. You are signed in as {person}, and a desktop opens for its owner alone."
    )]
    SomebodyElses { owner: UserName, person: UserName },
    #[error("This cannot be done here.")]
    MethodNotAllowed,
    #[error("This server does not go by that name. Add it to `hosts` in the configuration.")]
    NotOurHost,
    #[error("This was not asked from a page of this server.")]
    NotOurPage(#[from] BadOrigin),
    #[error("{0}")]
    BadRequest(String),
    #[error("{0}")]
    Refused(String),
    #[error("Too many tries. Wait {seconds} seconds.")]
    TooMany { seconds: u32 },
    #[error("Too much is going on at the moment. Try again.")]
    Busy,
    #[error("The part of this server that looks after desktops is not there. Try again soon.")]
    Unavailable,
    /// The launcher tried, and something on the machine went wrong.
    #[error("{0}")]
    Failed(String),
    /// Our own fault; the log says more.
    #[error("Something went wrong on the server.")]
    Internal,
}

impl Error {
    fn status(&self) -> StatusCode {
        match self {
            Self::SignedOut => StatusCode::UNAUTHORIZED,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotOurHost => StatusCode::MISDIRECTED_REQUEST,
            Self::NotOurPage(_) | Self::Refused(_) | Self::SomebodyElses { .. } => {
                StatusCode::FORBIDDEN
            }
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Busy | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Failed(_) | Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What is counted.
    fn kind(&self) -> &'static str {
        match self {
            Self::SomebodyElses { .. } => "somebody_elses",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::NotOurHost => "not_our_host",
            Self::NotOurPage(_) => "not_our_page",
            Self::Internal => "internal",
            other => other.code(),
        }
    }

    /// What programs go by.
    fn code(&self) -> &'static str {
        match self {
            Self::SignedOut => "signed_out",
            Self::NotFound => "not_found",
            Self::NotOurPage(_) | Self::Refused(_) | Self::SomebodyElses { .. } => "refused",
            Self::MethodNotAllowed | Self::NotOurHost | Self::BadRequest(_) => "bad_request",
            Self::TooMany { .. } => "too_many",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
            Self::Failed(_) | Self::Internal => "failed",
        }
    }

    fn heading(&self) -> &'static str {
        match self {
            Self::SignedOut => "You are signed out",
            Self::NotFound => "Nothing here",
            Self::SomebodyElses { .. } => "Somebody else’s desktop",
            Self::NotOurHost => "Wrong address",
            Self::MethodNotAllowed | Self::NotOurPage(_) | Self::Refused(_) => "Refused",
            Self::BadRequest(_) => "That makes no sense",
            Self::TooMany { .. } => "Not so fast",
            Self::Busy | Self::Unavailable => "Not now",
            Self::Failed(_) | Self::Internal => "Something went wrong",
        }
    }
}

/// What programs are answered that get no other answer.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Fault {
    error: What,
}

#[derive(Debug, Serialize, ToSchema)]
struct What {
    /// `signed_out`, `not_found`, `refused`, `bad_request`, `too_many`, `busy`, `unavailable` or
    /// `failed`.
    #[schema(example = "not_found")]
    code: &'static str,
    /// Plain words.
    #[schema(example = "There is nothing here.")]
    message: String,
}

/// A mark on the response, which [`as_page_or_json`] turns into the real one.
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        (self.status(), Extension(self)).into_response()
    }
}

impl From<LauncherError> for Error {
    fn from(error: LauncherError) -> Self {
        match error {
            LauncherError::Refused(refusal) => refusal.into(),
            LauncherError::Unavailable => Self::Unavailable,
            LauncherError::Busy => Self::Busy,
            LauncherError::Odd => {
                error!(%error);
                Self::Internal
            }
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::UnknownHandle => Self::SignedOut,
            Refusal::NoSuchDesktop => Self::NotFound,
            Refusal::SlowDown { seconds } => Self::TooMany { seconds },
            Refusal::Busy => Self::Busy,
            Refusal::WrongPassword | Refusal::NotAllowed { .. } | Refusal::Denied(_) => {
                Self::Refused(sentence(&refusal.to_string()))
            }
            Refusal::NoSuchProfile(_)
            | Refusal::NotRunning
            | Refusal::TooManyDesktops { .. }
            | Refusal::BadRequest(_) => Self::BadRequest(sentence(&refusal.to_string())),
            Refusal::Unanswered | Refusal::Failed(_) => {
                Self::Failed(sentence(&refusal.to_string()))
            }
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        error!(%error);
        Self::Internal
    }
}

/// What every route answers to a method that it does not have.
pub(super) async fn method_not_allowed() -> Error {
    Error::MethodNotAllowed
}

/// Turns an [`Error`] into what the asker can use: the sign-in page, an error page, JSON, or for
/// a WebSocket the bare status.
pub(super) async fn as_page_or_json(
    State(site): State<Arc<Site>>,
    request: Request,
    next: Next,
) -> Response {
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let wanted = request
        .uri()
        .path_and_query()
        .map_or("/", |wanted| wanted.as_str());
    let wanted = wanted.to_owned();
    let wants_json = path.starts_with(&site.url("/api/"))
        || request
            .headers()
            .get(ACCEPT)
            .is_some_and(|accept| accept == "application/json");
    let websocket = request.headers().contains_key(UPGRADE) || path.ends_with("/websockify");
    let connection = request.extensions().get::<Connection>().cloned();
    let (headers, uri) = (request.headers().clone(), request.uri().clone());
    let response = next.run(request).await;
    let Some(error) = response.extensions().get::<Error>().cloned() else {
        return response;
    };
    site.metrics.error(error.kind());
    let mut answer = if wants_json {
        let message = error.to_string();
        let code = error.code();
        let body = Fault {
            error: What { code, message },
        };
        (error.status(), Json(body)).into_response()
    } else if websocket {
        (error.status(), error.to_string()).into_response()
    } else if matches!(error, Error::SignedOut) && matches!(method, Method::GET | Method::HEAD) {
        Redirect::to(&super::sign_in::address(&site, &wanted)).into_response()
    } else {
        let Some(connection) = connection else {
            return (error.status(), error.to_string()).into_response();
        };
        let look = look_of(&site, &headers, &uri, &connection).await;
        let page = site
            .pages
            .error(&look, error.status(), error.heading(), &error.to_string());
        (error.status(), page).into_response()
    };
    if let Some(allow) = response.headers().get(ALLOW) {
        answer.headers_mut().insert(ALLOW, allow.clone());
    }
    if let Error::TooMany { seconds } = error {
        answer
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    answer
}

/// An error's text as a sentence.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    let mut sentence: String = first.chain(letters).collect();
    if !sentence.ends_with(['.', '!', '?']) {
        sentence.push('.');
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_a_sentence() {
        assert_eq!(sentence("no such thing"), "No such thing.");
        assert_eq!(sentence("Done."), "Done.");
        assert_eq!(sentence(""), ".");
    }
}

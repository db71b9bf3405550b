//! The machine's first account, made with the link that the first start prints.

use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use tracing::info;
use utoipa::ToSchema;

use super::api::json_body;
use super::error::{Error, Fault};
use super::looks::Theirs;
use super::sign_in::source;
use super::site::Site;
use crate::listen::Connection;
use crate::model::Secret;

/// The machine's first account.
#[derive(Deserialize, ToSchema)]
pub(super) struct FirstAccount {
    /// From the set-up link.
    #[schema(value_type = String)]
    token: Secret<String>,
    #[schema(example = "alice")]
    name: String,
    #[schema(value_type = String, format = Password)]
    password: Secret<String>,
}

pub(super) async fn page(State(site): State<Arc<Site>>, Theirs(look): Theirs) -> Response {
    site.pages.set_up(&look)
}

/// Make the machine's first account, with the link that the first start prints.
#[utoipa::path(
    post,
    path = "/api/v1/set-up",
    operation_id = "setUp",
    tag = "set-up",
    security(()),
    request_body = FirstAccount,
    responses(
        (status = 204, description = "it can sign in now"),
        (status = 400, description = "a name that nobody can have, or no JSON", body = Fault),
    )
)]
pub(super) async fn submit(
    State(site): State<Arc<Site>>,
    Extension(connection): Extension<Connection>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Error> {
    let first: FirstAccount = json_body(&headers, &body)?;
    let bad_name = |error| Error::BadRequest(super::error::sentence(&format!("{error}")));
    let name: crate::model::UserName = first.name.parse().map_err(bad_name)?;
    let peer = source(&connection);
    let made = site
        .launcher
        .set_up(first.token, name.clone(), first.password, peer)
        .await;
    match &made {
        Ok(()) => info!(user = %name, %peer, "first account made"),
        Err(error) => info!(user = %name, %peer, "first account not made: {error}"),
    }
    made?;
    Ok(StatusCode::NO_CONTENT)
}

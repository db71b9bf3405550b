//! The start page: the person's desktops, or for guests the public index where there is one.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::{Redirect, Response};
use http::HeaderMap;

use super::error::Error;
use super::guard::SignedIn;
use super::index::{self, Search};
use super::looks::Theirs;
use super::site::Site;

pub(super) async fn page(
    State(site): State<Arc<Site>>,
    person: Option<SignedIn>,
    Theirs(look): Theirs,
    headers: HeaderMap,
    search: Result<Query<Search>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Error> {
    if let Some(SignedIn(person)) = person {
        return Ok(site.pages.portal(&look, &person.account));
    }
    let index = index::index(&site).await.ok_or(Error::SignedOut)?;
    let Query(search) = search.unwrap_or_default();
    index::page(&site, index, look, &search, &headers).await
}

/// `/desk` means `/desk/`.
pub(super) async fn add_slash(State(site): State<Arc<Site>>) -> Redirect {
    Redirect::permanent(&site.url("/"))
}

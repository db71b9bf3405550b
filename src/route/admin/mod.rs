//! What admins see and do: the page, the JSON below `/api/v1/admin`, and its events. Whether
//! somebody is an admin the launcher says, and finds out again at each request.

pub(super) mod acts;
mod board;
pub(super) mod events;
pub(super) mod report;

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::guard::Admin;
use super::looks::Theirs;
use super::site::Site;

pub(super) use board::Board;

pub(super) async fn page(
    State(site): State<Arc<Site>>,
    Admin(person): Admin,
    Theirs(look): Theirs,
) -> Response {
    site.pages.admin(&look, &person.account)
}

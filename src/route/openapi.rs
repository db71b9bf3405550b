//! The document of the JSON API, made from the handlers themselves.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder, Server};
use utoipa::{Modify, OpenApi};

use super::admin;
use super::error::Fault;
use super::guard::SignedIn;
use super::site::Site;
use super::{api, events, set_up};
use crate::auth::cookie_name;
use crate::listen::Connection;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Deskway",
        description = "What the pages of this server ask it. A request that is no GET needs `Origin` with the server's own origin, as browsers send it."
    ),
    paths(
        api::me,
        api::desktops,
        api::start,
        api::stop,
        api::restart,
        api::keep,
        api::end_sign_in,
        events::stream,
        set_up::submit,
        document,
        admin::report::desktops,
        admin::report::people,
        admin::events::stream,
        admin::acts::start,
        admin::acts::stop,
        admin::acts::freeze,
        admin::acts::thaw,
        admin::acts::message,
        admin::acts::end_sign_ins,
    ),
    security(("cookie" = [])),
    components(schemas(Fault)),
    modifiers(&Everywhere)
)]
struct Document;

/// What can be answered to every request.
const FAULTS: [(&str, &str); 6] = [
    ("401", "not signed in"),
    ("403", "not from a page of this server, or refused"),
    ("421", "this server does not go by that name"),
    ("429", "too many tries"),
    ("500", "something went wrong on the server"),
    ("503", "not now: try again"),
];

struct Everywhere;

/// This document.
#[utoipa::path(
    get,
    path = "/api/v1/openapi.json",
    operation_id = "openapi",
    tag = "about",
    responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Value))
)]
pub(super) async fn document(
    State(site): State<Arc<Site>>,
    Extension(connection): Extension<Connection>,
    SignedIn(_): SignedIn,
) -> Json<utoipa::openapi::OpenApi> {
    let mut document = Document::openapi();
    site.pages
        .assets
        .version()
        .clone_into(&mut document.info.version);
    document.servers = Some(vec![Server::new(site.url("/"))]);
    if let Some(components) = &mut document.components {
        let name = cookie_name(connection.scheme);
        let cookie = SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(name)));
        components.add_security_scheme("cookie", cookie);
    }
    Json(document)
}

impl Modify for Everywhere {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        for item in document.paths.paths.values_mut() {
            let operations = [&mut item.get, &mut item.post];
            for operation in operations.into_iter().flatten() {
                add_faults(operation);
            }
        }
    }
}

fn add_faults(operation: &mut Operation) {
    for (status, description) in FAULTS {
        let fault = || RefOr::T(fault(description));
        let responses = &mut operation.responses.responses;
        responses.entry(status.to_owned()).or_insert_with(fault);
    }
}

fn fault(description: &str) -> Response {
    let schema = Ref::from_schema_name("Fault");
    let content = ContentBuilder::new().schema(Some(schema)).build();
    ResponseBuilder::new()
        .description(description)
        .content("application/json", content)
        .build()
}

//! Server-sent events: a person's desktops whenever something changes.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{AppendHeaders, IntoResponse};
use futures_util::stream;
use http::header::HeaderName;
use tokio::sync::watch;
use tracing::error;

use super::api;
use super::error::Error;
use super::guard::SignedIn;
use super::site::Site;
use crate::auth::Identity;
use crate::desktop::Known;

/// How long nothing is said at most.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// An event `alive` after so much silence: nobody on the way gives the connection up, and the page
/// knows a dead one by its silence. A comment would be hidden from the page.
pub(super) fn keep_alive() -> KeepAlive {
    let alive = Event::default().event("alive").data("{}");
    KeepAlive::new().interval(KEEP_ALIVE).event(alive)
}

/// What nginx, and others that learned it from there, take as the order to pass each event on as
/// it comes.
pub(super) const UNBUFFERED: (HeaderName, &str) =
    (HeaderName::from_static("x-accel-buffering"), "no");

struct Follower {
    site: Arc<Site>,
    person: Identity,
    known: watch::Receiver<Known>,
    step: Step,
}

#[derive(PartialEq)]
enum Step {
    First,
    Changes,
    Over,
}

/// The person's desktops, at once and whenever they change.
///
/// Event `desktops` has the body of `desktops` without the profiles; event `alive` comes after 15
/// seconds without another; event `signed_out` is the last one when the sign-in is over.
#[utoipa::path(
    get,
    path = "/api/v1/events",
    operation_id = "events",
    tag = "desktops",
    responses(
        (status = 200, description = "server-sent events", content_type = "text/event-stream", body = String),
    )
)]
pub(super) async fn stream(
    State(site): State<Arc<Site>>,
    SignedIn(person): SignedIn,
) -> Result<impl IntoResponse, Error> {
    site.desktops(&person).await?;
    let known = site.registry.follow(&person.account.name);
    let follower = Follower {
        site,
        person,
        known,
        step: Step::First,
    };
    let events = stream::unfold(follower, |mut follower| async move {
        let event = follower.next().await?;
        Some((Ok::<_, Infallible>(event), follower))
    });
    let events = Sse::new(events).keep_alive(keep_alive());
    Ok((AppendHeaders([UNBUFFERED]), events))
}

impl Follower {
    async fn next(&mut self) -> Option<Event> {
        match self.step {
            Step::First => self.step = Step::Changes,
            Step::Changes => {
                tokio::select! {
                    biased;
                    () = self.person.over.cancelled() => return Some(self.signed_out()),
                    () = self.site.tasks.stopping() => return None,
                    changed = self.known.changed() => if changed.is_err() {
                        // All that is known of the person was dropped: the last sign-in is over.
                        return Some(self.signed_out());
                    },
                }
            }
            Step::Over => return None,
        }
        let known = self.known.borrow_and_update().desktops.clone();
        let shown = api::shown(&self.site, &self.person, &known.unwrap_or_default());
        match Event::default().event("desktops").json_data(shown) {
            Ok(event) => Some(event),
            Err(error) => {
                error!(%error, "a list of desktops cannot be written as JSON");
                None
            }
        }
    }

    fn signed_out(&mut self) -> Event {
        self.step = Step::Over;
        signed_out()
    }
}

/// The last event of a sign-in that is over.
pub(super) fn signed_out() -> Event {
    // Browsers drop an event without data.
    Event::default().event("signed_out").data("{}")
}

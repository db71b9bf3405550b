//! Server-sent events for admins: everybody's desktops once whole, then what changes, at most once
//! a second; and who is signed in.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::State;
use axum::response::sse::{Event, Sse};
use axum::response::{AppendHeaders, IntoResponse};
use futures_util::stream;

use super::board::{self, Look, Turn};
use crate::auth::Identity;
use crate::route::error::Fault;
use crate::route::events::{UNBUFFERED, keep_alive, signed_out};
use crate::route::guard::Admin;
use crate::route::site::Site;

struct Follower {
    site: Arc<Site>,
    person: Identity,
    look: Look,
    /// The last turn whose desktops were told; 0 before the first.
    told: u64,
    people: Arc<str>,
    waiting: VecDeque<Event>,
    is_over: bool,
}

/// What happens to everybody's desktops, as it happens.
///
/// Event `desktops` has the body of `adminDesktops`, and replaces all; event `changes` has `at`,
/// the `desktops` that are other than before, and the ids of those that are `gone`; event `people`
/// has the body of `adminPeople`; event `alive` comes after 15 seconds without another; event
/// `signed_out` is the last one when the sign-in is over.
#[utoipa::path(
    get,
    path = "/api/v1/admin/events",
    operation_id = "adminEvents",
    tag = "admin",
    responses(
        (status = 200, description = "server-sent events", content_type = "text/event-stream", body = String),
        (status = 404, description = "not an admin", body = Fault),
    )
)]
pub(in crate::route) async fn stream(
    State(site): State<Arc<Site>>,
    Admin(person): Admin,
) -> impl IntoResponse {
    let follower = Follower {
        look: board::look(&site, person.clone()),
        site,
        person,
        told: 0,
        people: Arc::default(),
        waiting: VecDeque::new(),
        is_over: false,
    };
    let events = stream::unfold(follower, |mut follower| async move {
        let event = follower.next().await?;
        Some((Ok::<_, Infallible>(event), follower))
    });
    let events = Sse::new(events).keep_alive(keep_alive());
    (AppendHeaders([UNBUFFERED]), events)
}

impl Follower {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if self.is_over {
                return None;
            }
            if self.person.over.is_cancelled() {
                self.is_over = true;
                return Some(signed_out());
            }
            if !self.site.sign_ins.is_admin(&self.person.hash) {
                return None;
            }
            if let Some(event) = self.waiting.pop_front() {
                return Some(event);
            }
            let turn = self.look.turns.borrow_and_update().clone();
            if let Some(turn) = turn {
                self.take_in(&turn);
            }
            if !self.waiting.is_empty() {
                continue;
            }
            tokio::select! {
                biased;
                () = self.person.over.cancelled() => {}
                () = self.site.tasks.stopping() => return None,
                changed = self.look.turns.changed() => if changed.is_err() {
                    return None;
                },
            }
        }
    }

    /// What is to be told of a turn. Whoever missed one is told all anew.
    fn take_in(&mut self, turn: &Turn) {
        if turn.number == self.told {
            return;
        }
        if self.told > 0 && turn.number == self.told + 1 {
            let changes = turn.changes.iter();
            let changes = changes.map(|data| Event::default().event("changes").data(data));
            self.waiting.extend(changes);
        } else {
            let whole = Event::default().event("desktops").data(turn.whole());
            self.waiting.push_back(whole);
        }
        self.told = turn.number;
        if self.people != turn.people {
            self.people = Arc::clone(&turn.people);
            let people = Event::default().event("people").data(&*turn.people);
            self.waiting.push_back(people);
        }
    }
}

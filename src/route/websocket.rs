//! The WebSocket to a desktop. Who may not open it gets a plain status; what fails after that is
//! told in the close frame, since browsers show a page nothing else.

use std::future::pending;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::StatusCode;
use hyper::upgrade::OnUpgrade;
use serde::Deserialize;
use tokio::io::empty;
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{info, warn};

use super::error::Error;
use super::guard::TheirDesktop;
use super::site::Site;
use crate::auth::Identity;
use crate::bridge;
use crate::bridge::{CloseCause, Passage, Traffic};
use crate::desktop::{Ended, LauncherError, NewViewer, Opened, Seat};
use crate::launcher::protocol::{Greeting, Refusal, cause_word};
use crate::listen;
use crate::listen::{Connection, Upgraded};
use crate::model::{DesktopId, Rights};
use crate::runtime::Stream;

/// How long a desktop that does not run may owe us the reason.
const EXPLAIN_TIMEOUT: Duration = Duration::from_secs(2);
/// Between two tries to open a desktop for one of a person's many windows that come at once, as they
/// do after a restart.
const TURN: Duration = Duration::from_millis(200);
/// How long such a window waits for its turn.
const TURN_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a look for the portal's picture may take, and how many bytes it may move: a little more
/// than a screen of 3840 by 2160 that nobody packs. It is no viewer, so it must be no way to watch.
const GLANCE_TIMEOUT: Duration = Duration::from_secs(9);
const GLANCE_BYTES: u64 = 40 << 20;
/// How often is looked whether it has.
const GLANCE_CHECK: Duration = Duration::from_millis(20);

#[derive(Debug, Deserialize)]
pub(super) struct Wish {
    /// The random name of the browser's window.
    viewer: Option<String>,
    #[serde(default)]
    view_only: String,
    /// Set by the portal, which takes a picture for a card and leaves.
    #[serde(default)]
    thumbnail: String,
}

/// One viewer on its way to a desktop.
struct Visit {
    site: Arc<Site>,
    person: Identity,
    desktop: DesktopId,
    rights: Rights,
    glance: bool,
    connection: Connection,
    /// Taken; or why no place was to be had.
    seat: Result<Seat, CloseCause>,
    stopper: watch::Sender<Option<CloseCause>>,
    stop: watch::Receiver<Option<CloseCause>>,
    traffic: Arc<Traffic>,
}

pub(super) async fn open(
    State(site): State<Arc<Site>>,
    Extension(connection): Extension<Connection>,
    TheirDesktop { person, desktop }: TheirDesktop,
    wish: Result<Query<Wish>, QueryRejection>,
    request: Request,
) -> Result<Response, Error> {
    let bad_query = || Error::BadRequest("The address's parameters make no sense.".to_owned());
    let Query(wish) = wish.map_err(|_| bad_query())?;
    let window = wish.viewer.map(|id| id.parse()).transpose();
    let window = window.map_err(|()| bad_query())?;
    let (mut parts, _) = request.into_parts();
    let headers = match bridge::websocket::accept(&parts) {
        Ok(headers) => headers,
        Err(error) => {
            return Ok((error.status(), error.headers(), error.to_string()).into_response());
        }
    };
    let upgrade = parts
        .extensions
        .remove::<OnUpgrade>()
        .ok_or(Error::Internal)?;

    let glance = is_set(&wish.thumbnail);
    let (stopper, stop) = watch::channel(None);
    let rights = if glance || is_set(&wish.view_only) {
        Rights::View
    } else {
        Rights::Control
    };
    let metrics = Arc::clone(&site.metrics);
    let heard = move |took| metrics.round_trip(took);
    let traffic = Arc::new(Traffic::with_round_trips(heard));
    let viewer = NewViewer {
        desktop: desktop.clone(),
        account: person.account.name.clone(),
        session: person.hash,
        window,
        glance,
        address: connection.shown_address(),
        since: site.clock.unix(),
        view_only: rights == Rights::View,
        traffic: Arc::clone(&traffic),
    };
    let ender = stopper.clone();
    let seat = site.registry.enter(viewer, move |why| {
        ender.send_replace(Some(told(why)));
    });
    let visit = Visit {
        seat: seat.map_err(|_| CloseCause::TooManyViewers),
        site: Arc::clone(&site),
        person,
        desktop,
        rights,
        glance,
        connection,
        stopper,
        stop,
        traffic,
    };
    site.tasks.spawn(async move {
        match listen::upgraded(upgrade).await {
            Ok(upgraded) => Box::pin(visit.go(upgraded)).await,
            Err(error) => info!(desktop = %visit.desktop, "a viewer left at once: {error}"),
        }
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *response.headers_mut() = headers;
    Ok(response)
}

fn is_set(flag: &str) -> bool {
    !matches!(flag, "" | "0" | "false")
}

impl Visit {
    /// From the upgrade to the end.
    async fn go(self, browser: Upgraded) {
        let (user, desktop) = (&self.person.account.name, &self.desktop);
        let peer = self.connection.address();
        let outcome = match self.stream().await {
            Ok((stream, greeting)) => {
                if !self.glance {
                    info!(%user, %desktop, %peer, "viewer came");
                }
                let viewer = self.viewer(greeting);
                let flows = self.site.metrics.flows();
                let _carried = flows.count(Arc::clone(&viewer.traffic));
                let explain = async { told(self.site.registry.explain(user, desktop).await) };
                let (stop, early) = (self.stop.clone(), browser.early);
                let carried = bridge::run(browser.stream, early, stream, viewer, stop, explain);
                let mut carried = pin!(carried);
                tokio::select! {
                    outcome = &mut carried => outcome,
                    () = self.looked_enough() => {
                        self.stopper.send_replace(Some(CloseCause::LookedEnough));
                        carried.await
                    }
                }
            }
            Err(cause) => self.refuse(browser.stream, cause).await,
        };
        if self.glance {
            return;
        }
        self.site.metrics.viewer_left(outcome.cause.word());
        let bytes = outcome.to_browser + outcome.from_browser;
        let seconds = outcome.lasted.as_secs();
        let error = outcome.error.as_ref().map(tracing::field::display);
        info!(%user, %desktop, %peer, bytes, seconds, error, "viewer left: {}", outcome.cause);
    }

    /// Comes when a glance is over; never to a viewer.
    async fn looked_enough(&self) {
        if !self.glance {
            return pending().await;
        }
        let until = Instant::now() + GLANCE_TIMEOUT;
        while Instant::now() < until && self.traffic.to_browser() < GLANCE_BYTES {
            tokio::time::sleep(GLANCE_CHECK).await;
        }
    }

    async fn stream(&self) -> Result<(UnixStream, Greeting), CloseCause> {
        if let Err(cause) = &self.seat {
            return Err(cause.clone());
        }
        // Whoever ends sign-ins or all viewers from now on knows of this one.
        if self.person.over.is_cancelled() {
            return Err(CloseCause::SignedOut);
        }
        if self.site.tasks.is_stopping() {
            return Err(CloseCause::Restarting);
        }
        let opening = self.open_in_turn();
        let mut stop = self.stop.clone();
        let opened = tokio::select! {
            opened = opening => opened,
            Ok(cause) = stop.wait_for(Option::is_some) => {
                return Err(cause.clone().unwrap_or(CloseCause::Unreachable));
            }
        };
        match opened {
            Ok(Opened { stream, greeting }) => match under_tokio(stream) {
                Ok(stream) => Ok((stream, greeting)),
                Err(error) => {
                    warn!(desktop = %self.desktop, %error, "the launcher's stream cannot be used");
                    Err(CloseCause::Unreachable)
                }
            },
            Err(error) => Err(self.why_not(error).await),
        }
    }

    async fn open_in_turn(&self) -> Result<Opened, LauncherError> {
        let until = Instant::now() + TURN_TIMEOUT;
        loop {
            let handle = self.person.handle.clone();
            let desktop = self.desktop.clone();
            let opened = self.site.launcher.open(handle, desktop, self.glance).await;
            let busy = matches!(
                opened,
                Err(LauncherError::Busy | LauncherError::Refused(Refusal::Busy))
            );
            if !busy || Instant::now() > until {
                return opened;
            }
            tokio::time::sleep(TURN).await;
        }
    }

    async fn why_not(&self, error: LauncherError) -> CloseCause {
        let (registry, user) = (&self.site.registry, &self.person.account.name);
        match error {
            LauncherError::Refused(Refusal::UnknownHandle) => {
                let hash = &self.person.hash;
                self.site
                    .end_sign_in(hash, "the launcher does not know it")
                    .await;
                CloseCause::SignedOut
            }
            LauncherError::Refused(Refusal::NotRunning | Refusal::NoSuchDesktop) => {
                let why = registry.explain(user, &self.desktop);
                let why = tokio::time::timeout(EXPLAIN_TIMEOUT, why).await;
                why.map_or(CloseCause::Stopped, told)
            }
            LauncherError::Refused(Refusal::Denied(why)) => CloseCause::Denied(why),
            error => {
                warn!(%user, desktop = %self.desktop, %error, "no stream to the desktop");
                match error {
                    LauncherError::Refused(Refusal::Unanswered) => CloseCause::Unanswered,
                    LauncherError::Refused(Refusal::Failed(why)) => CloseCause::UnreachableFor(why),
                    _ => CloseCause::Unreachable,
                }
            }
        }
    }

    /// Tells the browser the cause in the way that it can see.
    async fn refuse(&self, browser: Stream, cause: CloseCause) -> bridge::Outcome {
        let (_told, stop) = watch::channel(Some(cause.clone()));
        let viewer = self.viewer(Greeting::Fresh);
        let explain = async { cause };
        let nothing = Stream::over(empty());
        bridge::run(browser, Bytes::new(), nothing, viewer, stop, explain).await
    }

    fn viewer(&self, greeting: Greeting) -> bridge::Viewer {
        let greeting = match greeting {
            Greeting::Fresh => bridge::Greeting::Fresh,
            Greeting::Done => bridge::Greeting::Done,
        };
        bridge::Viewer {
            passage: Passage::Desktop {
                rights: self.rights,
                greeting,
            },
            traffic: Arc::clone(&self.traffic),
            tap: None,
        }
    }
}

/// As the browser is told.
fn told(why: Ended) -> CloseCause {
    match why {
        Ended::Stopped => CloseCause::Stopped,
        Ended::LoggedOut => CloseCause::LoggedOut,
        Ended::RanOut(cause) => CloseCause::RanOut {
            word: cause_word(&cause),
            why: cause.to_string(),
        },
        Ended::Crashed(cause) => CloseCause::Crashed(cause.to_string()),
        Ended::SignedOut => CloseCause::SignedOut,
        Ended::Replaced => CloseCause::Replaced,
        Ended::Restarting => CloseCause::Restarting,
    }
}

fn under_tokio(stream: OwnedFd) -> std::io::Result<UnixStream> {
    let stream = std::os::unix::net::UnixStream::from(stream);
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}

//! The public index: whose desktops there are, for guests, where the configuration wants it.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::HeaderMap;
use serde::Deserialize;
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout};
use tracing::warn;

use super::compression::packed;
use super::error::Error;
use super::kept::{Makings, Shows, coding};
use super::looks::Look;
use super::site::Site;
use super::viewer;
use crate::launcher::protocol::Index;
use crate::model::DesktopId;
use crate::templates::IndexRow;

/// For so long an index, or that there is none, is told again without asking: a flood of guests
/// costs root nothing.
const KEPT_FOR: Duration = Duration::from_secs(5);
/// Longest search, in characters.
const MAX_SEARCH: usize = 64;
/// From so many desktops on there is a search.
const SEARCH_FROM: usize = 12;

/// How many searches are answered at once; each costs as much as a page that is kept for all.
const SEARCHES: usize = 1;
/// How long one waits for its turn.
const SEARCH_WAIT: Duration = Duration::from_secs(5);

/// What was told last, and whose turn it is to search.
#[derive(Debug)]
pub(super) struct Asked {
    told: Mutex<Option<(Instant, Option<Arc<Index>>)>>,
    searches: Semaphore,
}

/// What a guest is looking for.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Search {
    #[serde(default)]
    q: String,
}

/// What the page shows.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) desktops: Vec<IndexRow>,
    pub(super) search: String,
    pub(super) has_search: bool,
    /// How many there are altogether, as far as they are known.
    pub(super) known: usize,
    pub(super) more: bool,
}

/// Everybody's desktops; `None` when that is nobody's business or cannot be told now.
pub(super) async fn index(site: &Site) -> Option<Arc<Index>> {
    if !site.live().public_index {
        return None;
    }
    // Whoever comes while it is being asked waits for the same answer.
    let mut kept = site.index.told.lock().await;
    if let Some((since, index)) = &*kept
        && since.elapsed() < KEPT_FOR
    {
        return index.clone();
    }
    let index = match site.launcher.index().await {
        Ok(index) => Some(Arc::new(index)),
        Err(error) => {
            warn!(%error, "there is no index of the desktops");
            None
        }
    };
    *kept = Some((Instant::now(), index.clone()));
    index
}

/// Whether everybody may know that there is such a desktop.
pub(super) async fn has(site: &Site, desktop: &DesktopId) -> bool {
    let index = index(site).await;
    index.is_some_and(|index| index.desktops.binary_search(desktop).is_ok())
}

/// The page for a guest with that look.
pub(super) async fn page(
    site: &Site,
    index: Arc<Index>,
    look: Arc<Look>,
    search: &Search,
    headers: &HeaderMap,
) -> Result<Response, Error> {
    let of = Makings {
        shows: Shows::Index(Arc::clone(&index)),
        look: Arc::clone(&look),
        templates: site.pages.templates(),
        coding: coding(headers),
    };
    let coding = of.coding;
    let make = async || {
        let shown = Shown::new(site, &index, search);
        packed(site.pages.index(&look, &shown), coding).await
    };
    let page = if search.q.trim().is_empty() {
        site.kept.page(of, make).await?
    } else {
        let _turn = site.index.turn().await?;
        make().await?
    };
    Ok(page.map(Body::from))
}

impl Default for Asked {
    fn default() -> Self {
        Self {
            told: Mutex::default(),
            searches: Semaphore::new(SEARCHES),
        }
    }
}

impl Asked {
    /// The turn to search.
    async fn turn(&self) -> Result<SemaphorePermit<'_>, Error> {
        let turn = timeout(SEARCH_WAIT, self.searches.acquire()).await;
        turn.map_err(|_| Error::Busy)?.map_err(|_| Error::Busy)
    }
}

impl Shown {
    pub(super) fn new(site: &Site, index: &Index, search: &Search) -> Self {
        let search: String = search.q.trim().chars().take(MAX_SEARCH).collect();
        let wanted = search.to_lowercase();
        let mut found: Vec<&DesktopId> = index
            .desktops
            .iter()
            .filter(|id| id.to_string().to_lowercase().contains(&wanted))
            .collect();
        // Each person's main one first.
        found.sort_by_key(|id| (&id.owner, !id.name.is_main(), &id.name));
        let desktops = found.into_iter().map(|id| IndexRow {
            owner: id.owner.to_string(),
            name: (!id.name.is_main()).then(|| id.name.to_string()),
            url: viewer::address(site, id),
        });
        let known = index.desktops.len();
        Self {
            desktops: desktops.collect(),
            has_search: !search.is_empty() || known >= SEARCH_FROM,
            search,
            known,
            more: index.more,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn searches_wait_for_their_turn_and_not_for_ever() {
        let asked = Asked::default();
        let turn = asked.turn().await.unwrap();
        assert!(matches!(asked.turn().await, Err(Error::Busy)));
        drop(turn);
        assert!(asked.turn().await.is_ok());
    }
}

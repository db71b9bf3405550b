//! The public index: whose desktops there are, for guests, where the configuration wants it.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tracing::warn;

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

/// What was told last.
#[derive(Debug, Default)]
pub(super) struct Kept(Mutex<Option<(Instant, Option<Arc<Index>>)>>);

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
    let mut kept = site.index.0.lock().await;
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

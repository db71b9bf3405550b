//! The public index: whose desktops there are, for guests, where the configuration wants it.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use serde::Deserialize;
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout};
use tracing::{error, warn};

use super::assets::accepts;
use super::compression::packed;
use super::error::Error;
use super::looks::Look;
use super::site::Site;
use super::viewer;
use crate::launcher::protocol::Index;
use crate::model::DesktopId;
use crate::templates::{IndexRow, Templates};

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

/// What was told last, and the pages that show it.
#[derive(Debug)]
pub(super) struct Kept {
    told: Mutex<Option<(Instant, Option<Arc<Index>>)>>,
    pages: Mutex<Vec<Page>>,
    searches: Semaphore,
}

/// One that is the same for everybody.
#[derive(Debug)]
struct Page {
    of: Makings,
    answer: http::Response<Bytes>,
}

/// What a page is made of.
#[derive(Clone, Debug)]
struct Makings {
    index: Arc<Index>,
    look: Arc<Look>,
    templates: Arc<Templates>,
    coding: &'static str,
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
        index,
        look,
        templates: site.pages.templates(),
        coding: ["br", "gzip"]
            .into_iter()
            .find(|coding| accepts(headers, coding))
            .unwrap_or("identity"),
    };
    let made = of.clone();
    let make = async || {
        let shown = Shown::new(site, &made.index, search);
        let page = packed(site.pages.index(&made.look, &shown), made.coding);
        page.await.map_err(|error| {
            error!(%error, "the index cannot be packed");
            Error::Internal
        })
    };
    let kept = &site.index;
    let page = if search.q.trim().is_empty() {
        kept.page(of, make).await?
    } else {
        let _turn = kept.turn().await?;
        make().await?
    };
    Ok(page.map(Body::from))
}

impl Default for Kept {
    fn default() -> Self {
        Self {
            told: Mutex::default(),
            pages: Mutex::default(),
            searches: Semaphore::new(SEARCHES),
        }
    }
}

impl Kept {
    /// The page that was made of these things, made now if there is none. Who comes meanwhile
    /// waits for it.
    async fn page(
        &self,
        of: Makings,
        make: impl AsyncFnOnce() -> Result<http::Response<Bytes>, Error>,
    ) -> Result<http::Response<Bytes>, Error> {
        let mut pages = self.pages.lock().await;
        if let Some(page) = pages.iter().find(|page| page.of.are(&of)) {
            return Ok(page.answer.clone());
        }
        // Of older lists there is nothing to show any more, so that there are at most as many as
        // looks and codings.
        pages.retain(|page| page.of.are_of_now(&of));
        let answer = make().await?;
        pages.push(Page {
            of,
            answer: answer.clone(),
        });
        Ok(answer)
    }

    /// The turn to search.
    async fn turn(&self) -> Result<SemaphorePermit<'_>, Error> {
        let turn = timeout(SEARCH_WAIT, self.searches.acquire()).await;
        turn.map_err(|_| Error::Busy)?.map_err(|_| Error::Busy)
    }
}

impl Makings {
    fn are(&self, others: &Self) -> bool {
        self.are_of_now(others)
            && Arc::ptr_eq(&self.look, &others.look)
            && self.coding == others.coding
    }

    fn are_of_now(&self, now: &Self) -> bool {
        Arc::ptr_eq(&self.index, &now.index) && Arc::ptr_eq(&self.templates, &now.templates)
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
    use std::cell::Cell;

    use futures_util::future::join_all;

    use super::super::looks::Looks;
    use super::*;
    use crate::config::{Config, Logos};

    fn makings() -> Makings {
        let index = Index {
            desktops: Vec::new(),
            more: false,
        };
        Makings {
            index: Arc::new(index),
            look: look(),
            templates: Arc::new(Templates::built_in().unwrap()),
            coding: "br",
        }
    }

    fn look() -> Arc<Look> {
        let config = Config::default_for(1000);
        Looks::new(&config, &Logos::default(), None).find(None, None)
    }

    #[tokio::test]
    async fn one_page_is_made_for_many_guests_of_a_list_a_look_and_a_coding() {
        let (kept, first) = (Kept::default(), makings());
        let made = Cell::new(0);
        let get = async |of: &Makings| {
            let make = async || {
                made.set(made.get() + 1);
                tokio::task::yield_now().await;
                Ok(http::Response::new(Bytes::from(made.get().to_string())))
            };
            kept.page(of.clone(), make).await.unwrap().into_body()
        };
        let pages = join_all((0..50).map(|_| get(&first))).await;
        assert!(pages.iter().all(|page| page == "1"));
        let plain = Makings {
            coding: "identity",
            ..first.clone()
        };
        let of_group = Makings {
            look: look(),
            ..first.clone()
        };
        assert_eq!(get(&plain).await, "2");
        assert_eq!(get(&of_group).await, "3");
        assert_eq!(get(&first).await, "1");
        let next = Makings {
            index: makings().index,
            ..first
        };
        assert_eq!(get(&next).await, "4");
        assert_eq!(kept.pages.lock().await.len(), 1, "of the list of now alone");
    }

    #[tokio::test(start_paused = true)]
    async fn searches_wait_for_their_turn_and_not_for_ever() {
        let kept = Kept::default();
        let turn = kept.turn().await.unwrap();
        assert!(matches!(kept.turn().await, Err(Error::Busy)));
        drop(turn);
        assert!(kept.turn().await.is_ok());
    }
}

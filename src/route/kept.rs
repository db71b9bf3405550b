//! Pages that are the same for many: made and packed once, and sent to all.

use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use http::{HeaderMap, Response};
use tokio::sync::Mutex;

use super::assets::accepts;
use super::error::Error;
use super::looks::Look;
use crate::launcher::protocol::Index;
use crate::templates::Templates;

/// Most pages at once; the oldest goes. There are as many as looks and codings, and with a new
/// configuration as many again.
const MAX_PAGES: usize = 128;

/// The pages, each with what it was made of.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pages: RwLock<Vec<(Makings, Response<Bytes>)>>,
    making: Mutex<()>,
}

/// What a page is made of.
#[derive(Clone, Debug)]
pub(super) struct Makings {
    pub(super) shows: Shows,
    pub(super) look: Arc<Look>,
    pub(super) templates: Arc<Templates>,
    /// `br`, `gzip` or `identity`.
    pub(super) coding: &'static str,
}

/// Which page it is.
#[derive(Clone, Debug)]
pub(super) enum Shows {
    /// The empty form, which leads to the portal.
    SignIn,
    /// This list, all of it.
    Index(Arc<Index>),
}

impl Kept {
    /// The page that was made of these things, made now if there is none. Who comes meanwhile
    /// waits for it.
    pub(super) async fn page(
        &self,
        of: Makings,
        make: impl AsyncFnOnce() -> Result<Response<Bytes>, Error>,
    ) -> Result<Response<Bytes>, Error> {
        if let Some(page) = self.find(&of) {
            return Ok(page);
        }
        let _turn = self.making.lock().await;
        if let Some(page) = self.find(&of) {
            return Ok(page);
        }
        let page = make().await?;
        if !page.status().is_success() {
            return Ok(page);
        }
        let mut pages = self.pages.write().unwrap_or_else(PoisonError::into_inner);
        pages.retain(|(old, _)| !old.is_outdone_by(&of));
        if pages.len() >= MAX_PAGES {
            pages.remove(0);
        }
        pages.push((of, page.clone()));
        Ok(page)
    }

    fn find(&self, of: &Makings) -> Option<Response<Bytes>> {
        let pages = self.pages.read().unwrap_or_else(PoisonError::into_inner);
        let found = pages.iter().find(|(made, _)| made.are(of));
        found.map(|(_, page)| page.clone())
    }
}

impl Makings {
    fn are(&self, others: &Self) -> bool {
        let same_page = match (&self.shows, &others.shows) {
            (Shows::SignIn, Shows::SignIn) => true,
            (Shows::Index(own), Shows::Index(other)) => Arc::ptr_eq(own, other),
            _ => false,
        };
        same_page
            && Arc::ptr_eq(&self.look, &others.look)
            && Arc::ptr_eq(&self.templates, &others.templates)
            && self.coding == others.coding
    }

    /// Whether nobody is shown it any more: the templates or the list are others now.
    fn is_outdone_by(&self, newer: &Self) -> bool {
        let older_list = match (&self.shows, &newer.shows) {
            (Shows::Index(own), Shows::Index(newer)) => !Arc::ptr_eq(own, newer),
            _ => false,
        };
        older_list || !Arc::ptr_eq(&self.templates, &newer.templates)
    }
}

/// How a page travels to whoever sends these headers.
pub(super) fn coding(headers: &HeaderMap) -> &'static str {
    ["br", "gzip"]
        .into_iter()
        .find(|coding| accepts(headers, coding))
        .unwrap_or("identity")
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures_util::future::join_all;

    use super::super::looks::Looks;
    use super::*;
    use crate::config::{Config, Logos};

    fn makings() -> Makings {
        Makings {
            shows: Shows::Index(list()),
            look: look(),
            templates: Arc::new(Templates::built_in().unwrap()),
            coding: "br",
        }
    }

    fn list() -> Arc<Index> {
        Arc::new(Index {
            desktops: Vec::new(),
            more: false,
        })
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
                Ok(Response::new(Bytes::from(made.get().to_string())))
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
        let sign_in = Makings {
            shows: Shows::SignIn,
            ..first.clone()
        };
        assert_eq!(get(&plain).await, "2");
        assert_eq!(get(&of_group).await, "3");
        assert_eq!(get(&sign_in).await, "4");
        assert_eq!(get(&first).await, "1");
        let next = Makings {
            shows: Shows::Index(list()),
            ..first.clone()
        };
        assert_eq!(get(&next).await, "5");
        // The older list's pages are gone, the form is not.
        assert_eq!(get(&sign_in).await, "4");
        assert_eq!(kept.pages.read().unwrap().len(), 2);
        let templates = makings().templates;
        assert_eq!(get(&Makings { templates, ..next }).await, "6");
        assert_eq!(kept.pages.read().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn of_many_looks_the_oldest_pages_go() {
        let (kept, first) = (Kept::default(), makings());
        for _ in 0..MAX_PAGES + 5 {
            let of = Makings {
                look: look(),
                ..first.clone()
            };
            let made = kept.page(of, async || Ok(Response::default())).await;
            made.unwrap();
        }
        assert_eq!(kept.pages.read().unwrap().len(), MAX_PAGES);
    }
}

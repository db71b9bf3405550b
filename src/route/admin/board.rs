//! What all admins look at: asked of the launcher once a second for all of them together, and only
//! while somebody looks. What has changed is found and written down once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;
use tracing::{error, warn};

use super::report::{self, AdminDesktop, AdminDesktops};
use crate::auth::Identity;
use crate::model::DesktopId;
use crate::route::error::Error;
use crate::route::site::Site;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);
/// Between two looks at who is signed in, in looks.
const PEOPLE_EVERY: u64 = 5;

/// The board, which is empty as long as nobody looks.
#[derive(Debug, Default)]
pub(in crate::route) struct Board {
    lookers: Mutex<Lookers>,
    turns: watch::Sender<Option<Arc<Turn>>>,
    /// Sign-ins may be others now.
    people_anew: AtomicBool,
}

#[derive(Debug, Default)]
struct Lookers {
    next: u64,
    here: BTreeMap<u64, Identity>,
    is_polled: bool,
}

/// How it was at one look.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// One more than the one before.
    pub(super) number: u64,
    at: u64,
    desktops: BTreeMap<DesktopId, AdminDesktop>,
    /// What is other than at the turn before, as an event's data.
    pub(super) changes: Option<String>,
    whole: OnceLock<String>,
    /// Who is signed in, as an event's data.
    pub(super) people: Arc<str>,
}

/// What changed between two turns.
#[derive(Serialize)]
struct Changes<'a> {
    at: u64,
    desktops: Vec<&'a AdminDesktop>,
    gone: Vec<&'a DesktopId>,
}

/// A looker's place; dropping it leaves.
#[derive(Debug)]
pub(super) struct Look {
    site: Arc<Site>,
    number: u64,
    pub(super) turns: watch::Receiver<Option<Arc<Turn>>>,
}

impl Board {
    /// Something is other than it was: the next look is at sign-ins too, and whoever looks is to
    /// see whether they still may.
    pub(in crate::route) fn look_again(&self) {
        self.people_anew.store(true, Ordering::Relaxed);
        self.turns.send_modify(|_| {});
    }

    fn lock(&self) -> MutexGuard<'_, Lookers> {
        self.lookers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// With whose right to ask: one of those who look and still may.
    fn asker(&self, site: &Site) -> Option<Identity> {
        let lookers = self.lock();
        let mut here = lookers.here.values();
        here.find(|person| site.sign_ins.is_admin(&person.hash))
            .cloned()
    }

    /// Whether the poller is to end, since nobody looks any more.
    fn is_left(&self) -> bool {
        let mut lookers = self.lock();
        if lookers.here.is_empty() {
            lookers.is_polled = false;
            self.turns.send_replace(None);
        }
        lookers.here.is_empty()
    }
}

/// Begins to look.
pub(super) fn look(site: &Arc<Site>, person: Identity) -> Look {
    let board = &site.board;
    let mut lookers = board.lock();
    let number = lookers.next;
    lookers.next += 1;
    lookers.here.insert(number, person);
    if !lookers.is_polled {
        lookers.is_polled = true;
        let (tasks, polled) = (site.tasks.clone(), Arc::clone(site));
        tasks.spawn(async move { poll(&polled).await });
    }
    Look {
        site: Arc::clone(site),
        number,
        turns: board.turns.subscribe(),
    }
}

impl Drop for Look {
    fn drop(&mut self) {
        self.site.board.lock().here.remove(&self.number);
    }
}

impl Turn {
    /// All desktops, as an event's data.
    pub(super) fn whole(&self) -> &str {
        self.whole.get_or_init(|| {
            written(&AdminDesktops {
                desktops: self.desktops.values().cloned().collect(),
                at: self.at,
            })
        })
    }
}

async fn poll(site: &Arc<Site>) {
    let board = &site.board;
    let mut last = Arc::new(Turn::default());
    let mut people_at = 0;
    while !board.is_left() {
        let anew = board.people_anew.swap(false, Ordering::Relaxed);
        let with_people = anew || last.number >= people_at;
        match next_turn(site, &last, with_people).await {
            Ok(Some(turn)) => {
                if with_people {
                    people_at = turn.number + PEOPLE_EVERY;
                }
                last = Arc::new(turn);
                board.turns.send_replace(Some(Arc::clone(&last)));
            }
            Ok(None) | Err(Error::NotFound | Error::SignedOut) => {}
            Err(error) => warn!(%error, "what admins look at cannot be asked for"),
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = site.tasks.stopping() => return,
        }
    }
}

/// `None`: nobody who looks may.
async fn next_turn(site: &Site, last: &Turn, with_people: bool) -> Result<Option<Turn>, Error> {
    let Some(person) = site.board.asker(site) else {
        return Ok(None);
    };
    let desktops = report::ask(site, &person).await?;
    let people = if with_people {
        let asked = site.launcher.people(&person.handle).await;
        let sign_ins = report::heed(site, &person, asked).await?;
        written(&report::grouped(sign_ins)).into()
    } else {
        Arc::clone(&last.people)
    };
    let at = site.clock.unix();
    Ok(Some(Turn {
        number: last.number + 1,
        at,
        changes: changes(at, &last.desktops, &desktops),
        desktops,
        whole: OnceLock::new(),
        people,
    }))
}

fn changes(
    at: u64,
    before: &BTreeMap<DesktopId, AdminDesktop>,
    now: &BTreeMap<DesktopId, AdminDesktop>,
) -> Option<String> {
    let differs = |(id, desktop): &(&DesktopId, &AdminDesktop)| before.get(*id) != Some(*desktop);
    let changes = Changes {
        at,
        desktops: now.iter().filter(differs).map(|(_, it)| it).collect(),
        gone: before.keys().filter(|id| !now.contains_key(*id)).collect(),
    };
    let none = changes.desktops.is_empty() && changes.gone.is_empty();
    (!none).then(|| written(&changes))
}

fn written(data: &impl Serialize) -> String {
    serde_json::to_string(data).unwrap_or_else(|error| {
        error!(%error, "what admins look at cannot be written as JSON");
        "{}".to_owned()
    })
}

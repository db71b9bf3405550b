//! What the front knows of desktops: each person's last list, and who is looking at what.
//!
//! It decides nothing about access; whoever asks has been checked.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

use crate::bridge::Traffic;
use crate::model::{DesktopId, DesktopInfo, DesktopState, EndCause, UserName};

/// Most viewers that look at one desktop at once.
pub const MAX_VIEWERS: usize = 16;
/// Most pictures of one desktop that are being taken at once.
const MAX_GLANCES: usize = 4;

/// Most desktops whose traffic is remembered when their viewers have left.
const MAX_COUNTED: usize = 10_000;

/// All desktops and viewers.
#[derive(Debug, Default)]
pub struct Registry {
    people: Mutex<HashMap<UserName, watch::Sender<Known>>>,
    viewers: Mutex<Viewers>,
    /// The desktops whose number of viewers is to be told to the launcher.
    untold: Mutex<BTreeSet<DesktopId>>,
    to_tell: Notify,
}

/// What is known of a person's desktops. Two values differ whenever something has changed.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// As the launcher last told; `None` before it did.
    pub desktops: Option<Arc<[DesktopInfo]>>,
}

/// Why a viewer's stream ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The desktop was stopped.
    Stopped,
    /// The person logged out inside it.
    LoggedOut,
    /// Nobody used it, or its owner's hours were used up: Deskway ended it.
    RanOut(EndCause),
    /// The desktop failed.
    Crashed(EndCause),
    /// The sign-in is over.
    SignedOut,
    /// The same window opened the desktop again.
    Replaced,
    /// This process is stopping.
    Restarting,
}

/// The random name of a browser window: 16 to 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewerId(String);

/// Somebody who begins to look at a desktop.
#[derive(Clone, Debug)]
pub struct NewViewer {
    pub desktop: DesktopId,
    pub account: UserName,
    /// SHA-256 of the handle with which they signed in.
    pub session: [u8; 32],
    pub window: Option<ViewerId>,
    /// The portal takes one picture: nobody is told of it, and it takes no viewer's place.
    pub glance: bool,
    /// Where the browser is, for admins.
    pub address: String,
    /// Seconds since 1970.
    pub since: u64,
    pub view_only: bool,
    /// Counts along as long as it looks.
    pub traffic: Arc<Traffic>,
}

/// What admins see of who looks at a desktop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    /// Who came first stands first; without glances.
    pub by: Vec<Watcher>,
    /// Bytes that came from browsers since this process began.
    pub received: u64,
    /// Bytes that went to browsers.
    pub sent: u64,
}

/// Somebody who looks at a desktop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watcher {
    pub account: UserName,
    pub address: String,
    /// Seconds since 1970.
    pub since: u64,
    pub view_only: bool,
}

/// The desktop has [`MAX_VIEWERS`] already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many windows show this desktop")]
pub struct TooManyViewers;

/// A viewer's place; dropping it frees the place.
#[derive(Debug)]
pub struct Seat {
    registry: Arc<Registry>,
    number: u64,
}

#[derive(Debug, Default)]
struct Viewers {
    next: u64,
    open: BTreeMap<u64, OpenViewer>,
    /// Bytes from and to the viewers that have left, of [`MAX_COUNTED`] desktops at most.
    moved: BTreeMap<DesktopId, (u64, u64)>,
}

struct OpenViewer {
    who: NewViewer,
    end: Box<dyn Fn(Ended) + Send + Sync>,
}

impl Registry {
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// The launcher tells a person's desktops.
    pub fn update(&self, account: &UserName, desktops: Vec<DesktopInfo>) {
        let known = Known {
            desktops: Some(desktops.into()),
        };
        self.person(account).send_replace(known);
    }

    /// A person's desktops, and from now on each change, also of the number of viewers.
    pub fn follow(&self, account: &UserName) -> watch::Receiver<Known> {
        self.person(account).subscribe()
    }

    /// Drops what is known of a person who has no sign-in any more.
    pub fn forget(&self, account: &UserName) {
        self.people().remove(account);
    }

    /// How many look at the desktop now.
    pub fn viewers(&self, desktop: &DesktopId) -> usize {
        let viewers = self.lock();
        viewers
            .open
            .values()
            .filter(|open| open.who.desktop == *desktop && !open.who.glance)
            .count()
    }

    /// Has the launcher told how many look at that desktop.
    pub(super) fn tell(&self, desktop: DesktopId) {
        self.lock_untold().insert(desktop);
        self.to_tell.notify_one();
    }

    /// Has it told of all desktops that somebody looks at.
    pub fn tell_all(&self) {
        let seen: Vec<DesktopId> = {
            let viewers = self.lock();
            let seen = viewers.open.values().filter(|open| !open.who.glance);
            seen.map(|open| open.who.desktop.clone()).collect()
        };
        for desktop in seen {
            self.tell(desktop);
        }
    }

    /// The desktops that are to be told of, as soon as there are any.
    pub(super) async fn untold(&self) -> BTreeSet<DesktopId> {
        loop {
            let untold = std::mem::take(&mut *self.lock_untold());
            if !untold.is_empty() {
                return untold;
            }
            self.to_tell.notified().await;
        }
    }

    /// Who looks at what, and how much has been moved; desktops that nobody looked at are left out.
    pub fn watched(&self) -> BTreeMap<DesktopId, Watched> {
        let viewers = self.lock();
        let left = viewers.moved.iter().map(|(desktop, (received, sent))| {
            let watched = Watched {
                by: Vec::new(),
                received: *received,
                sent: *sent,
            };
            (desktop.clone(), watched)
        });
        let mut all: BTreeMap<DesktopId, Watched> = left.collect();
        for open in viewers.open.values() {
            let who = &open.who;
            let watched = all.entry(who.desktop.clone()).or_default();
            watched.received += who.traffic.from_browser();
            watched.sent += who.traffic.to_browser();
            if !who.glance {
                watched.by.push(Watcher {
                    account: who.account.clone(),
                    address: who.address.clone(),
                    since: who.since,
                    view_only: who.view_only,
                });
            }
        }
        all
    }

    /// How many look at any desktop now.
    pub fn all_viewers(&self) -> usize {
        let viewers = self.lock();
        let open = viewers.open.values();
        open.filter(|open| !open.who.glance).count()
    }

    /// Gives a place to a viewer whose stream `end` ends. One from the same window of the same
    /// sign-in makes room for it.
    pub fn enter(
        self: &Arc<Self>,
        who: NewViewer,
        end: impl Fn(Ended) + Send + Sync + 'static,
    ) -> Result<Seat, TooManyViewers> {
        let newcomer = who.clone();
        let number = {
            let mut viewers = self.lock();
            let here = viewers
                .open
                .values()
                .filter(|open| open.who.desktop == who.desktop && open.who.glance == who.glance);
            let (older, others): (Vec<_>, Vec<_>) = here.partition(|open| {
                who.window.is_some()
                    && open.who.window == who.window
                    && open.who.session == who.session
            });
            let most = if who.glance { MAX_GLANCES } else { MAX_VIEWERS };
            if others.len() >= most {
                return Err(TooManyViewers);
            }
            for open in older {
                (open.end)(Ended::Replaced);
            }
            let number = viewers.next;
            viewers.next += 1;
            let end = Box::new(end);
            viewers.open.insert(number, OpenViewer { who, end });
            number
        };
        self.viewers_changed(&newcomer);
        Ok(Seat {
            registry: Arc::clone(self),
            number,
        })
    }

    /// Ends all that was opened with a sign-in.
    pub fn end_session(&self, session: &[u8; 32]) {
        for open in self.lock().open.values() {
            if open.who.session == *session {
                (open.end)(Ended::SignedOut);
            }
        }
    }

    /// Ends all there is.
    pub fn end_all(&self, why: &Ended) {
        for open in self.lock().open.values() {
            (open.end)(why.clone());
        }
    }

    /// Why a desktop's stream ended, as soon as the launcher tells it, which may be never.
    pub async fn explain(&self, account: &UserName, desktop: &DesktopId) -> Ended {
        let mut known = self.follow(account);
        loop {
            let why = why_ended(&known.borrow_and_update(), desktop);
            if let Some(why) = why {
                return why;
            }
            if known.changed().await.is_err() {
                return Ended::SignedOut; // what is known of a person goes with the last sign-in
            }
        }
    }

    fn viewers_changed(&self, who: &NewViewer) {
        if who.glance {
            return;
        }
        self.tell(who.desktop.clone());
        let people = self.people();
        let owner = Some(&who.desktop.owner).filter(|owner| **owner != who.account);
        for account in [Some(&who.account), owner].into_iter().flatten() {
            if let Some(person) = people.get(account) {
                person.send_modify(|_| {});
            }
        }
    }

    fn person(&self, account: &UserName) -> watch::Sender<Known> {
        let mut people = self.people();
        people.entry(account.clone()).or_default().clone()
    }

    fn people(&self) -> MutexGuard<'_, HashMap<UserName, watch::Sender<Known>>> {
        self.people.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_untold(&self) -> MutexGuard<'_, BTreeSet<DesktopId>> {
        self.untold.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Viewers> {
        self.viewers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Viewers {
    /// Takes a viewer out, and counts what it has moved.
    fn leave(&mut self, number: u64) -> Option<OpenViewer> {
        let left = self.open.remove(&number)?;
        let (desktop, traffic) = (&left.who.desktop, &left.who.traffic);
        let (received, sent) = (traffic.from_browser(), traffic.to_browser());
        let has_room = self.moved.len() < MAX_COUNTED || self.moved.contains_key(desktop);
        if received + sent > 0 && has_room {
            let moved = self.moved.entry(desktop.clone()).or_default();
            moved.0 += received;
            moved.1 += sent;
        }
        Some(left)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let left = self.registry.lock().leave(self.number);
        if let Some(left) = left {
            self.registry.viewers_changed(&left.who);
        }
    }
}

impl FromStr for ViewerId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let fits = (16..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
        fits.then(|| Self(text.to_ascii_lowercase())).ok_or(())
    }
}

impl fmt::Debug for OpenViewer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.who.desktop.fmt(f)
    }
}

fn why_ended(known: &Known, desktop: &DesktopId) -> Option<Ended> {
    let desktops = known.desktops.as_ref()?;
    match &desktops.iter().find(|info| info.id == *desktop)?.state {
        // On its way out the cause is not known yet.
        DesktopState::Starting { .. }
        | DesktopState::Ready { .. }
        | DesktopState::Frozen { .. }
        | DesktopState::Closing
        | DesktopState::Stopping => None,
        DesktopState::Absent => Some(Ended::Stopped),
        DesktopState::Gone { cause, .. } | DesktopState::Failed { cause, .. } => {
            Some(match cause {
                EndCause::Stopped => Ended::Stopped,
                EndCause::LoggedOut => Ended::LoggedOut,
                EndCause::Unused { .. } | EndCause::HoursUsedUp => Ended::RanOut(cause.clone()),
                other => Ended::Crashed(other.clone()),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn viewer(session: u8, window: Option<&str>) -> NewViewer {
        NewViewer {
            desktop: "alice".parse().unwrap(),
            account: "alice".parse().unwrap(),
            session: [session; 32],
            window: window.map(|window| window.parse().unwrap()),
            glance: false,
            address: "192.0.2.1".to_owned(),
            since: 5,
            view_only: false,
            traffic: Arc::default(),
        }
    }

    fn enter(registry: &Arc<Registry>, who: NewViewer) -> (Seat, mpsc::Receiver<Ended>) {
        let (told, ended) = mpsc::channel();
        let seat = registry
            .enter(who, move |why| told.send(why).unwrap())
            .unwrap();
        (seat, ended)
    }

    fn state(state: DesktopState) -> Vec<DesktopInfo> {
        vec![DesktopInfo {
            id: "alice".parse().unwrap(),
            profile: None,
            state,
            active: None,
            notices: Vec::new(),
        }]
    }

    #[test]
    fn the_same_window_replaces_its_older_viewer_and_no_other() {
        let registry = Registry::new();
        let window = "0123456789abcdef";
        let (_a, first) = enter(&registry, viewer(1, Some(window)));
        let (_b, other_session) = enter(&registry, viewer(2, Some(window)));
        let (_c, unnamed) = enter(&registry, viewer(1, None));
        let (_d, second) = enter(&registry, viewer(1, Some(window)));
        assert_eq!(first.try_recv(), Ok(Ended::Replaced));
        for other in [other_session, unnamed, second] {
            assert!(other.try_recv().is_err());
        }
    }

    #[test]
    fn a_full_desktop_takes_nobody_until_somebody_leaves() {
        let registry = Registry::new();
        let mut seats: Vec<_> = (0..MAX_VIEWERS)
            .map(|_| enter(&registry, viewer(1, None)))
            .collect();
        let full = registry.enter(viewer(1, None), |_| {});
        assert_eq!(full.map(|_| ()), Err(TooManyViewers));
        seats.pop();
        assert!(registry.enter(viewer(1, None), |_| {}).is_ok());
    }

    #[test]
    fn signing_out_ends_what_that_sign_in_opened() {
        let registry = Registry::new();
        let (_a, mine) = enter(&registry, viewer(1, None));
        let (_b, other) = enter(&registry, viewer(2, None));
        registry.end_session(&[1; 32]);
        assert_eq!(mine.try_recv(), Ok(Ended::SignedOut));
        assert!(other.try_recv().is_err());
    }

    #[test]
    fn followers_hear_of_viewers() {
        let registry = Registry::new();
        let desktop = "alice".parse().unwrap();
        let follower = registry.follow(&"alice".parse().unwrap());
        let (seat, _) = enter(&registry, viewer(1, None));
        assert!(follower.has_changed().unwrap());
        assert_eq!(registry.viewers(&desktop), 1);
        drop(seat);
        assert_eq!(registry.viewers(&desktop), 0);
    }

    #[tokio::test]
    async fn each_change_is_told_to_the_launcher_and_all_of_it_to_a_new_one() {
        let registry = Registry::new();
        let desktop: DesktopId = "alice".parse().unwrap();
        let (seat, _) = enter(&registry, viewer(1, None));
        let (other, _) = enter(&registry, viewer(1, None));
        let told = BTreeSet::from([desktop]);
        assert_eq!(registry.untold().await, told, "two changes, told once");
        drop(seat);
        assert_eq!(registry.untold().await, told);
        registry.tell_all();
        assert_eq!(registry.untold().await, told);
        drop(other);
        registry.untold().await;
        registry.tell_all();
        assert!(registry.lock_untold().is_empty(), "nobody looks");
    }

    #[test]
    fn admins_see_who_looks_from_where_and_how_much_went_even_when_they_have_left() {
        let registry = Registry::new();
        let desktop: DesktopId = "alice".parse().unwrap();
        let first = viewer(1, None);
        let second = NewViewer {
            view_only: true,
            ..viewer(2, None)
        };
        first.traffic.add_to_browser(7);
        second.traffic.add_from_browser(3);
        let (one, two) = (enter(&registry, first), enter(&registry, second));
        let watched = registry.watched().remove(&desktop).unwrap();
        assert_eq!((watched.received, watched.sent), (3, 7));
        let view_only: Vec<bool> = watched.by.iter().map(|it| it.view_only).collect();
        assert_eq!(view_only, [false, true]);
        assert_eq!(watched.by[0].address, "192.0.2.1");
        drop((one, two));
        let left = registry.watched().remove(&desktop).unwrap();
        assert_eq!((left.received, left.sent, left.by.len()), (3, 7, 0));
    }

    #[test]
    fn a_glance_is_nobody_who_watches() {
        let registry = Registry::new();
        let desktop = "alice".parse().unwrap();
        let follower = registry.follow(&"alice".parse().unwrap());
        let glance = NewViewer {
            glance: true,
            ..viewer(1, None)
        };
        let seats: Vec<_> = (0..MAX_GLANCES)
            .map(|_| enter(&registry, glance.clone()))
            .collect();
        assert_eq!(registry.viewers(&desktop), 0);
        assert!(!follower.has_changed().unwrap());
        assert!(registry.enter(glance, |_| {}).is_err());
        assert!(registry.enter(viewer(1, None), |_| {}).is_ok());
        drop(seats);
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_is_explained_when_the_launcher_tells_it() {
        let registry = Registry::new();
        let (account, desktop) = ("alice".parse().unwrap(), "alice".parse().unwrap());
        registry.update(&account, state(DesktopState::Ready { since: 1 }));
        let told = async {
            tokio::task::yield_now().await;
            registry.update(&account, state(DesktopState::Stopping));
            tokio::task::yield_now().await;
            let cause = EndCause::LoggedOut;
            registry.update(&account, state(DesktopState::Gone { cause, at: 2 }));
        };
        let (why, ()) = tokio::join!(registry.explain(&account, &desktop), told);
        assert_eq!(why, Ended::LoggedOut);
    }
}

//! Who is signed in now: the sessions on file, and beside them, in memory alone, the handles of
//! those browsers that have spoken since this process started.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::handle_hash;
use crate::launcher::protocol::Account;
use crate::launcher::protocol::Handle;
use crate::model::UserName;
use crate::runtime::Clock;
use crate::store::{SessionRow, Sessions, StoreError};

/// After this long the launcher is asked again whether a sign-in still holds.
const CHECK_AGAIN: Duration = Duration::from_mins(1);

/// A person in one browser, proved by the cookie.
#[derive(Clone, Debug)]
pub struct Identity {
    pub account: Account,
    pub handle: Handle,
    /// SHA-256 of the handle: the session's name wherever it is kept or compared.
    pub hash: [u8; 32],
    /// Cancelled when the sign-in is over.
    pub over: CancellationToken,
}

/// What is known of a presented handle.
#[derive(Debug)]
pub enum Found {
    /// No session: never was, signed out, or ran out.
    Nobody,
    /// Signed in, and the launcher said so lately.
    SignedIn(Identity),
    /// On file, but the launcher must be asked; `before` is who it was when last asked.
    Unchecked { before: Option<Identity> },
}

/// Every sign-in.
#[derive(Debug)]
pub struct SignIns {
    store: Sessions,
    clock: Clock,
    live: Mutex<HashMap<[u8; 32], Live>>,
}

#[derive(Debug)]
struct Live {
    identity: Identity,
    checked: Instant,
}

impl SignIns {
    pub fn new(store: Sessions, clock: Clock) -> Self {
        Self {
            store,
            clock,
            live: Mutex::default(),
        }
    }

    /// Writes down a new sign-in.
    pub async fn begin(
        &self,
        handle: Handle,
        account: Account,
        peer: IpAddr,
    ) -> Result<Identity, StoreError> {
        let now = self.clock.steady();
        let row = SessionRow {
            hash: handle_hash(&handle),
            account: account.name.clone(),
            full_name: account.full_name.clone(),
            since: now,
            last_seen: now,
            until: account.until,
            peer,
        };
        self.store.insert(&row).await?;
        Ok(self.make_live(&handle, row.hash, account))
    }

    /// What is known of a handle.
    pub async fn find(&self, handle: &Handle) -> Result<Found, StoreError> {
        let hash = handle_hash(handle);
        let now = self.clock.steady();
        let before = {
            let live = self.lock();
            live.get(&hash)
                .map(|live| (live.identity.clone(), live.checked))
        };
        if let Some((identity, checked)) = before {
            if identity.account.until <= now {
                self.end(&hash).await?;
                return Ok(Found::Nobody);
            }
            let fresh = self.clock.monotonic().duration_since(checked) < CHECK_AGAIN;
            return Ok(if fresh {
                Found::SignedIn(identity)
            } else {
                let before = Some(identity);
                Found::Unchecked { before }
            });
        }
        match self.store.find(&hash).await? {
            Some(row) if row.until > now => Ok(Found::Unchecked { before: None }),
            Some(_) => {
                self.end(&hash).await?;
                Ok(Found::Nobody)
            }
            None => Ok(Found::Nobody),
        }
    }

    /// The launcher says that the handle is this account's. `None` when the sign-in ended
    /// while it was asked.
    pub async fn confirm(
        &self,
        handle: &Handle,
        account: Account,
    ) -> Result<Option<Identity>, StoreError> {
        let hash = handle_hash(handle);
        let identity = self.make_live(handle, hash, account);
        // First live, then the look at the file; `end` goes the other way round. So whichever
        // comes second sees the other.
        if self.store.find(&hash).await?.is_none() {
            self.end(&hash).await?;
            return Ok(None);
        }
        Ok(Some(identity))
    }

    /// The person is in that group now, in all their browsers.
    pub fn regroup(&self, account: &UserName, group: Option<&str>) {
        let mut live = self.lock();
        let theirs = live
            .values_mut()
            .filter(|live| live.identity.account.name == *account);
        for live in theirs {
            live.identity.account.group = group.map(str::to_owned);
        }
    }

    /// The person is an admin from now on, or is none, in all their browsers.
    pub fn set_admin(&self, account: &UserName, is_admin: bool) {
        let mut live = self.lock();
        let theirs = live
            .values_mut()
            .filter(|live| live.identity.account.name == *account);
        for live in theirs {
            live.identity.account.is_admin = is_admin;
        }
    }

    /// Whether the sign-in is an admin's, as far as is known now.
    pub fn is_admin(&self, hash: &[u8; 32]) -> bool {
        let live = self.lock();
        live.get(hash)
            .is_some_and(|live| live.identity.account.is_admin)
    }

    /// How long a sign-in holds from now on.
    pub fn seconds_left(&self, identity: &Identity) -> u64 {
        identity.account.until.saturating_sub(self.clock.steady())
    }

    /// Notes on file that the session was used just now.
    pub async fn seen(&self, hash: &[u8; 32]) -> Result<(), StoreError> {
        self.store.seen(hash, self.clock.steady()).await
    }

    /// Ends a sign-in; what was opened with it sees that it is over. `Some` when it was live.
    pub async fn end(&self, hash: &[u8; 32]) -> Result<Option<Identity>, StoreError> {
        let removed = self.store.remove(hash).await;
        let ended = self.lock().remove(hash).map(|live| live.identity);
        if let Some(identity) = &ended {
            identity.over.cancel();
        }
        removed?;
        Ok(ended)
    }

    /// Ends what has run out, and says whose sign-ins these were.
    pub async fn end_what_ran_out(&self) -> Result<Vec<Identity>, StoreError> {
        let now = self.clock.steady();
        let over: Vec<[u8; 32]> = {
            let live = self.lock();
            let ran_out = live
                .iter()
                .filter(|(_, live)| live.identity.account.until <= now);
            ran_out.map(|(hash, _)| *hash).collect()
        };
        let mut ended = Vec::new();
        for hash in over {
            ended.extend(self.end(&hash).await?);
        }
        self.store.remove_over(now).await?;
        Ok(ended)
    }

    /// One live sign-in for each account that has one.
    pub fn one_for_each_account(&self) -> Vec<Identity> {
        let live = self.lock();
        let by_account: HashMap<&UserName, &Identity> = live
            .values()
            .map(|live| (&live.identity.account.name, &live.identity))
            .collect();
        by_account.into_values().cloned().collect()
    }

    /// Whether the account has a live sign-in.
    pub fn has_live(&self, account: &UserName) -> bool {
        let live = self.lock();
        live.values()
            .any(|live| live.identity.account.name == *account)
    }

    fn make_live(&self, handle: &Handle, hash: [u8; 32], account: Account) -> Identity {
        let checked = self.clock.monotonic();
        let mut live = self.lock();
        let live = live.entry(hash).or_insert_with(|| Live {
            identity: Identity {
                account: account.clone(),
                handle: handle.clone(),
                hash,
                over: CancellationToken::new(),
            },
            checked,
        });
        live.identity.account = account;
        live.checked = checked;
        live.identity.clone()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    fn account(until: u64) -> Account {
        Account {
            is_admin: false,
            name: "alice".parse().unwrap(),
            full_name: "Alice".to_owned(),
            group: None,
            until,
        }
    }

    async fn sign_ins() -> (SignIns, Arc<AtomicU64>, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let store = Sessions::open(&dir.path().join("front.db")).await.unwrap();
        let time = Arc::new(AtomicU64::new(1000));
        let clock = Clock::Manual(Arc::clone(&time));
        (SignIns::new(store, clock), time, dir)
    }

    #[tokio::test]
    async fn a_sign_in_holds_until_it_runs_out() {
        let (sign_ins, time, _dir) = sign_ins().await;
        let handle = Handle::new([1; 32]);
        let peer = "::1".parse().unwrap();
        let identity = sign_ins
            .begin(handle.clone(), account(2000), peer)
            .await
            .unwrap();
        assert!(matches!(
            sign_ins.find(&handle).await.unwrap(),
            Found::SignedIn(_)
        ));
        time.store(2000, Ordering::Relaxed);
        assert!(matches!(
            sign_ins.find(&handle).await.unwrap(),
            Found::Nobody
        ));
        assert!(identity.over.is_cancelled());
    }

    #[tokio::test]
    async fn after_a_restart_the_launcher_is_asked_first() {
        let (sign_ins, _time, _dir) = sign_ins().await;
        let handle = Handle::new([1; 32]);
        let peer = "::1".parse().unwrap();
        sign_ins
            .begin(handle.clone(), account(2000), peer)
            .await
            .unwrap();

        let restarted = SignIns::new(sign_ins.store.clone(), sign_ins.clock.clone());
        let found = restarted.find(&handle).await.unwrap();
        assert!(matches!(found, Found::Unchecked { before: None }));
        restarted.confirm(&handle, account(2000)).await.unwrap();
        assert!(matches!(
            restarted.find(&handle).await.unwrap(),
            Found::SignedIn(_)
        ));
    }

    #[tokio::test]
    async fn a_stranger_is_nobody() {
        let (sign_ins, _time, _dir) = sign_ins().await;
        let found = sign_ins.find(&Handle::new([9; 32])).await.unwrap();
        assert!(matches!(found, Found::Nobody));
    }
}

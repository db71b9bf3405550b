//! What the handlers share, and the steps that several of them take.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use ipnet::IpNet;
use tracing::{info, warn};

use super::admin::Board;
use super::assets::Assets;
use super::doctor::Practice;
use super::error::Error;
use super::index::Asked;
use super::kept::Kept;
use super::looks::Looks;
use super::pages::Pages;
use crate::auth::{Hosts, Identity, SignIns};
use crate::config::{Config, Logos};
use crate::desktop::{Ended, Launcher, LauncherError, Registry};
use crate::launcher::protocol::Refusal;
use crate::listen::{Certificates, Limits};
use crate::metrics::{Metrics, Token};
use crate::model::DesktopInfo;
use crate::runtime::{Clock, Tasks};
use crate::store::DoctorKey;
use crate::templates::Templates;

/// What a [`Site`] is made of.
#[derive(Debug)]
pub struct SiteParts {
    /// Empty, or `/desk`.
    pub base: String,
    pub hosts: Hosts,
    /// What the pages look like comes from here.
    pub config: Config,
    pub logos: Logos,
    /// When one is configured, browsers are told to use nothing but https from now on.
    pub certificates: Certificates,
    pub assets: Assets,
    pub templates: Templates,
    pub launcher: Launcher,
    pub registry: Arc<Registry>,
    pub sign_ins: SignIns,
    pub doctor_key: DoctorKey,
    pub limits: Limits,
    pub metrics: Arc<Metrics>,
    pub metrics_token: Option<Token>,
    pub clock: Clock,
    pub tasks: Tasks,
}

/// Everything behind the URLs.
#[derive(Debug)]
pub struct Site {
    base: String,
    pub(super) certificates: Certificates,
    pub(super) pages: Pages,
    pub(super) launcher: Launcher,
    pub(super) registry: Arc<Registry>,
    pub(super) sign_ins: SignIns,
    pub(super) practice: Practice,
    pub(super) clock: Clock,
    pub(super) tasks: Tasks,
    pub(super) board: Board,
    pub(super) index: Asked,
    pub(super) kept: Kept,
    pub(super) limits: Limits,
    pub(super) metrics: Arc<Metrics>,
    pub(super) metrics_token: Option<Token>,
    /// Of the configuration that is in use, or comes next.
    logos: Mutex<Logos>,
    live: RwLock<Arc<Live>>,
}

/// What the configuration can change while people are connected.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) hosts: Hosts,
    pub(super) looks: Looks,
    /// Guests see whose desktops there are.
    pub(super) public_index: bool,
    /// From where the metrics may be read without the token.
    pub(super) metrics_allow: Vec<IpNet>,
}

impl Site {
    pub fn new(parts: SiteParts) -> Arc<Self> {
        Arc::new(Self {
            pages: Pages::new(&parts.base, parts.assets, parts.templates),
            base: parts.base,
            certificates: parts.certificates,
            launcher: parts.launcher,
            registry: parts.registry,
            sign_ins: parts.sign_ins,
            practice: Practice::new(parts.doctor_key, parts.clock.clone()),
            clock: parts.clock,
            board: Board::default(),
            tasks: parts.tasks,
            index: Asked::default(),
            kept: Kept::default(),
            limits: parts.limits,
            metrics: parts.metrics,
            metrics_token: parts.metrics_token,
            live: RwLock::new(Arc::new(Live {
                hosts: parts.hosts,
                looks: Looks::new(&parts.config, &parts.logos, None),
                public_index: parts.config.portal.public_index,
                metrics_allow: parts.config.metrics.allow.clone(),
            })),
            logos: Mutex::new(parts.logos),
        })
    }

    /// The logos of the configuration that comes next.
    pub(super) fn set_logos(&self, logos: Logos) {
        *self.logos.lock().unwrap_or_else(PoisonError::into_inner) = logos;
    }

    /// Other names and looks from now on.
    pub fn set_live(&self, hosts: Hosts, config: &Config) {
        let older = self.live();
        let logos = self.logos.lock().unwrap_or_else(PoisonError::into_inner);
        let looks = Looks::new(config, &logos, Some(&older.looks));
        let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
        *live = Arc::new(Live {
            hosts,
            looks,
            public_index: config.portal.public_index,
            metrics_allow: config.metrics.allow.clone(),
        });
    }

    /// Whether browsers may call this server by that `host[:port]`.
    pub fn knows_host(&self, host: &str) -> bool {
        self.live().hosts.knows(host)
    }

    /// Closes every viewer's connection, since this process is stopping.
    pub fn end_viewers(&self) {
        self.registry.end_all(&Ended::Restarting);
    }

    /// Ends the sign-ins that have run out.
    pub async fn end_what_ran_out(&self) {
        match self.sign_ins.end_what_ran_out().await {
            Ok(ended) => ended
                .iter()
                .for_each(|identity| self.left(identity, "ran out")),
            Err(error) => warn!(%error, "sign-ins that ran out cannot be removed"),
        }
    }

    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// An address of ours: `path` below the base path.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    pub(super) fn live(&self) -> Arc<Live> {
        Arc::clone(&self.live.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Ends a sign-in here, with all that was opened with it.
    pub(super) async fn end_sign_in(&self, hash: &[u8; 32], why: &'static str) {
        match self.sign_ins.end(hash).await {
            Ok(Some(identity)) => self.left(&identity, why),
            Ok(None) => self.registry.end_session(hash),
            Err(error) => {
                self.registry.end_session(hash);
                warn!(%error, "a sign-in cannot be removed from the file");
            }
        }
    }

    /// The person's desktops, as the launcher tells them.
    pub(super) async fn desktops(&self, person: &Identity) -> Result<Arc<[DesktopInfo]>, Error> {
        let known = self.registry.follow(&person.account.name);
        let last = known.borrow().desktops.clone();
        match last {
            Some(desktops) => Ok(desktops),
            None => self.ask_for_desktops(person).await,
        }
    }

    /// The same, asked anew.
    pub(super) async fn ask_for_desktops(
        &self,
        person: &Identity,
    ) -> Result<Arc<[DesktopInfo]>, Error> {
        let told = self.launcher.desktops(person.handle.clone()).await;
        let desktops = self.heed(person, told).await?;
        self.registry.update(&person.account.name, desktops.clone());
        Ok(desktops.into())
    }

    /// The launcher's answer to a request of `person`. When it does not know the handle any
    /// more, the sign-in is over here too.
    pub(super) async fn heed<T>(
        &self,
        person: &Identity,
        answer: Result<T, LauncherError>,
    ) -> Result<T, Error> {
        if let Err(LauncherError::Refused(Refusal::UnknownHandle)) = &answer {
            self.end_sign_in(&person.hash, "the launcher does not know it")
                .await;
        }
        Ok(answer?)
    }

    fn left(&self, identity: &Identity, why: &'static str) {
        let account = &identity.account.name;
        info!(user = %account, "signed out: {why}");
        self.registry.end_session(&identity.hash);
        if !self.sign_ins.has_live(account) {
            self.registry.forget(account);
        }
    }
}

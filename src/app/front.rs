//! The front, put together: listeners, pages, sessions and the link to the launcher.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tracing::{debug, error, info, warn};

use super::entrances::{Entrance, Speaks};
use crate::auth::{Hosts, SignIns};
use crate::config;
use crate::config::{Config, Logos, Server};
use crate::desktop::{Launcher, LauncherSocket, Registry};
use crate::listen::{
    Certificates, Connection, Limits, Listen, Plain, Refusal, Seldom, Tls, TrustedProxies, listen,
};
use crate::metrics::{Metrics, OwnProcess, Token};
use crate::route::{Assets, Site, SiteParts, follow_launcher, https_router, router};
use crate::runtime::{Clock, Tasks};
use crate::store::{DoctorKey, Sessions};
use crate::templates::Templates;

/// How often sign-ins that have run out are looked for.
const CLEAN_UP_EVERY: Duration = Duration::from_secs(30);

/// Where https is spoken when no port is named (RFC 9110 §4.2.2).
const HTTPS_PORT: u16 = 443;

/// Reads the text of a configuration file with the flags that this process was started with.
pub type Reread = Box<dyn Fn(&str) -> Result<Config, config::Error> + Send>;

/// What a front is made of.
pub struct FrontParts {
    pub config: Config,
    pub entrances: Vec<Entrance>,
    /// `front.sock`, which listens already.
    pub front_socket: OwnedFd,
    /// The uid whose connections to `front.sock` are the launcher's.
    pub launcher_uid: u32,
    /// What https is spoken with, where an entrance speaks it.
    pub certificates: Certificates,
    pub assets: Assets,
    pub templates: Templates,
    /// What `config` names, read by whoever may.
    pub logos: Logos,
    /// The sessions database.
    pub sessions: PathBuf,
    pub clock: Clock,
    pub doctor_key: DoctorKey,
    /// Of those who read the metrics, as `config` names it.
    pub metrics_token: Option<Token>,
    /// This process's own figures, where they can be had.
    pub process: Option<OwnProcess>,
    pub reread: Reread,
}

/// A front that serves.
pub struct Front {
    site: Arc<Site>,
    launcher: Launcher,
    sessions: Sessions,
    tasks: Tasks,
    /// Of the link to the launcher, which what is under way needs to the end.
    link: Tasks,
    addresses: Vec<SocketAddr>,
    doors: Option<Doors>,
}

/// The entrances of a front that takes nobody in yet.
type Doors = Box<dyn FnOnce() -> Result<()> + Send>;

impl Front {
    /// Starts to serve; needs the runtime around it.
    pub async fn start(parts: FrontParts) -> Result<Self> {
        let mut front = Self::prepare(parts).await?;
        front.open()?;
        Ok(front)
    }

    /// Does all of that but taking people in: connections wait in the sockets until
    /// [`Front::open`].
    pub async fn prepare(parts: FrontParts) -> Result<Self> {
        let config = parts.config;
        let tasks = Tasks::new();
        let sessions = Sessions::open(&parts.sessions)
            .await
            .with_context(|| format!("cannot use {}", parts.sessions.display()))?;
        let socket = LauncherSocket::new(parts.front_socket, parts.launcher_uid)
            .context("cannot use front.sock")?;
        let limits = limits(&config.server);
        let link = Tasks::new();
        let (launcher, events) = Launcher::start(socket, &link);
        let site = Site::new(SiteParts {
            base: config.server.base_path.clone(),
            hosts: hosts(&config),
            config: config.clone(),
            logos: parts.logos,
            certificates: parts.certificates.clone(),
            assets: parts.assets,
            templates: parts.templates,
            launcher: launcher.clone(),
            registry: Registry::new(),
            sign_ins: SignIns::new(sessions.clone(), parts.clock.clone()),
            doctor_key: parts.doctor_key,
            limits: limits.clone(),
            metrics: Metrics::new(parts.process),
            metrics_token: parts.metrics_token,
            clock: parts.clock,
            tasks: tasks.clone(),
        });
        let trusted = TrustedProxies::new(config.server.trusted_proxies.clone());
        let known = Arc::clone(&site);
        let tls = Tls::new(parts.certificates).context("cannot speak TLS")?;
        let tls = tls.with_known_hosts(move |host| known.knows_host(host));
        let addresses = addresses(&parts.entrances)?;
        let common = Listen {
            tls: None,
            plain: Plain::Redirect,
            proxy_protocol: false,
            trusted: trusted.clone(),
            limits: limits.clone(),
            tasks: tasks.clone(),
            refused,
            service: router(&site),
        };
        let https = https_router(&site, https_port(&parts.entrances)?);
        let (base, entrances) = (config.server.base_path.clone(), parts.entrances);
        let doors: Doors = Box::new(move || {
            for entrance in entrances {
                let mut listening = common.clone();
                listening.proxy_protocol = entrance.proxy_protocol;
                if entrance.speaks == Speaks::Https {
                    listening.tls = Some(tls.clone());
                }
                if entrance.speaks != Speaks::Http {
                    listening.service = https.clone();
                }
                info!("serving {}", entrance.shown(&base));
                listen(entrance.socket, listening).context("cannot serve on a listening socket")?;
            }
            Ok(())
        });
        let applied = Arc::clone(&site);
        let new_config =
            move |text: &str| apply(&applied, &limits, &trusted, &config, &parts.reread, text);
        link.spawn(follow_launcher(
            Arc::clone(&site),
            events,
            Box::new(new_config),
        ));
        tasks.spawn(clean_up(Arc::clone(&site), tasks.clone()));
        Ok(Self {
            site,
            launcher,
            sessions,
            tasks,
            link,
            addresses,
            doors: Some(doors),
        })
    }

    /// Takes people in from now on.
    ///
    /// # Errors
    /// When a socket cannot be used at all.
    pub fn open(&mut self) -> Result<()> {
        self.doors.take().map_or(Ok(()), |open| open())
    }

    /// Takes nobody in any more and asks for no further request on the connections that there
    /// are; viewers go on, and [`Front::stop`] is still to come.
    pub fn close(&self) {
        self.tasks.begin_stop();
    }

    /// Resolves when people can sign in: the launcher is there too.
    pub async fn until_ready(&self) {
        self.launcher.until_there().await;
    }

    /// Resolves when those who serve people have come round to it, as they would to anybody.
    pub async fn take_a_turn(&self) {
        // It is dropped when the front stops, which is an answer too.
        _ = self.tasks.spawn(async {}).await;
    }

    /// The addresses where it listens.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Takes nobody in, tells every viewer, waits at most `grace` for what is under way.
    pub async fn stop(self, grace: Duration) {
        self.tasks.begin_stop();
        self.site.end_viewers();
        self.tasks.stop(grace).await;
        self.link.stop(Duration::ZERO).await;
        self.sessions.close().await;
    }
}

fn limits(server: &Server) -> Limits {
    Limits::new(server.max_connections, server.max_connections_per_address)
}

fn addresses(entrances: &[Entrance]) -> Result<Vec<SocketAddr>> {
    let mut addresses = Vec::new();
    for entrance in entrances {
        addresses.extend(entrance.address()?);
    }
    Ok(addresses)
}

/// Where who comes by plain http is sent.
fn https_port(entrances: &[Entrance]) -> Result<u16> {
    let secure = entrances.iter().filter(|it| it.speaks == Speaks::Https);
    for entrance in secure {
        if let Some(address) = entrance.address()? {
            return Ok(address.port());
        }
    }
    Ok(HTTPS_PORT)
}

async fn clean_up(site: Arc<Site>, tasks: Tasks) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(CLEAN_UP_EVERY) => site.end_what_ran_out().await,
            () = tasks.stopping() => return,
        }
    }
}

/// Applies what a new configuration can change here while people are connected.
fn apply(
    site: &Site,
    limits: &Limits,
    trusted: &TrustedProxies,
    old: &Config,
    reread: &Reread,
    text: &str,
) {
    let new = match reread(text) {
        Ok(new) => new,
        Err(error) => {
            error!(%error, "the new configuration is wrong; the old one stays");
            return;
        }
    };
    site.set_live(hosts(&new), &new);
    limits.set(
        new.server.max_connections,
        new.server.max_connections_per_address,
    );
    trusted.set(new.server.trusted_proxies.clone());
    info!("the new configuration is in use");
    for key in config::diff_needs_restart(old, &new) {
        warn!("`{key}` has changed, which counts from the next start on");
    }
}

/// Who is not let in. What a proxy that is set up wrongly does is worth a line, though anybody
/// can cause it.
fn refused(who: &Connection, why: &Refusal) {
    static AT_PROXIES_DOOR: Seldom = Seldom::new();
    let peer = who.shown_address();
    match why {
        Refusal::Stranger | Refusal::Header(_) => {
            if let Some(left_out) = AT_PROXIES_DOOR.at(Instant::now()) {
                warn!(%peer, left_out, "refused where the PROXY protocol is spoken: {why}");
            }
        }
        _ => debug!(%peer, "refused: {why}"),
    }
}

fn hosts(config: &Config) -> Hosts {
    let machine = rustix::system::uname();
    Hosts::new(&config.server.hosts, &machine.nodename().to_string_lossy())
}

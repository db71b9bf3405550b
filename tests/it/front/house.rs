//! One front with everything around it, for one test.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use deskway::app::entrances::{Entrance, Speaks};
use deskway::app::front::{Front, FrontParts};
use deskway::config::{Config, Logos, Overrides};
use deskway::listen::Certificates;
use deskway::metrics::{OwnProcess, Token};
use deskway::route::Assets;
use deskway::runtime::Clock;
use deskway::store::DoctorKey;
use deskway::templates::Templates;
use tempfile::TempDir;

use super::fake_launcher::Screens;
use super::{Browser, FakeLauncher, World};

pub(crate) const MANIFEST: &str = r#"{
    "src/portal.ts": {"file": "assets/portal-1a.js", "css": ["assets/portal-1a.css"]},
    "src/admin.ts": {"file": "assets/admin-1a.js"},
    "src/viewer.ts": {"file": "assets/viewer-1a.js"},
    "src/sign-in.ts": {"file": "assets/sign-in-1a.js"}
}"#;
const PORTAL_SCRIPT: &str = "document.title = 'portal';";

pub(crate) struct House {
    pub(crate) world: World,
    pub(crate) screens: Screens,
    pub(crate) launcher: Option<FakeLauncher>,
    pub(crate) address: SocketAddr,
    time: Arc<AtomicU64>,
    front: Option<Front>,
    config: Config,
    certificates: Option<Certificates>,
    entrances: Vec<Entrance>,
    front_socket: OwnedFd,
    dir: TempDir,
}

impl House {
    /// Plain http on loopback, nothing configured.
    pub(crate) async fn open() -> Self {
        Self::with(|_| {}, None).await
    }

    pub(crate) async fn with(
        change: impl FnOnce(&mut Config),
        certificates: Option<Certificates>,
    ) -> Self {
        let speaks = match certificates {
            Some(_) => Speaks::Https,
            None => Speaks::Http,
        };
        Self::at(vec![entrance(speaks)], change, certificates).await
    }

    /// With these ways in, of which the first has an address.
    pub(crate) async fn at(
        entrances: Vec<Entrance>,
        change: impl FnOnce(&mut Config),
        certificates: Option<Certificates>,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::default_for(1000);
        change(&mut config);
        let front_socket = deskway_osuser::listen(&dir.path().join("front.sock")).unwrap();
        let (world, screens) = World::new();
        let mut house = Self {
            world,
            screens,
            launcher: None,
            address: entrances[0].address().unwrap().unwrap(),
            time: Arc::new(AtomicU64::new(1000)),
            front: None,
            config,
            certificates,
            entrances,
            front_socket,
            dir,
        };
        house.start_front().await;
        house.start_launcher();
        house
    }

    /// A browser that nobody has used.
    pub(crate) fn browser(&self) -> Browser {
        Browser::new(self.address)
    }

    /// A browser in which that person is signed in.
    pub(crate) async fn signed_in(&self, name: &str, password: &str) -> Browser {
        let mut browser = self.browser();
        let answer = browser.sign_in(name, password).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        browser
    }

    pub(crate) async fn alice(&self) -> Browser {
        self.signed_in("alice", "wonderland").await
    }

    pub(crate) async fn bob(&self) -> Browser {
        self.signed_in("bob", "builder").await
    }

    /// Moves the clock.
    pub(crate) fn set_time(&self, seconds: u64) {
        self.time.store(seconds, Ordering::Relaxed);
    }

    pub(crate) fn sessions_file(&self) -> PathBuf {
        self.dir.path().join("front.db")
    }

    /// A header that lets in as `deskway doctor`.
    pub(crate) fn doctors_pass(&self) -> String {
        let key = DoctorKey::read(self.dir.path()).unwrap();
        let now = self.time.load(Ordering::Relaxed);
        format!("Deskway-Doctor: {}", key.pass(now))
    }

    pub(crate) fn launcher(&self) -> &FakeLauncher {
        self.launcher.as_ref().unwrap()
    }

    pub(crate) fn start_launcher(&mut self) {
        let socket = self.dir.path().join("front.sock");
        self.launcher = Some(FakeLauncher::start(&socket, &self.world));
    }

    /// Starts a front on the same sockets and the same files.
    pub(crate) async fn start_front(&mut self) {
        let parts = FrontParts {
            config: self.config.clone(),
            entrances: self
                .entrances
                .iter()
                .map(|entrance| entrance.try_clone().unwrap())
                .collect(),
            front_socket: self.front_socket.try_clone().unwrap(),
            launcher_uid: deskway_osuser::own_uid(),
            certificates: self.certificates.clone().unwrap_or_default(),
            assets: Assets::given([
                ("manifest.json", MANIFEST),
                ("assets/portal-1a.js", PORTAL_SCRIPT),
                ("assets/portal-1a.js.br", "packed"),
                ("assets/portal-1a.css", "body{}"),
            ]),
            templates: Templates::built_in().unwrap(),
            logos: Logos::read(&self.config).0,
            sessions: self.sessions_file(),
            clock: Clock::Manual(Arc::clone(&self.time)),
            doctor_key: DoctorKey::make(self.dir.path()).unwrap(),
            metrics_token: {
                let path = self.config.metrics.token_file.as_deref();
                path.map(|path| Token::read(path).unwrap())
            },
            process: OwnProcess::open().ok(),
            reread: {
                let old = self.config.clone();
                Box::new(move |text| {
                    deskway::config::over(old.clone(), text, "deskway.toml", &Overrides::default())
                })
            },
        };
        self.front = Some(Front::start(parts).await.unwrap());
    }

    /// Takes nobody in any more.
    pub(crate) fn close_front(&self) {
        self.front.as_ref().unwrap().close();
    }

    pub(crate) async fn stop_front(&mut self) {
        let front = self.front.take().unwrap();
        front.stop(Duration::from_secs(5)).await;
    }
}

/// On a free port of this machine.
pub(crate) fn entrance(speaks: Speaks) -> Entrance {
    Entrance {
        socket: TcpListener::bind("127.0.0.1:0").unwrap().into(),
        speaks,
        proxy_protocol: false,
    }
}

//! A gateway of its own for a test, which ends its desktops with it, and what is asked of it.

use std::fs;
use std::ops::Deref;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::account::Person;
use crate::gateway::{Gateway, Reply};
use crate::process;
use crate::viewer::Viewer;

pub struct Scene(Gateway);

/// Somebody who is signed in at a gateway.
pub struct Guest<'a> {
    pub person: &'a Person,
    pub cookie: String,
    gateway: &'a Gateway,
}

impl Scene {
    pub fn new() -> Self {
        Self::with("", |_| {})
    }

    /// With more configuration; `prepare` gets the folder before anything runs in it.
    pub fn with(config: &str, prepare: impl FnOnce(&Path)) -> Self {
        Self::made(config, prepare, |program| Command::new(program))
    }

    /// Run by `command`, which gets the program.
    pub fn made(
        config: &str,
        prepare: impl FnOnce(&Path),
        command: impl FnOnce(&Path) -> Command,
    ) -> Self {
        let folder = Gateway::folder();
        let file = folder.path().join("deskway.toml");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("{text}{config}")).unwrap();
        prepare(folder.path());
        let mut up = command(&folder.path().join("deskway"));
        up.args(["up", "--listen", "127.0.0.1:0"]);
        Self(Gateway::run(folder, &mut up))
    }

    pub fn guest<'a>(&'a self, person: &'a Person) -> Guest<'a> {
        Guest {
            person,
            cookie: self.sign_in(&person.name),
            gateway: &self.0,
        }
    }

    /// The process of a role: `launcher` or `serve`.
    pub fn role(&self, name: &str) -> i32 {
        let title = |pid: &i32| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        let long = format!("deskway-{name}");
        // The kernel keeps 15 letters.
        let found = |pid: &i32| long.starts_with(title(pid).trim()) && !title(pid).is_empty();
        process::until(&format!("a {name}"), || {
            self.roles().into_iter().find(found)
        })
    }
}

impl Deref for Scene {
    type Target = Gateway;

    fn deref(&self) -> &Gateway {
        &self.0
    }
}

impl Guest<'_> {
    /// Starts the main desktop and waits until it can be seen.
    pub fn start(&self) {
        self.gateway.start_desktop(&self.person.name, &self.cookie);
    }

    pub fn ask_to_start(&self) -> Reply {
        let path = format!("/api/v1/desktops/{}/main/start", self.person.name);
        self.gateway
            .post(&path, "application/json", "{}", &self.cookie)
    }

    pub fn watch(&self) -> Viewer {
        Viewer::over(self.gateway.watch(&self.person.name, &self.cookie))
    }

    /// The main desktop, as the API tells it.
    pub fn desktop(&self) -> Value {
        let reply = self.gateway.get("/api/v1/desktops", &self.cookie);
        assert_eq!(reply.status, 200, "{reply:?}");
        let list: Value = serde_json::from_str(&reply.body).unwrap();
        list["desktops"][0].clone()
    }

    /// Waits until the main desktop is in a state; its message.
    pub fn until(&self, state: &str) -> String {
        process::until(&format!("the state {state}"), || {
            let desktop = self.desktop();
            let message = desktop["message"].as_str().unwrap_or_default();
            (desktop["state"] == state).then(|| message.to_owned())
        })
    }

    /// Asks again when there is too much going on, as pages do.
    pub fn is_signed_in(&self) -> bool {
        process::until("an answer", || {
            let reply = self.gateway.get("/api/v1/me", &self.cookie);
            assert!(matches!(reply.status, 200 | 401 | 503), "{reply:?}");
            (reply.status != 503).then_some(reply.status == 200)
        })
    }
}

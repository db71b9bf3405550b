//! What the launcher says by itself, and what follows from it.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use tokio::sync::mpsc;
use tracing::{error, warn};

use super::site::Site;
use crate::desktop::LinkEvent;
use crate::runtime::unseal;
use crate::templates::{MAX_BYTES, TemplateError, Templates, Texts};

/// Applies a configuration that the launcher has read again.
pub type ConfigReader = Box<dyn Fn(&str) + Send>;

/// Heeds the launcher's events until there are no more.
pub async fn follow_launcher(
    site: Arc<Site>,
    mut events: mpsc::Receiver<LinkEvent>,
    new_config: ConfigReader,
) {
    while let Some(event) = events.recv().await {
        match event {
            LinkEvent::Connected => {
                let site = Arc::clone(&site);
                let tasks = site.tasks.clone();
                // Apart, since its answers come over the connection whose events are heeded here.
                tasks.spawn(async move { subscribe_again(&site).await });
            }
            LinkEvent::Desktops { account, desktops } => site.registry.update(&account, desktops),
            LinkEvent::SignedOut { handle_hash } => {
                site.end_sign_in(&handle_hash, "the launcher says so").await;
            }
            LinkEvent::Config { text } => new_config(&text),
            LinkEvent::Templates { file } => match new_templates(file) {
                Ok(templates) => site.pages.set_templates(templates),
                Err(error) => error!("new templates cannot be used, the old ones stay: {error}"),
            },
        }
    }
}

/// They were sound where the launcher read them.
fn new_templates(file: OwnedFd) -> Result<Templates, TemplateError> {
    let bytes = unseal(file, MAX_BYTES).map_err(|error| TemplateError::Garbled(error.to_string()));
    Templates::new(Texts::from_bytes(&bytes?)?)
}

/// A launcher that is new tells of changes only to those who have asked it.
async fn subscribe_again(site: &Site) {
    for person in site.sign_ins.one_for_each_account() {
        let asked = site.ask_for_desktops(&person).await;
        if let Err(error) = asked {
            warn!(user = %person.account.name, "desktops are not told: {error}");
        }
    }
}

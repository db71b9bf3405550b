//! What the launcher says by itself, and what follows from it.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use tokio::sync::mpsc;
use tracing::{error, warn};

use super::site::Site;
use crate::certificates::Bundle;
use crate::desktop::{LinkEvent, tell_viewers};
use crate::listen::Challenges;
use crate::model::Challenge;
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
    let (launcher, registry) = (site.launcher.clone(), Arc::clone(&site.registry));
    let stop = site.tasks.clone();
    site.tasks.spawn(async move {
        tokio::select! {
            () = tell_viewers(launcher, registry) => {}
            () = stop.stopping() => {}
        }
    });
    while let Some(event) = events.recv().await {
        match event {
            LinkEvent::Connected => {
                site.registry.tell_all();
                let site = Arc::clone(&site);
                let tasks = site.tasks.clone();
                // Apart, since its answers come over the connection whose events are heeded here.
                tasks.spawn(async move { subscribe_again(&site).await });
            }
            LinkEvent::Desktops { account, desktops } => site.registry.update(&account, desktops),
            LinkEvent::SignedOut { handle_hash } => {
                site.end_sign_in(&handle_hash, "the launcher says so").await;
            }
            LinkEvent::Group { account, group } => {
                site.sign_ins.regroup(&account, group.as_deref());
            }
            LinkEvent::Admin { account, is_admin } => {
                site.sign_ins.set_admin(&account, is_admin);
                site.board.look_again();
            }
            LinkEvent::Measured(measure) => site.metrics.measured(&measure),
            LinkEvent::Totals(totals) => site.metrics.told(&totals),
            LinkEvent::Logos(logos) => site.set_logos(logos),
            LinkEvent::Config { text } => new_config(&text),
            LinkEvent::Templates { file } => match new_templates(file) {
                Ok(templates) => site.pages.set_templates(templates),
                Err(error) => error!("new templates cannot be used, the old ones stay: {error}"),
            },
            LinkEvent::Certificates { file } => match Bundle::unseal(file) {
                Ok(bundle) => site.certificates.update(bundle),
                Err(error) => error!("new certificates cannot be used, the old ones stay: {error}"),
            },
            LinkEvent::Challenges { number, challenges } => {
                answer_challenges(&site, number, &challenges);
            }
        }
    }
}

/// They were sound where the launcher read them.
fn new_templates(file: OwnedFd) -> Result<Templates, TemplateError> {
    let bytes = unseal(file, MAX_BYTES).map_err(|error| TemplateError::Garbled(error.to_string()));
    Templates::new(Texts::from_bytes(&bytes?)?)
}

/// Answers an authority's challenges from now on, and says so.
fn answer_challenges(site: &Arc<Site>, number: u64, challenges: &[Challenge]) {
    match Challenges::new(challenges) {
        Ok(answered) => site.certificates.set_challenges(answered),
        Err(error) => return warn!("{error}"),
    }
    let site = Arc::clone(site);
    let tasks = site.tasks.clone();
    // Apart, as above.
    tasks.spawn(async move {
        if let Err(error) = site.launcher.shows(number).await {
            warn!("the launcher cannot be told that challenges are answered: {error}");
        }
    });
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::runtime::seal;

    #[test]
    fn templates_come_as_they_were_read_and_nothing_else_is_taken_for_them() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("portal.html"), "own").unwrap();
        let texts = Texts::read(Some(dir.path())).unwrap();
        let sent = seal("templates", &texts.to_bytes()).unwrap();
        let templates = new_templates(sent).unwrap();
        let page = templates.page("portal.html", &crate::templates::nothing());
        assert_eq!(page.unwrap(), "own");

        let garbled = seal("templates", &[255; 64]).unwrap();
        let error = new_templates(garbled).unwrap_err().to_string();
        assert!(error.contains("cannot be read"), "{error}");
        let file = tempfile::tempfile().unwrap();
        let error = new_templates(file.into()).unwrap_err().to_string();
        assert!(
            error.contains("memory file") || error.contains("sealed"),
            "{error}"
        );
    }
}

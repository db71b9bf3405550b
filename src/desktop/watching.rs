//! Tells the launcher how many look at each desktop, whenever that changes, and all of it to a
//! launcher that is new. What changes while one is told is told once, as it is then.

use std::sync::Arc;
use std::time::Duration;

use tracing::debug;

use super::launcher::Launcher;
use super::registry::Registry;

/// Before what could not be told is told again.
const AGAIN: Duration = Duration::from_secs(1);

/// Runs for as long as the front does.
#[expect(clippy::infinite_loop, reason = "ends with the task that runs it")]
pub async fn tell_viewers(launcher: Launcher, registry: Arc<Registry>) {
    loop {
        for desktop in registry.untold().await {
            let viewers = u32::try_from(registry.viewers(&desktop)).unwrap_or(u32::MAX);
            if let Err(error) = launcher.watched(desktop.clone(), viewers).await {
                debug!(%desktop, %error, "the launcher cannot be told who watches");
                tokio::time::sleep(AGAIN).await;
                registry.tell(desktop);
            }
        }
    }
}

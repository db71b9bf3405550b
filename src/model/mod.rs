//! The vocabulary of Deskway: names and values that every stage shares, without behaviour.

mod challenge;
mod desktop;
mod geometry;
mod name;
mod rights;
mod scheme;
mod secret;
mod upgrade;

pub use challenge::{Challenge, ChallengeKind};
pub use desktop::{DesktopInfo, DesktopState, EndCause, Exit, ProfileInfo, Stage};
pub use geometry::{BadGeometry, Geometry};
pub use name::{BadName, DesktopId, DesktopName, ProfileId, UserName};
pub use rights::Rights;
pub use scheme::Scheme;
pub use secret::Secret;
pub use upgrade::{MAX_OUTCOME, UPGRADE_SOCKET, UpgradeOutcome};

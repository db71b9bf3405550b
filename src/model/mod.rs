//! The vocabulary of Deskway: names and values that every stage shares, without behaviour.

mod challenge;
mod desktop;
mod geometry;
mod name;
mod network;
mod rights;
mod scheme;
mod secret;
mod upgrade;
mod usage;

pub use challenge::{Challenge, ChallengeKind};
pub use desktop::{
    DesktopInfo, DesktopState, EndCause, Exit, IdleStep, MAX_NOTICES, Notice, NoticeKind,
    ProfileInfo, Stage,
};
pub use geometry::{BadGeometry, Geometry};
pub use name::{BadName, DesktopId, DesktopName, ProfileId, UserName};
pub use network::network;
pub use rights::Rights;
pub use scheme::Scheme;
pub use secret::Secret;
pub use upgrade::{MAX_OUTCOME, UPGRADE_SOCKET, UpgradeOutcome};
pub use usage::{Act, Census, DesktopReport, MAX_MESSAGE, SignInReport, Usage, bytes, span};

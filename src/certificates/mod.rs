//! Certificates and their keys as files: read, checked, and noticed when they change.
//!
//! Whoever may read them does it (root, or the one user there is); what is handed on is [`Pem`].

mod bundle;
mod configured;
mod pair;
mod stamps;

pub use bundle::{Bundle, BundleError, Told};
pub use configured::{Configured, configured};
pub use pair::{Pair, PairError, Pem, leaf};
pub use stamps::{Stamp, foreign_stamps, stamps};

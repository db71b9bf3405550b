//! Who asks, and for what.

use crate::listen::Connection;

/// One request's asker, as the log has it.
#[derive(Clone, Debug)]
pub(super) struct Visitor {
    pub(super) address: String,
    /// Without the query, where tokens are.
    pub(super) path: String,
    pub(super) connection: Connection,
}

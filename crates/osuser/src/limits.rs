//! How many descriptors a process may have: more for those that hold many, not for their children.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What this process began with, once it was raised.
static ORIGINAL: OnceLock<Rlimit> = OnceLock::new();

/// Raises the soft limit of open descriptors to the hard one, for this process alone: children of
/// [`crate::run_in_child`] and programs [`with_original_descriptor_limit`] get what was there
/// before, as those that use select(2) need.
///
/// # Errors
/// When the kernel refuses.
pub fn raise_descriptor_limit() -> io::Result<()> {
    let original = ORIGINAL.get_or_init(|| getrlimit(Resource::Nofile));
    let raised = Rlimit {
        current: original.maximum,
        maximum: original.maximum,
    };
    Ok(setrlimit(Resource::Nofile, raised)?)
}

/// Has `command` start with the limit that was there before [`raise_descriptor_limit`].
pub fn with_original_descriptor_limit(command: &mut Command) -> &mut Command {
    let prepare = || {
        restore_descriptor_limit();
        Ok(())
    };
    // SAFETY: between fork and exec this makes a system call only; it takes no lock and no memory.
    unsafe { command.pre_exec(prepare) }
}

/// In a fresh child. Lowering a soft limit cannot be refused.
pub(crate) fn restore_descriptor_limit() {
    if let Some(original) = ORIGINAL.get() {
        let restored = setrlimit(Resource::Nofile, *original);
        debug_assert!(restored.is_ok(), "{restored:?}");
    }
}

//! What a process gives up for good: files and the network by Landlock, system calls by seccomp.
//!
//! The two overlap on purpose: either alone still keeps most of it. Each role says itself what it
//! goes on needing.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, PathBeneath, PathFd, Ruleset,
    RulesetAttr as _, RulesetCreatedAttr as _, RulesetStatus, Scope,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

/// The newest Landlock that is asked for; the crate leaves out what the kernel lacks.
const LANDLOCK: ABI = ABI::V6;

/// Closes all files but what `own` allows beneath a directory, every new connection, and signals
/// to other processes. Says how much of it this kernel enforces.
///
/// # Errors
/// When the directory cannot be opened or the kernel refuses.
pub fn close_files_and_network(
    own: Option<(&Path, BitFlags<AccessFs>)>,
) -> io::Result<RulesetStatus> {
    let rule = own
        .map(|(directory, access)| Ok::<_, io::Error>((open(directory)?, access)))
        .transpose()?;
    let close = || {
        let mut ruleset = Ruleset::default()
            .handle_access(AccessFs::from_all(LANDLOCK))?
            .handle_access(AccessNet::from_all(LANDLOCK))?
            .scope(Scope::from_all(LANDLOCK))?
            .create()?;
        if let Some((directory, access)) = rule {
            ruleset = ruleset.add_rule(PathBeneath::new(directory, access))?;
        }
        ruleset.restrict_self()
    };
    let status: Result<_, landlock::RulesetError> = close();
    Ok(status.map_err(io::Error::other)?.ruleset)
}

fn open(directory: &Path) -> io::Result<PathFd> {
    PathFd::new(directory).map_err(io::Error::other)
}

/// A system call and what all has to be true of its arguments.
pub type Conditional = (i64, Vec<SeccompCondition>);

/// From now on, in this thread and those that it starts, only these system calls are made; others
/// are refused with EPERM.
///
/// A filter of its own says of `clone3` that it does not exist, so that the C library takes
/// `clone`, whose flags a filter can see: only threads can be made.
///
/// # Errors
/// When a condition is wrong or the kernel refuses.
pub fn allow_calls(calls: &[i64], conditional: Vec<Conditional>) -> io::Result<()> {
    let filters = || -> Result<[BpfProgram; 2], seccompiler::Error> {
        let architecture = std::env::consts::ARCH.try_into()?;
        let filter = |rules, otherwise, listed| {
            let filter = SeccompFilter::new(rules, otherwise, listed, architecture)?;
            Ok::<BpfProgram, seccompiler::Error>(filter.try_into()?)
        };
        let refused = |errno: i32| SeccompAction::Errno(errno.cast_unsigned());
        let mut allowed: BTreeMap<i64, Vec<SeccompRule>> =
            calls.iter().map(|call| (*call, Vec::new())).collect();
        // The other filter says that it does not exist.
        allowed.insert(libc::SYS_clone3, Vec::new());
        let threads = (libc::SYS_clone, vec![has_bits(0, libc::CLONE_THREAD)]);
        for (call, conditions) in conditional.into_iter().chain([threads]) {
            allowed.insert(call, vec![SeccompRule::new(conditions)?]);
        }
        let no_clone3 = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
        Ok([
            filter(no_clone3, SeccompAction::Allow, refused(libc::ENOSYS))?,
            filter(allowed, refused(libc::EPERM), SeccompAction::Allow)?,
        ])
    };
    for filter in filters().map_err(io::Error::other)? {
        seccompiler::apply_filter(&filter).map_err(io::Error::other)?;
    }
    Ok(())
}

/// That the lower 32 bits of an argument (0 to 5) are `value`.
pub fn is(argument: u8, value: i32) -> SeccompCondition {
    condition(
        argument,
        SeccompCmpArgLen::Dword,
        SeccompCmpOp::Eq,
        unsigned(value),
    )
}

/// That all of an argument is `value`.
pub fn is_long(argument: u8, value: u64) -> SeccompCondition {
    condition(argument, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, value)
}

/// That an argument has all of these bits.
pub fn has_bits(argument: u8, bits: i32) -> SeccompCondition {
    masked(argument, bits, bits)
}

/// That an argument has none of these bits.
pub fn lacks_bits(argument: u8, bits: i32) -> SeccompCondition {
    masked(argument, bits, 0)
}

/// That those of an argument's lower 32 bits that are in `mask` are `value`.
pub fn masked(argument: u8, mask: i32, value: i32) -> SeccompCondition {
    condition(
        argument,
        SeccompCmpArgLen::Dword,
        SeccompCmpOp::MaskedEq(unsigned(mask)),
        unsigned(value),
    )
}

fn condition(
    argument: u8,
    length: SeccompCmpArgLen,
    operator: SeccompCmpOp,
    value: u64,
) -> SeccompCondition {
    SeccompCondition::new(argument, length, operator, value)
        .expect("a system call has arguments 0 to 5")
}

fn unsigned(bits: i32) -> u64 {
    u64::from(bits.cast_unsigned())
}

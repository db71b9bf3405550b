//! What is measured of each relay.

mod check;
mod connections;
mod idle;
mod row;
mod slow;
mod stream;
mod trips;

use std::time::Duration;

use anyhow::{Context as _, Result};

pub(crate) use self::row::{Goal, Row};
use crate::relay::{Kind, Relays};
use crate::target::Target;

/// How long and how much.
pub(crate) struct Extent {
    pub(crate) rounds: usize,
    /// Before anything counts.
    warm: Duration,
    span: Duration,
    /// Connections that are open and idle; fewer where each costs a process.
    idle: usize,
    idle_forked: usize,
    slow: usize,
    /// Bytes each way that are checked.
    checked: u64,
}

impl Extent {
    pub(crate) const FULL: Self = Self {
        rounds: 5,
        warm: Duration::from_millis(300),
        span: Duration::from_secs(1),
        idle: 5000,
        idle_forked: 100,
        slow: 1000,
        checked: 10_000_000_000,
    };

    pub(crate) const QUICK: Self = Self {
        rounds: 1,
        warm: Duration::from_millis(200),
        span: Duration::from_millis(700),
        idle: 1000,
        idle_forked: 50,
        slow: 200,
        checked: 1_000_000_000,
    };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Figure {
    Towards64k,
    Towards1460,
    From16k,
    Trips,
    Connections,
    Idle,
    TlsTowards64k,
    Slow,
    Check,
}

impl Figure {
    pub(crate) const ALL: &[Self] = &[
        Self::Towards64k,
        Self::Towards1460,
        Self::From16k,
        Self::Trips,
        Self::Connections,
        Self::Idle,
        Self::TlsTowards64k,
        Self::Slow,
        Self::Check,
    ];

    /// As it is asked for with `--only`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Towards64k => "towards-64k",
            Self::Towards1460 => "towards-1460",
            Self::From16k => "from-16k",
            Self::Trips => "trips",
            Self::Connections => "connections",
            Self::Idle => "idle",
            Self::TlsTowards64k => "tls-towards-64k",
            Self::Slow => "slow",
            Self::Check => "check",
        }
    }

    pub(crate) fn named(name: &str) -> Result<Self> {
        let found = Self::ALL.iter().copied().find(|it| it.name() == name);
        found.with_context(|| {
            let names: Vec<_> = Self::ALL.iter().map(|it| it.name()).collect();
            format!("no figure `{name}`: there are {}", names.join(", "))
        })
    }

    /// Whose it is.
    pub(crate) fn kinds(self) -> &'static [Kind] {
        match self {
            Self::Slow => &[Kind::Haproxy, Kind::Ours],
            Self::Check => &[Kind::Ours],
            // HAProxy cannot leave to the kernel what it must encrypt.
            Self::TlsTowards64k => &[Kind::Theirs, Kind::Chain, Kind::Haproxy, Kind::Ours],
            _ => Kind::ALL,
        }
    }

    fn is_tls(self) -> bool {
        self == Self::TlsTowards64k
    }

    /// How many rounds it takes part in: what does not depend on the machine's mood, in one.
    pub(crate) fn rounds(self) -> usize {
        match self {
            Self::Idle | Self::Check => 1,
            Self::Slow => 3,
            _ => usize::MAX,
        }
    }

    /// Starts the relay, measures, and ends it.
    pub(crate) fn measure(
        self,
        relays: &Relays,
        kind: Kind,
        target: &Target,
        extent: &Extent,
    ) -> Result<Vec<(Row, f64)>> {
        let relay = &relays.start(kind, self.is_tls())?;
        match self {
            Self::Towards64k => {
                let value = stream::towards_browser(relay, target, extent, 64 * 1024)?;
                Ok(vec![(Row::Towards64k, value)])
            }
            Self::Towards1460 => {
                let value = stream::towards_browser(relay, target, extent, 1460)?;
                Ok(vec![(Row::Towards1460, value)])
            }
            Self::TlsTowards64k => {
                let value = stream::towards_browser(relay, target, extent, 64 * 1024)?;
                Ok(vec![(Row::TlsTowards64k, value)])
            }
            Self::From16k => {
                let value = stream::from_browser(relay, target, extent, 16 * 1024)?;
                Ok(vec![(Row::From16k, value)])
            }
            Self::Trips => trips::measure(relay, target, extent),
            Self::Connections => connections::measure(relay, target, extent),
            Self::Idle => idle::measure(relay, target, extent),
            Self::Slow => {
                let other = relays.start(kind, false)?;
                slow::measure(relay, &other, target, extent)
            }
            Self::Check => check::measure(relay, target, extent),
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "nothing here is counted beyond 2^52"
)]
fn float(count: u64) -> f64 {
    count as f64
}

//! The rows of the table, and where ours must stand in each.

use crate::relay::Kind;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Row {
    Towards64k,
    Towards1460,
    From16k,
    TripTime,
    TripCpu,
    Connections,
    Idle,
    TlsTowards64k,
    BesideSlow,
    SlowMemory,
    SlowQueued,
    Checked,
}

/// A bound on ours.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    /// At most so many times another's figure.
    AtMost(Kind, f64),
    /// At least so many times another's figure.
    AtLeast(Kind, f64),
    /// The figure itself.
    NoMoreThan(f64),
    NoLessThan(f64),
}

impl Row {
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Towards64k => "CPU per GB towards the browser, 64 kB writes",
            Self::Towards1460 => "CPU per GB towards the browser, 1460-byte writes",
            Self::From16k => "CPU per GB from the browser, 16 kB messages",
            Self::TripTime => "10-byte round trip, p50",
            Self::TripCpu => "CPU per round trip",
            Self::Connections => "new connections per second",
            Self::Idle => "memory per idle connection (PSS)",
            Self::TlsTowards64k => "TLS: CPU per GB towards the browser, 64 kB writes",
            Self::BesideSlow => "throughput of a fast reader beside slow ones, of that without",
            Self::SlowMemory => "memory per slow reader (PSS)",
            Self::SlowQueued => {
                "on its way per slow reader, kernel's buffers included (1,024 kB are offered)"
            }
            Self::Checked => "checked byte by byte, each way at once",
        }
    }

    pub(crate) fn shown(self, value: f64) -> String {
        match self {
            Self::Towards64k | Self::Towards1460 | Self::From16k | Self::TlsTowards64k => {
                format!("{value:.3} s")
            }
            Self::TripTime | Self::TripCpu => format!("{value:.1} µs"),
            Self::Connections => format!("{value:.0}"),
            Self::Idle | Self::SlowMemory | Self::SlowQueued => format!("{value:.1} kB"),
            Self::BesideSlow => format!("{value:.2}"),
            Self::Checked => format!("{value:.0} GB"),
        }
    }

    pub(crate) fn goals(self) -> &'static [Goal] {
        match self {
            Self::Towards64k => &[
                Goal::AtMost(Kind::Chain, 0.20),
                Goal::AtMost(Kind::Haproxy, 0.5),
                Goal::AtMost(Kind::HaproxySplice, 1.0),
            ],
            Self::Towards1460 => &[
                Goal::AtMost(Kind::Chain, 0.55),
                Goal::AtMost(Kind::Haproxy, 1.0),
            ],
            Self::From16k => &[
                Goal::AtMost(Kind::Chain, 0.2),
                Goal::AtMost(Kind::Haproxy, 1.1),
            ],
            Self::TripTime => &[
                Goal::AtMost(Kind::Chain, 0.5),
                Goal::AtMost(Kind::Haproxy, 1.0),
            ],
            Self::TripCpu => &[
                Goal::AtMost(Kind::Chain, 0.35),
                Goal::AtMost(Kind::Haproxy, 1.0),
            ],
            Self::Connections => &[
                Goal::AtLeast(Kind::Chain, 18.0),
                Goal::AtLeast(Kind::Haproxy, 0.9),
            ],
            Self::Idle => &[Goal::NoMoreThan(10.0)],
            Self::TlsTowards64k => &[
                Goal::AtMost(Kind::Chain, 0.4),
                Goal::AtMost(Kind::Haproxy, 1.0),
            ],
            Self::BesideSlow => &[Goal::NoLessThan(0.9)],
            Self::SlowMemory => &[Goal::NoMoreThan(256.0)],
            Self::SlowQueued => &[],
            Self::Checked => &[Goal::NoLessThan(1.0)],
        }
    }
}

//! Each metric with its name, its words and its labels.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::process::Figures;
use super::request::{Outcome, RouteClass};

/// Names and values that are part of the program, so that nothing else can be a label.
type Labels = Vec<(&'static str, &'static str)>;
/// A gauge in fractions.
type Fraction = Gauge<f64, AtomicU64>;
/// A counter in fractions.
type Seconds = Counter<f64, AtomicU64>;

/// The words of [`Measure::Ended`](crate::launcher::protocol::Measure::Ended).
const ENDS: [&str; 11] = [
    "stopped",
    "unused",
    "hours_used_up",
    "out_of_memory",
    "logged_out",
    "session_missing",
    "session_died",
    "screen_died",
    "screen_failed",
    "agent_died",
    "account_failed",
];
/// Those of [`Measure::SignInRefused`](crate::launcher::protocol::Measure::SignInRefused), and
/// what the front says without a launcher.
const REFUSALS: [&str; 6] = ["wrong", "slow", "denied", "busy", "failed", "unavailable"];
/// What is none of the words above, from a launcher of another version.
const OTHER: &str = "other";
const STATES: [&str; 4] = ["starting", "ready", "frozen", "stopping"];
const STAGES: [&str; 2] = ["screen", "session"];

/// Bounds in seconds: of a stage of a start, and of the way to a browser and back.
const START_BUCKETS: [f64; 10] = [0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 60.0];
const TRIP_BUCKETS: [f64; 11] = [
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0,
];

/// A gauge that is not there while nobody knows its value.
#[derive(Clone, Debug, Default)]
pub(super) struct Known(Arc<Mutex<Option<u64>>>);

impl Known {
    pub(super) fn set(&self, value: Option<u64>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = value;
    }

    fn get(&self) -> Option<u64> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EncodeMetric for Known {
    fn encode(&self, encoder: MetricEncoder<'_>) -> fmt::Result {
        self.get()
            .map_or(Ok(()), |value| ConstGauge::new(value).encode(encoder))
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Gauge
    }

    fn is_empty(&self) -> bool {
        self.get().is_none()
    }
}

/// Of how much of the time something waited, by what it waited for, where that is known.
#[derive(Clone, Debug, Default)]
pub(super) struct Pressure(Family<Labels, Fraction>);

impl Pressure {
    pub(super) fn set(&self, resource: &'static str, thousandths: Option<u32>) {
        let labels = vec![("resource", resource)];
        match thousandths {
            Some(value) => {
                self.0.get_or_create(&labels).set(f64::from(value) / 1000.0);
            }
            None => {
                self.0.remove(&labels);
            }
        }
    }
}

/// Where bytes go.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    ToBrowser,
    FromBrowser,
}

/// This process's own.
#[derive(Clone, Debug, Default)]
pub(super) struct ProcessFamilies {
    memory: Gauge<u64, AtomicU64>,
    descriptors: Gauge<u64, AtomicU64>,
    cpu: Seconds,
}

impl ProcessFamilies {
    pub(super) fn set(&self, figures: &Figures) {
        self.memory.set(figures.resident_bytes);
        self.descriptors.set(figures.descriptors);
        let bits = figures.cpu_seconds.to_bits();
        self.cpu
            .inner()
            .store(bits, std::sync::atomic::Ordering::Relaxed);
    }
}

/// All of them.
#[derive(Debug)]
pub(super) struct Families {
    desktops: Family<Labels, Gauge>,
    starts: Family<Labels, Histogram, fn() -> Histogram>,
    ends: Family<Labels, Counter>,
    pub(super) live_sign_ins: Gauge,
    pub(super) sign_ins: Counter,
    refused: Family<Labels, Counter>,
    pub(super) viewers: Gauge,
    viewer_ends: Family<Labels, Counter>,
    bytes: Family<Labels, Counter>,
    pub(super) round_trips: Histogram,
    requests: Family<Labels, Counter>,
    errors: Family<Labels, Counter>,
    pub(super) connections: Gauge,
    pub(super) launcher_is_there: Gauge,
    pub(super) memory: Known,
    pub(super) pressure: Pressure,
    pub(super) certificate_ends: Known,
    pub(super) process: ProcessFamilies,
}

impl Families {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let families = Self {
            desktops: Family::default(),
            starts: Family::new_with_constructor(|| Histogram::new(START_BUCKETS)),
            ends: Family::default(),
            live_sign_ins: Gauge::default(),
            sign_ins: Counter::default(),
            refused: Family::default(),
            viewers: Gauge::default(),
            viewer_ends: Family::default(),
            bytes: Family::default(),
            round_trips: Histogram::new(TRIP_BUCKETS),
            requests: Family::default(),
            errors: Family::default(),
            connections: Gauge::default(),
            launcher_is_there: Gauge::default(),
            memory: Known::default(),
            pressure: Pressure::default(),
            certificate_ends: Known::default(),
            process: ProcessFamilies::default(),
        };
        families.name(registry);
        families.begin_at_zero();
        families
    }

    pub(super) fn desktops(&self, state: &'static str) -> Gauge {
        self.desktops.get_or_create_owned(&vec![("state", state)])
    }

    pub(super) fn start_seconds(&self, stage: &'static str) -> Histogram {
        self.starts.get_or_create_owned(&vec![("stage", stage)])
    }

    pub(super) fn end(&self, cause: &str) -> Counter {
        let cause = known(&ENDS, cause);
        self.ends.get_or_create_owned(&vec![("cause", cause)])
    }

    pub(super) fn refused_sign_in(&self, reason: &str) -> Counter {
        let reason = known(&REFUSALS, reason);
        self.refused.get_or_create_owned(&vec![("reason", reason)])
    }

    pub(super) fn viewer_end(&self, cause: &'static str) -> Counter {
        self.viewer_ends
            .get_or_create_owned(&vec![("cause", cause)])
    }

    pub(super) fn bytes(&self, way: Way) -> Counter {
        let direction = match way {
            Way::ToBrowser => "to_browser",
            Way::FromBrowser => "from_browser",
        };
        self.bytes
            .get_or_create_owned(&vec![("direction", direction)])
    }

    pub(super) fn request(&self, route: RouteClass, outcome: Outcome) -> Counter {
        let labels = vec![("route", route.word()), ("status", outcome.word())];
        self.requests.get_or_create_owned(&labels)
    }

    pub(super) fn error(&self, kind: &'static str) -> Counter {
        self.errors.get_or_create_owned(&vec![("kind", kind)])
    }

    fn name(&self, registry: &mut Registry) {
        self.name_desktops(registry);
        self.name_visits(registry);
        self.name_process(registry);
    }

    fn name_desktops(&self, registry: &mut Registry) {
        registry.register(
            "desktops",
            "Desktops by where they are in their life",
            self.desktops.clone(),
        );
        registry.register(
            "desktop_ends",
            "Desktops that have ended, by why",
            self.ends.clone(),
        );
        registry.register(
            "desktops_pressure_ratio",
            "How much of the last ten seconds something of the desktops waited, by what for",
            self.pressure.0.clone(),
        );
        registry.register_with_unit(
            "desktop_start",
            "How long desktops took through each stage of their start",
            Unit::Seconds,
            self.starts.clone(),
        );
        registry.register_with_unit(
            "desktops_memory",
            "What all desktops take of the memory",
            Unit::Bytes,
            self.memory.clone(),
        );
    }

    fn name_visits(&self, registry: &mut Registry) {
        registry.register(
            "sign_ins_live",
            "Sign-ins that are not over",
            self.live_sign_ins.clone(),
        );
        registry.register(
            "sign_ins",
            "Times that somebody has signed in",
            self.sign_ins.clone(),
        );
        registry.register(
            "sign_ins_refused",
            "Times that somebody was not signed in, by why",
            self.refused.clone(),
        );
        registry.register(
            "viewers",
            "Windows that show a desktop",
            self.viewers.clone(),
        );
        registry.register(
            "viewer_ends",
            "Viewers' connections that have ended, by why",
            self.viewer_ends.clone(),
        );
        registry.register(
            "http_requests",
            "Requests that were answered, by what was asked for and the status",
            self.requests.clone(),
        );
        registry.register(
            "http_errors",
            "Requests that were not answered as asked, by why",
            self.errors.clone(),
        );
        registry.register(
            "http_connections",
            "Open connections",
            self.connections.clone(),
        );
        registry.register_with_unit(
            "viewer_round_trip",
            "How long browsers took to answer a ping",
            Unit::Seconds,
            self.round_trips.clone(),
        );
        registry.register_with_unit(
            "viewer",
            "What was carried between desktops and browsers",
            Unit::Bytes,
            self.bytes.clone(),
        );
    }

    fn name_process(&self, registry: &mut Registry) {
        let version = vec![("version", env!("CARGO_PKG_VERSION"))];
        registry.register("build", "This program", Info::new(version));
        registry.register(
            "launcher_connected",
            "1 while the process that looks after desktops is connected",
            self.launcher_is_there.clone(),
        );
        registry.register(
            "process_open_fds",
            "Descriptors of the process that talks to the network",
            self.process.descriptors.clone(),
        );
        registry.register_with_unit(
            "certificate_end_timestamp",
            "When the first of the certificates ends, since 1970",
            Unit::Seconds,
            self.certificate_ends.clone(),
        );
        registry.register_with_unit(
            "process_resident_memory",
            "Memory of the process that talks to the network",
            Unit::Bytes,
            self.process.memory.clone(),
        );
        registry.register_with_unit(
            "process_cpu",
            "Processor time of the process that talks to the network",
            Unit::Seconds,
            self.process.cpu.clone(),
        );
    }

    /// What is known beforehand is there from the beginning, so that its first increase is seen.
    fn begin_at_zero(&self) {
        for state in STATES {
            drop(self.desktops(state));
        }
        for stage in STAGES {
            drop(self.start_seconds(stage));
        }
        for cause in ENDS {
            drop(self.end(cause));
        }
        for reason in REFUSALS {
            drop(self.refused_sign_in(reason));
        }
    }
}

fn known(words: &'static [&'static str], word: &str) -> &'static str {
    let found = words.iter().find(|known| **known == word);
    found.copied().unwrap_or(OTHER)
}

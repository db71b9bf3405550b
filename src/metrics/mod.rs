//! What is counted, for whoever watches over this server: [`Metrics`] is told what happens, and
//! [`Metrics::text`] writes all of it as OpenMetrics.
//!
//! Every label has few values, all of them ours: neither people nor desktops are named.

mod families;
mod flows;
mod plain;
mod process;
mod reader;
mod request;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use crate::launcher::protocol::{Measure, Totals};
use crate::model::Stage;
use families::{Families, Way};

pub use flows::{Carried, Flows};
pub use plain::as_plain_text;
pub use process::OwnProcess;
pub use reader::{MAX_TOKEN, Token};
pub use request::{Outcome, RouteClass};

/// The content type of [`Metrics::text`].
pub const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The content type of [`as_plain_text`].
pub const PLAIN_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Everything that is counted.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    families: Families,
    flows: Arc<Flows>,
    process: Option<OwnProcess>,
}

/// What is not counted along, but looked at whenever it is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Now {
    pub launcher_is_there: bool,
    pub viewers: usize,
    pub connections: usize,
    /// When the first of the certificates ends: seconds since 1970.
    pub certificate_ends: Option<i64>,
}

impl Metrics {
    /// `process`: this process's own figures, where they can be had.
    pub fn new(process: Option<OwnProcess>) -> Arc<Self> {
        let mut registry = Registry::with_prefix("deskway");
        let families = Families::register(&mut registry);
        Arc::new(Self {
            registry,
            families,
            flows: Arc::default(),
            process,
        })
    }

    /// The launcher tells that something has happened.
    pub fn measured(&self, measure: &Measure) {
        let families = &self.families;
        match measure {
            Measure::Started { stage, millis } => {
                let stage = match stage {
                    Stage::Screen => "screen",
                    Stage::Session => "session",
                };
                let seconds = Duration::from_millis(u64::from(*millis)).as_secs_f64();
                families.start_seconds(stage).observe(seconds);
            }
            Measure::Ended { cause } => {
                families.end(cause).inc();
            }
            Measure::SignInRefused { why } => {
                families.refused_sign_in(why).inc();
            }
        }
    }

    /// The launcher tells how much there is of everything.
    pub fn told(&self, totals: &Totals) {
        let desktops = &totals.desktops;
        let families = &self.families;
        for (state, count) in [
            ("starting", desktops.starting),
            ("ready", desktops.ready),
            ("frozen", desktops.frozen),
            ("stopping", desktops.stopping),
        ] {
            families.desktops(state).set(i64::from(count));
        }
        families.live_sign_ins.set(i64::from(totals.sign_ins));
        families.memory.set(totals.memory);
        for (resource, thousandths) in [
            ("cpu", totals.cpu_pressure),
            ("memory", totals.memory_pressure),
            ("io", totals.io_pressure),
        ] {
            families.pressure.set(resource, thousandths);
        }
    }

    /// Somebody has signed in.
    pub fn signed_in(&self) {
        self.families.sign_ins.inc();
    }

    /// Somebody could not sign in, since there was nobody who could have looked.
    pub fn sign_in_unavailable(&self) {
        self.families.refused_sign_in("unavailable").inc();
    }

    /// A request was answered.
    pub fn answered(&self, route: RouteClass, outcome: Outcome) {
        self.families.request(route, outcome).inc();
    }

    /// A request was not answered as asked; `kind` is one of a closed set.
    pub fn error(&self, kind: &'static str) {
        self.families.error(kind).inc();
    }

    /// A viewer's connection ended; `cause` is one of a closed set.
    pub fn viewer_left(&self, cause: &'static str) {
        self.families.viewer_end(cause).inc();
    }

    /// A browser has answered a ping after so long.
    pub fn round_trip(&self, took: Duration) {
        self.families.round_trips.observe(took.as_secs_f64());
    }

    /// Where viewers' bytes are added up.
    pub fn flows(&self) -> &Arc<Flows> {
        &self.flows
    }

    /// All of it as OpenMetrics.
    pub fn text(&self, now: &Now) -> String {
        let families = &self.families;
        families
            .launcher_is_there
            .set(i64::from(now.launcher_is_there));
        families
            .viewers
            .set(now.viewers.try_into().unwrap_or(i64::MAX));
        let connections = now.connections.try_into().unwrap_or(i64::MAX);
        families.connections.set(connections);
        families
            .certificate_ends
            .set(now.certificate_ends.map(i64::cast_unsigned));
        let (to_browser, from_browser) = self.flows.bytes();
        for (way, bytes) in [
            (Way::ToBrowser, to_browser),
            (Way::FromBrowser, from_browser),
        ] {
            families.bytes(way).inner().store(bytes, Ordering::Relaxed);
        }
        if let Some(figures) = self.process.as_ref().and_then(OwnProcess::figures) {
            families.process.set(&figures);
        }
        let mut text = String::new();
        // A String takes whatever is written to it.
        _ = encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests;

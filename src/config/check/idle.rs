//! `[idle]`: what becomes of desktops that nobody uses.

use std::time::Duration;

use super::place::{Fault, Field, number};
use crate::config::problems::Problems;
use crate::config::{Idle, raw, value};

pub(super) fn idle(raw: raw::Idle, idle: &mut Idle, problems: &mut Problems<'_>) {
    let field = |key| Field::new("idle", key);
    let after = Duration::from_secs(1)..=Duration::from_hours(365 * 24);
    for (key, raw, target) in [
        ("warn_after", raw.warn_after, &mut idle.warn_after),
        ("freeze_after", raw.freeze_after, &mut idle.freeze_after),
        ("stop_after", raw.stop_after, &mut idle.stop_after),
    ] {
        field(key).set(raw, target, problems, |text| {
            let time = value::duration(text, after.clone());
            time.map(Some).ok_or(Fault::Wants)
        });
    }
    field("busy_cpu").set(raw.busy_cpu, &mut idle.busy_cpu, problems, |share| {
        number(*share, 1..=10_000)
    });
    let grace = Duration::from_secs(1)..=Duration::from_hours(1);
    field("grace").set(raw.grace, &mut idle.grace, problems, |text| {
        value::duration(text, grace.clone()).ok_or(Fault::Wants)
    });
}

//! `[limits]` and `[group.limits]`: what desktops may take.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::place::{Fault, Field, number};
use crate::config::problems::Problems;
use crate::config::raw::Value;
use crate::config::{Limits, raw, value};

/// What lifts a limit that everybody has.
const NONE: &str = "none";
const MEMORY: RangeInclusive<u64> = 16 << 20..=1 << 50;
const DISK: RangeInclusive<u64> = 1 << 20..=1 << 50;

/// Puts what a section says over `limits`, which holds what it does not say.
pub(super) fn limits(
    raw: raw::Limits,
    field: impl Fn(&'static str) -> Field,
    limits: &mut Limits,
    problems: &mut Problems<'_>,
) {
    let high_at = raw.memory_high.as_ref().map(toml::Spanned::span);
    let max_at = raw.memory_max.as_ref().map(toml::Spanned::span);
    let mut size = |key, raw: Value<String>, target: &mut Option<u64>, bounds| {
        field(key).set(raw, target, problems, |text| {
            or_none(text, |text| value::size(text, bounds))
        });
    };
    size(
        "memory_high",
        raw.memory_high,
        &mut limits.memory_high,
        MEMORY,
    );
    size("memory_max", raw.memory_max, &mut limits.memory_max, MEMORY);
    size(
        "disk_warning",
        raw.disk_warning,
        &mut limits.disk_warning,
        DISK,
    );
    field("cpu_weight").set(raw.cpu_weight, &mut limits.cpu_weight, problems, |weight| {
        or_zero(*weight, 1..=10_000)
    });
    field("cpu_quota").set(raw.cpu_quota, &mut limits.cpu_quota, problems, |quota| {
        or_zero(*quota, 1..=100_000)
    });
    field("processes").set(raw.processes, &mut limits.processes, problems, |most| {
        or_zero(*most, 10..=4_194_304)
    });
    field("desktops").set(raw.desktops, &mut limits.desktops, problems, |most| {
        or_zero(*most, 1..=100)
    });
    let day = Duration::from_mins(1)..=Duration::from_hours(24);
    field("hours_per_day").set(
        raw.hours_per_day,
        &mut limits.hours_per_day,
        problems,
        |text| or_none(text, |text| value::duration(text, day)),
    );
    if let (Some(high), Some(max)) = (limits.memory_high, limits.memory_max)
        && high > max
        && let Some(place) = high_at.or(max_at)
    {
        let because = "it would never count: write no more than `memory_max`";
        let fault = Fault::Because(because.to_owned());
        field("memory_high").refuse(&place, "is more than `memory_max`", fault, problems);
    }
}

fn or_none<T>(text: &str, read: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, Fault> {
    if text == NONE {
        Ok(None)
    } else {
        read(text).map(Some).ok_or(Fault::Wants)
    }
}

fn or_zero<T>(value: i64, bounds: RangeInclusive<T>) -> Result<Option<T>, Fault>
where
    T: TryFrom<i64> + PartialOrd,
{
    if value == 0 {
        Ok(None)
    } else {
        number(value, bounds).map(Some)
    }
}

//! Whether a limit slows a desktop down for so long that its owner should know of it.

use std::time::{Duration, Instant};

/// So long it has to last before it is told, and to be over before that is taken back.
const LASTS: Duration = Duration::from_secs(30);
const OVER: Duration = Duration::from_mins(1);
/// The period of a processor quota (`CPUQuotaPeriodSec` of systemd's too): in each one there is so
/// much of the processors, and who has used it up waits for the next.
const PERIOD: Duration = Duration::from_millis(100);

/// What a control group has counted since it was made; `None`: the kernel does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Periods in which the processor quota was used up.
    pub(crate) throttled: Option<u64>,
    /// How often a program was held up because the memory is above `memory_high`.
    pub(crate) held_up: Option<u64>,
    /// Bytes, without what the kernel could drop at once.
    pub(crate) memory: Option<u64>,
    /// Bytes.
    pub(crate) memory_high: Option<u64>,
    /// Thousandths of the last ten seconds in which a program waited for memory.
    pub(crate) memory_waits: Option<u32>,
}

/// What its owner is to be told, or what is so no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// It wants more of the processors than its quota.
    Processor { is_short: bool },
    /// It wants more memory than it may have without being held up.
    Memory { is_short: bool },
}

/// What one desktop is short of.
#[derive(Debug, Default)]
pub(crate) struct Strains {
    last: Option<(Instant, Counts)>,
    processor: Strain,
    memory: Strain,
}

/// One thing that a desktop may be short of.
#[derive(Debug, Default)]
struct Strain {
    is_told: bool,
    /// Since when it has been otherwise than was told.
    since: Option<Instant>,
}

/// How it was between two readings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Free,
    /// Neither: what was told stands.
    Between,
    Short,
}

impl Strains {
    /// Takes in a reading.
    pub(crate) fn look(&mut self, counts: Counts, now: Instant) -> Vec<Change> {
        let Some((then, before)) = self.last.replace((now, counts)) else {
            return Vec::new();
        };
        let passed = now.saturating_duration_since(then);
        let processor = more(before.throttled, counts.throttled)
            .map(|periods| processor(periods, passed))
            .and_then(|level| self.processor.look(level, then, now));
        let memory = more(before.held_up, counts.held_up)
            .map(|times| memory(times, &counts))
            .and_then(|level| self.memory.look(level, then, now));
        let processor = processor.map(|is_short| Change::Processor { is_short });
        let memory = memory.map(|is_short| Change::Memory { is_short });
        processor.into_iter().chain(memory).collect()
    }
}

impl Strain {
    /// Between `then` and `now` it was so; whether it is short, when that is to be told.
    fn look(&mut self, level: Level, then: Instant, now: Instant) -> Option<bool> {
        let (otherwise, lasts) = if self.is_told {
            (Level::Free, OVER)
        } else {
            (Level::Short, LASTS)
        };
        if level != otherwise {
            self.since = None;
            return None;
        }
        let since = *self.since.get_or_insert(then);
        if now.saturating_duration_since(since) < lasts {
            return None;
        }
        self.since = None;
        self.is_told = !self.is_told;
        Some(self.is_told)
    }
}

fn more(before: Option<u64>, after: Option<u64>) -> Option<u64> {
    Some(after?.saturating_sub(before?))
}

/// Short: the quota was used up in most of the periods. Free: in hardly any.
fn processor(periods: u64, passed: Duration) -> Level {
    let without = PERIOD.saturating_mul(u32::try_from(periods).unwrap_or(u32::MAX));
    if without >= passed / 2 {
        Level::Short
    } else if without <= passed / 10 {
        Level::Free
    } else {
        Level::Between
    }
}

/// Who only reads large files comes to the limit too, and loses nothing but what the kernel can
/// drop: short is who has the memory in use, and waits for more where the kernel tells of that.
fn memory(times: u64, counts: &Counts) -> Level {
    let (Some(used), Some(high)) = (counts.memory, counts.memory_high) else {
        return Level::Free;
    };
    let waits = counts.memory_waits.unwrap_or(1000);
    if times == 0 || used < high / 10 * 8 || waits < 20 {
        Level::Free
    } else if used >= high / 10 * 9 && waits >= 100 {
        Level::Short
    } else {
        Level::Between
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_secs(5);
    const GB: u64 = 1 << 30;

    struct Life {
        strains: Strains,
        now: Instant,
        counts: Counts,
    }

    impl Life {
        fn begin(counts: Counts) -> Self {
            let now = Instant::now();
            let mut strains = Strains::default();
            assert_eq!(strains.look(counts, now), [], "nothing to compare with");
            Self {
                strains,
                now,
                counts,
            }
        }

        /// What is told, and after how many seconds, while it goes on so for two minutes.
        fn goes_on(&mut self, periods: u64, times: u64) -> Vec<(u64, Change)> {
            let mut told = Vec::new();
            for turn in 1..=24 {
                self.now += EVERY;
                let counts = &mut self.counts;
                counts.throttled = counts.throttled.map(|before| before + periods);
                counts.held_up = counts.held_up.map(|before| before + times);
                let changes = self.strains.look(self.counts, self.now);
                told.extend(changes.into_iter().map(|change| (turn * 5, change)));
            }
            told
        }
    }

    fn processor_only() -> Life {
        Life::begin(Counts {
            throttled: Some(7),
            ..Counts::default()
        })
    }

    fn memory_of(memory: u64) -> Life {
        Life::begin(Counts {
            held_up: Some(7),
            memory: Some(memory),
            memory_high: Some(3 * GB),
            ..Counts::default()
        })
    }

    const SHORT_OF_PROCESSOR: Change = Change::Processor { is_short: true };
    const SHORT_OF_MEMORY: Change = Change::Memory { is_short: true };

    #[test]
    fn a_used_up_quota_is_told_once_and_taken_back_when_it_is_over() {
        let mut life = processor_only();
        assert_eq!(life.goes_on(50, 0), [(30, SHORT_OF_PROCESSOR)]);
        assert_eq!(life.goes_on(10, 0), [], "less, and not over");
        let over = Change::Processor { is_short: false };
        assert_eq!(life.goes_on(1, 0), [(60, over)]);
        assert_eq!(life.goes_on(25, 0), [(30, SHORT_OF_PROCESSOR)], "again");
    }

    #[test]
    fn one_that_is_held_back_now_and_then_is_told_nothing() {
        let mut life = processor_only();
        assert_eq!(life.goes_on(20, 0), [], "less than half of the time");
        for _ in 0..10 {
            // Less than half a minute at a time.
            for periods in [50, 50, 50, 0] {
                life.now += EVERY;
                life.counts.throttled = life.counts.throttled.map(|before| before + periods);
                assert_eq!(life.strains.look(life.counts, life.now), []);
            }
        }
    }

    #[test]
    fn one_that_is_held_up_for_its_memory_is_told_so_until_it_is_over() {
        let mut life = memory_of(3 * GB);
        assert_eq!(life.goes_on(0, 4), [(30, SHORT_OF_MEMORY)]);
        let over = Change::Memory { is_short: false };
        // It takes as much still, and wants no more.
        assert_eq!(life.goes_on(0, 0), [(60, over)]);
    }

    #[test]
    fn one_that_reads_large_files_is_not_short_of_memory() {
        assert_eq!(memory_of(GB).goes_on(0, 1000), []);
        let mut life = memory_of(3 * GB);
        life.counts.memory_waits = Some(10);
        assert_eq!(life.goes_on(0, 1000), [], "nobody waits for it");
        life.counts.memory_waits = Some(300);
        assert_eq!(life.goes_on(0, 1000), [(30, SHORT_OF_MEMORY)]);
        life.counts.memory_waits = Some(50);
        assert_eq!(life.goes_on(0, 1000), [], "less, and not over");
    }

    #[test]
    fn where_the_kernel_counts_nothing_there_is_nothing_to_tell() {
        let mut life = Life::begin(Counts::default());
        assert_eq!(life.goes_on(50, 50), []);
        // Version 1 has no limit that slows down.
        let mut life = Life::begin(Counts {
            memory: Some(3 * GB),
            ..Counts::default()
        });
        assert_eq!(life.goes_on(0, 50), []);
    }
}

//! When a desktop that nobody uses is to be warned of, frozen and ended: a pure state machine over
//! the monotonic clock, which neither a set wall clock nor a sleeping machine moves.
//!
//! A desktop has been idle since the latest sign of life: input by the X server's own clock, a busy
//! processor, a visit, a word that it is in use, its thaw, its start. When a time of the rules has
//! come, the desktop is looked at ([`Step::Look`]) until both clocks are known to have stood still
//! until then; only then something is done. Between such times nobody is asked anything.

use std::time::{Duration, Instant};

use crate::config;
use crate::model::IdleStep;

/// Between two looks, so long the processor's use is measured.
const SAMPLE: Duration = Duration::from_secs(2);
/// A shorter time between two looks is no sample.
const LEAST_SAMPLE: Duration = Duration::from_secs(1);
/// A longer one says nothing of now.
const LONGEST_SAMPLE: Duration = Duration::from_secs(40);
/// So many looks in a row at [`SAMPLE`]; a desktop that has not answered by then is looked at less
/// often, and nothing is done to it.
const EAGER_LOOKS: u32 = 4;
const PATIENT_LOOKS: Duration = Duration::from_secs(30);
/// Only who watches can give input: so often is looked whether they do, for what is shown of it.
const WATCHED: Duration = Duration::from_mins(1);
/// The same while a warning stands, which is to go when the desktop is used again.
const WATCHED_AND_WARNED: Duration = Duration::from_secs(5);
/// The X server's answer is on its way for a moment: what seems so little later is not new.
const SLACK: Duration = Duration::from_secs(1);

/// How long one desktop has been idle, and what has been done about it.
#[derive(Clone, Debug)]
pub(crate) struct Idle {
    /// The last sign of life.
    since: Instant,
    /// Until when the input clock is known to have stood still.
    input_known: Option<Instant>,
    /// The same of the processor.
    cpu_known: Option<Instant>,
    /// The processor's time at the last look.
    cpu: Option<(Instant, Duration)>,
    last_look: Option<Instant>,
    /// Since something has been due.
    looks: u32,
    /// The `since` that was warned of.
    warned: Option<Instant>,
    frozen: bool,
    /// That was tried in vain.
    unfreezable: bool,
    /// It was told to stop: nothing more is to be done.
    ended: bool,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Ask the X server's clock ([`Idle::input`]).
    Ask,
    /// Ask the X server's clock, and read how much of the processor it has had
    /// ([`Idle::input`], [`Idle::cpu`]).
    Look,
    /// Say what happens at `when`.
    Warn { next: IdleStep, when: Instant },
    /// It is used again: what was said is not so any more.
    Withdraw,
    /// To be answered by [`Idle::froze`] or [`Idle::cannot_freeze`].
    Freeze,
    /// Ask it to close, and end it: so long nobody has used it.
    Stop { unused: Duration },
}

impl Idle {
    /// Of a desktop that begins now.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            since: now,
            input_known: None,
            cpu_known: None,
            cpu: None,
            last_look: None,
            looks: 0,
            warned: None,
            frozen: false,
            unfreezable: false,
            ended: false,
        }
    }

    /// A visit, or a word that it is in use.
    pub(crate) fn used(&mut self, now: Instant) {
        self.since = self.since.max(now);
        self.looks = 0;
    }

    /// The X server says that its last input is so long ago.
    pub(crate) fn input(&mut self, ago: Duration, now: Instant) {
        self.input_known = Some(now);
        if let Some(at) = now.checked_sub(ago)
            && at > self.since + SLACK
        {
            self.used(at);
        }
    }

    /// The desktop has had so much processor time since it began. More than `busy` hundredths of a
    /// core since the last time is a sign of life.
    pub(crate) fn cpu(&mut self, total: Duration, busy: u32, now: Instant) {
        let Some((before, had)) = self.cpu.replace((now, total)) else {
            return;
        };
        let lasted = now.saturating_duration_since(before);
        if lasted < LEAST_SAMPLE {
            self.cpu = Some((before, had));
            return;
        }
        if total.saturating_sub(had) > lasted * busy / 100 {
            self.used(now);
        }
        if lasted <= LONGEST_SAMPLE {
            self.cpu_known = Some(now);
        }
    }

    /// Nobody can say how much of the processor it takes.
    pub(crate) fn cpu_is_unknown(&mut self, now: Instant) {
        self.cpu_known = Some(now);
    }

    pub(crate) fn froze(&mut self) {
        self.frozen = true;
    }

    /// This machine cannot do it; whatever else is due is done.
    pub(crate) fn cannot_freeze(&mut self) {
        self.unfreezable = true;
    }

    pub(crate) fn thawed(&mut self, now: Instant) {
        self.frozen = false;
        self.used(now);
    }

    /// Whether it was said what happens next, and nobody has used it since.
    pub(crate) fn is_warned(&self) -> bool {
        self.warned == Some(self.since)
    }

    /// The last sign of life.
    pub(crate) fn since(&self) -> Instant {
        self.since
    }

    /// What is to be done now, if anything: again until there is nothing more.
    pub(crate) fn step(
        &mut self,
        rules: &config::Idle,
        viewers: u32,
        now: Instant,
    ) -> Option<Step> {
        if self.ended {
            return None;
        }
        if self.warned.is_some_and(|of| of != self.since) {
            self.warned = None;
            return Some(Step::Withdraw);
        }
        let Some((at, due)) = self.due(rules, viewers, now) else {
            let ask = self.next_ask(viewers).is_some_and(|at| at <= now);
            return ask.then(|| {
                self.last_look = Some(now);
                Step::Ask
            });
        };
        let known = |until: Option<Instant>| until.is_some_and(|until| until >= at);
        let all_is_known = known(self.input_known) && known(self.cpu_known);
        if !self.frozen && !all_is_known {
            return (self.next_look() <= Some(now)).then(|| {
                self.last_look = Some(now);
                self.looks = self.looks.saturating_add(1);
                Step::Look
            });
        }
        self.looks = 0;
        match due {
            Due::Stop => {
                let unused = now.saturating_duration_since(self.since);
                self.ended = true;
                Some(Step::Stop { unused })
            }
            Due::Freeze => Some(Step::Freeze),
            Due::Warn(next, when) => {
                self.warned = Some(self.since);
                Some(Step::Warn { next, when })
            }
        }
    }

    /// When [`Idle::step`] is to be asked next; `None`: not before something has happened.
    pub(crate) fn next(&self, rules: &config::Idle, viewers: u32, now: Instant) -> Option<Instant> {
        if self.ended {
            return None;
        }
        if self.warned.is_some_and(|of| of != self.since) {
            return Some(now);
        }
        let ahead = self.ahead(rules, viewers).map(|(at, _)| at).min();
        if ahead.is_some_and(|at| at <= now) && !self.frozen {
            return self.next_look().or(Some(now));
        }
        [ahead, self.next_ask(viewers)].into_iter().flatten().min()
    }

    /// What comes next when nobody uses it, and when.
    pub(crate) fn comes_next(
        &self,
        rules: &config::Idle,
        viewers: u32,
    ) -> Option<(IdleStep, Instant)> {
        let steps = [
            (
                rules.freeze_after.filter(|_| self.may_freeze(viewers)),
                IdleStep::Freeze,
            ),
            (rules.stop_after, IdleStep::Stop),
        ];
        let steps = steps
            .into_iter()
            .filter_map(|(after, step)| Some((step, self.since + after?)));
        steps.min_by_key(|(_, at)| *at)
    }

    /// `None`: at once.
    fn next_look(&self) -> Option<Instant> {
        let pause = if self.looks < EAGER_LOOKS {
            SAMPLE
        } else {
            PATIENT_LOOKS
        };
        let last = self.last_look.filter(|_| self.looks > 0)?;
        Some(last + pause)
    }

    /// When the clock is asked though nothing is due.
    fn next_ask(&self, viewers: u32) -> Option<Instant> {
        let pause = if self.warned.is_some() {
            WATCHED_AND_WARNED
        } else {
            WATCHED
        };
        let last = self
            .last_look
            .map_or(self.since, |look| look.max(self.since));
        (viewers > 0 && !self.frozen).then_some(last + pause)
    }

    /// What is to be done by now, the weightiest first.
    fn due(&self, rules: &config::Idle, viewers: u32, now: Instant) -> Option<(Instant, Due)> {
        let due = self.ahead(rules, viewers).filter(|(at, _)| *at <= now);
        due.max_by_key(|(_, due)| due.weight())
    }

    fn may_freeze(&self, viewers: u32) -> bool {
        viewers == 0 && !self.frozen && !self.unfreezable
    }

    /// All that is still to be done when nobody uses it.
    fn ahead(&self, rules: &config::Idle, viewers: u32) -> impl Iterator<Item = (Instant, Due)> {
        let warn = self.comes_next(rules, viewers).and_then(|(next, when)| {
            let at = self.since + rules.warn_after?;
            let silent = self.frozen || self.warned.is_some() || at >= when;
            (!silent).then_some((at, Due::Warn(next, when)))
        });
        let freeze = rules.freeze_after.filter(|_| self.may_freeze(viewers));
        let freeze = freeze.map(|after| (self.since + after, Due::Freeze));
        let stop = rules
            .stop_after
            .map(|after| (self.since + after, Due::Stop));
        [warn, freeze, stop].into_iter().flatten()
    }
}

#[derive(Clone, Copy, Debug)]
enum Due {
    Warn(IdleStep, Instant),
    Freeze,
    Stop,
}

impl Due {
    fn weight(self) -> u8 {
        match self {
            Self::Warn(..) => 0,
            Self::Freeze => 1,
            Self::Stop => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);
    const BUSY: u32 = 5;

    /// A desktop under test: its clock, its X server's and its processor's.
    struct Desktop {
        idle: Idle,
        rules: config::Idle,
        now: Instant,
        input: Instant,
        cpu: Duration,
        viewers: u32,
        answers: bool,
        freezes: bool,
        looks: u32,
    }

    impl Desktop {
        /// Warned of after 10 minutes, frozen after 20, ended after 60.
        fn new() -> Self {
            let now = Instant::now();
            Self {
                idle: Idle::new(now),
                rules: config::Idle {
                    warn_after: Some(10 * MINUTE),
                    freeze_after: Some(20 * MINUTE),
                    stop_after: Some(60 * MINUTE),
                    busy_cpu: BUSY,
                    grace: MINUTE,
                },
                now,
                input: now,
                cpu: Duration::ZERO,
                viewers: 0,
                answers: true,
                freezes: true,
                looks: 0,
            }
        }

        /// All that happens until `time` has passed, with the minute in which it does.
        fn pass(&mut self, time: Duration) -> Vec<(u64, Step)> {
            let (began, until) = (self.now, self.now + time);
            let mut done = Vec::new();
            loop {
                while let Some(step) = self.idle.step(&self.rules, self.viewers, self.now) {
                    match step {
                        Step::Ask | Step::Look => self.look(step),
                        Step::Warn { .. } | Step::Withdraw | Step::Freeze | Step::Stop { .. } => {
                            done.push(((self.now - began).as_secs() / 60, step));
                        }
                    }
                    if step == Step::Freeze && self.freezes {
                        self.idle.froze();
                    } else if step == Step::Freeze {
                        self.idle.cannot_freeze();
                    }
                    if matches!(step, Step::Stop { .. }) {
                        return done;
                    }
                }
                let next = self.idle.next(&self.rules, self.viewers, self.now);
                match next {
                    Some(next) if next <= until => {
                        assert!(next > self.now, "the loop would spin");
                        self.now = next;
                    }
                    _ => {
                        self.now = until;
                        return done;
                    }
                }
            }
        }

        fn look(&mut self, step: Step) {
            self.looks += 1;
            if self.answers {
                self.idle.input(self.now - self.input, self.now);
            }
            if step == Step::Look {
                self.idle.cpu(self.cpu, BUSY, self.now);
            }
        }

        fn types(&mut self) {
            self.input = self.now;
        }

        /// As [`Desktop::pass`], with a processor that is used so much, looked at each second.
        fn burn(&mut self, time: Duration, hundredths: u32) -> Vec<(u64, Step)> {
            let mut done = Vec::new();
            for second in 0..time.as_secs() {
                let steps = self.pass(Duration::from_secs(1));
                done.extend(steps.into_iter().map(|(_, step)| (second / 60, step)));
                self.cpu += Duration::from_secs(1) * hundredths / 100;
            }
            done
        }
    }

    fn kinds(done: &[(u64, Step)]) -> Vec<(u64, &'static str)> {
        let kind = |step: &Step| match step {
            Step::Ask => "ask",
            Step::Look => "look",
            Step::Warn { .. } => "warn",
            Step::Withdraw => "withdraw",
            Step::Freeze => "freeze",
            Step::Stop { .. } => "stop",
        };
        done.iter().map(|(at, step)| (*at, kind(step))).collect()
    }

    #[test]
    fn who_does_nothing_is_warned_frozen_and_ended_in_turn() {
        let mut desktop = Desktop::new();
        let began = desktop.now;
        let done = desktop.pass(100 * MINUTE);
        assert_eq!(kinds(&done), [(10, "warn"), (20, "freeze"), (60, "stop")]);
        let (next, when) = (IdleStep::Freeze, began + 20 * MINUTE);
        assert_eq!(done[0].1, Step::Warn { next, when });
        assert_eq!(
            done[2].1,
            Step::Stop {
                unused: 60 * MINUTE
            }
        );
        assert!(desktop.looks < 8, "{} looks", desktop.looks);
    }

    #[test]
    fn without_rules_nothing_is_asked_and_nothing_happens() {
        let mut desktop = Desktop::new();
        desktop.rules = config::Idle {
            warn_after: None,
            freeze_after: None,
            stop_after: None,
            ..desktop.rules
        };
        assert_eq!(desktop.pass(10_000 * MINUTE), []);
        assert_eq!(desktop.looks, 0);
    }

    #[test]
    fn input_is_found_when_a_time_has_come_and_begins_the_time_anew() {
        let mut desktop = Desktop::new();
        assert_eq!(desktop.pass(9 * MINUTE), []);
        desktop.types();
        assert_eq!(desktop.looks, 0, "nobody asks before it matters");
        let done = desktop.pass(30 * MINUTE);
        assert_eq!(kinds(&done), [(10, "warn"), (20, "freeze")]);
    }

    #[test]
    fn a_warning_is_withdrawn_by_use_and_comes_once_a_stretch() {
        let mut desktop = Desktop::new();
        desktop.viewers = 1;
        let done = desktop.pass(15 * MINUTE);
        let next = IdleStep::Stop;
        assert!(matches!(done[..], [(10, Step::Warn { next: told, .. })] if told == next));
        desktop.types();
        let done = desktop.pass(9 * MINUTE);
        assert_eq!(
            kinds(&done),
            [(0, "withdraw")],
            "within seconds of the input"
        );
        let done = desktop.pass(5 * MINUTE);
        assert_eq!(kinds(&done), [(1, "warn")]);
        desktop.idle.used(desktop.now);
        assert_eq!(kinds(&desktop.pass(MINUTE)), [(0, "withdraw")]);
    }

    #[test]
    fn nothing_is_frozen_while_somebody_watches_and_it_is_ended_all_the_same() {
        let mut desktop = Desktop::new();
        desktop.viewers = 1;
        let done = desktop.pass(100 * MINUTE);
        assert_eq!(kinds(&done), [(10, "warn"), (60, "stop")]);
        assert!(desktop.looks < 700, "{} looks", desktop.looks);
    }

    #[test]
    fn a_busy_processor_is_a_sign_of_life_and_a_ticking_clock_is_none() {
        let mut desktop = Desktop::new();
        assert_eq!(desktop.burn(100 * MINUTE, 8), []);
        let done = desktop.burn(61 * MINUTE, 2);
        assert_eq!(kinds(&done).last(), Some(&(60, "stop")));
    }

    #[test]
    fn a_job_that_began_just_now_is_seen() {
        let mut desktop = Desktop::new();
        let almost = Duration::from_secs(20 * 60 - 2);
        assert_eq!(kinds(&desktop.burn(almost, 0)), [(10, "warn")]);
        let done = desktop.burn(30 * MINUTE, 100);
        assert_eq!(kinds(&done), [(0, "withdraw")]);
    }

    #[test]
    fn a_desktop_whose_clock_does_not_answer_is_left_alone_and_seldom_asked() {
        let mut desktop = Desktop::new();
        desktop.answers = false;
        assert_eq!(desktop.pass(120 * MINUTE), []);
        assert!(desktop.looks < 250, "{} looks", desktop.looks);
        desktop.answers = true;
        assert_eq!(kinds(&desktop.pass(MINUTE)).last(), Some(&(0, "stop")));
    }

    #[test]
    fn a_thaw_begins_the_time_anew() {
        let mut desktop = Desktop::new();
        assert_eq!(
            kinds(&desktop.pass(30 * MINUTE)),
            [(10, "warn"), (20, "freeze")]
        );
        desktop.idle.thawed(desktop.now);
        let done = desktop.pass(100 * MINUTE);
        let expected = [(0, "withdraw"), (10, "warn"), (20, "freeze"), (60, "stop")];
        assert_eq!(kinds(&done), expected);
    }

    #[test]
    fn where_nothing_can_be_frozen_it_is_tried_once() {
        let mut desktop = Desktop::new();
        desktop.freezes = false;
        let done = desktop.pass(100 * MINUTE);
        assert_eq!(kinds(&done), [(10, "warn"), (20, "freeze"), (60, "stop")]);
    }

    #[test]
    fn a_launcher_that_stood_still_asks_before_it_does_anything() {
        let mut desktop = Desktop::new();
        desktop.now += 500 * MINUTE;
        desktop.types();
        desktop.now += 5 * MINUTE;
        assert_eq!(desktop.pass(4 * MINUTE), []);
        assert_eq!(kinds(&desktop.pass(2 * MINUTE)), [(1, "warn")]);
    }

    #[test]
    fn a_clock_that_claims_to_be_older_than_the_machine_is_no_error() {
        let mut desktop = Desktop::new();
        desktop.now += 15 * MINUTE;
        desktop.idle.input(Duration::MAX, desktop.now);
        desktop.idle.input(Duration::ZERO, desktop.now);
        assert_eq!(desktop.idle.since(), desktop.now);
    }

    #[test]
    fn only_the_end_can_be_wished_for() {
        let mut desktop = Desktop::new();
        desktop.rules.warn_after = None;
        desktop.rules.freeze_after = None;
        assert_eq!(kinds(&desktop.pass(100 * MINUTE)), [(60, "stop")]);
    }
}

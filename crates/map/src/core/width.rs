//! How many attempts may be under way at once.

use std::time::Duration;

use crate::options::Width;
use crate::payload::Took;

use super::learn::float;

/// Throttling: the width shrinks to this share, at most once in so long a time,
/// since what is refused together has one cause.
const SHRINK: f64 = 0.7;
const SHRINK_PAUSE: Duration = Duration::from_millis(200);
/// Functions that wait this much longer than they compute get more slots.
const WAITING: f64 = 2.0;
/// Those that hardly compute get many more at once.
const IDLING: f64 = 8.0;
/// More slots must bring this share of what they would bring to functions that only
/// wait, or they are taken back.
const WORTH: f64 = 0.6;
/// More slots mean instances that must be started, which is worth it only if what is
/// left takes so many times what starting one takes.
const STARTS: f64 = 4.0;
/// What brought nothing is tried again after a while, and then after twice as long:
/// the machine may have been busy with something else.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// Seconds in the function that a decision needs to rest on.
const LEAST_TIME: f64 = 0.005;

/// What was seen since the width was changed last.
#[derive(Debug, Clone, Copy, Default)]
struct Round {
    answers: usize,
    weight: f64,
    wall: f64,
    cpu: f64,
    beside: f64,
}

/// An answer, as far as the width is concerned.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answered {
    pub(super) weight: f64,
    pub(super) took: Took,
    /// Seconds that the attempt took beside that.
    pub(super) beside: f64,
    /// Seconds inside functions that are still to be spent.
    pub(super) left: f64,
}

#[derive(Debug)]
pub(super) struct Control {
    now: usize,
    /// What was chosen, apart from throttling.
    chosen: usize,
    begin: usize,
    most: usize,
    /// How much longer functions waited than they computed, when it was least: a busy
    /// machine makes them wait too, and more slots would make it busier.
    waits: f64,
    /// From when on more may be tried; never if None.
    growing: Option<Duration>,
    pause: Duration,
    round: Round,
    /// The width before the last growth, and weight per second then.
    before: Option<(usize, f64)>,
    shrunk: Option<Duration>,
    /// Answers since the last step back to what was chosen.
    recovered: usize,
}

impl Control {
    pub(super) fn new(width: Width) -> Self {
        let (begin, most) = match width {
            Width::Fixed(width) => (width.get(), width.get()),
            Width::Learned { cores, most } => (cores.min(most).get(), most.get()),
        };
        Self {
            now: begin,
            chosen: begin,
            begin,
            most,
            waits: f64::INFINITY,
            growing: (begin < most).then_some(Duration::ZERO),
            pause: FIRST_PAUSE,
            round: Round::default(),
            before: None,
            shrunk: None,
            recovered: 0,
        }
    }

    pub(super) fn now(&self) -> usize {
        self.now
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number of slots, which is small"
    )]
    pub(super) fn throttled(&mut self, now: Duration) {
        self.recovered = 0;
        if self
            .shrunk
            .is_none_or(|shrunk| now >= shrunk + SHRINK_PAUSE)
        {
            self.shrunk = Some(now);
            self.now = ((float(self.now as u64) * SHRINK) as usize).max(1);
            // More slots than are granted are of no use.
            self.growing = None;
            self.before = None;
        }
    }

    pub(super) fn answered(&mut self, now: Duration, answered: Answered) {
        if self.now < self.chosen {
            self.recovered += 1;
            if self.recovered >= self.now {
                self.recovered = 0;
                self.now += 1;
            }
            return;
        }
        if self.growing.is_none_or(|from| now < from) {
            return;
        }
        let round = &mut self.round;
        round.answers += 1;
        round.weight += answered.weight;
        round.wall += answered.took.wall;
        round.cpu += answered.took.cpu;
        round.beside += answered.beside;
        if round.answers >= self.now && round.wall >= LEAST_TIME {
            self.end_of_round(now, answered.left);
        }
    }

    /// Every slot had its turn: was the last growth worth it, and should there be
    /// more? Only what is measured counts, for a busy machine makes functions wait
    /// too, and more slots would make it worse.
    fn end_of_round(&mut self, now: Duration, left: f64) {
        let round = std::mem::take(&mut self.round);
        // What all slots get done in a second, if they have always something to do.
        // By the clock inside: starting instances is not what is asked about.
        let rate = round.weight * float(self.chosen as u64) / round.wall;
        let waits = round.wall / round.cpu.max(1e-6);
        self.waits = self.waits.min(waits);
        if let Some((before, then)) = self.before.take() {
            let wider = float(self.chosen as u64) / float(before as u64);
            if rate < then * (1.0 + WORTH * (wider - 1.0)) {
                self.growing = Some(now + self.pause);
                self.pause *= 2;
                self.set(before);
                return;
            }
        }
        if self.chosen == self.most {
            self.growing = None;
            return;
        }
        let wider = wider(self.begin, self.chosen, self.most, self.waits);
        let start = round.beside / float(round.answers as u64);
        if wider > self.chosen && worth_starting(left, self.chosen, start) {
            self.before = Some((self.chosen, rate));
            self.set(wider);
        }
    }

    fn set(&mut self, width: usize) {
        self.now = width;
        self.chosen = width;
    }
}

/// How wide it may be made next, if functions wait so many times longer than they
/// compute. So wide that all processors are busy, in the end.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number of slots, or the largest there is"
)]
pub(crate) fn wider(begin: usize, chosen: usize, most: usize, waits: f64) -> usize {
    if waits < WAITING {
        return chosen;
    }
    let factor = if waits < IDLING { 2 } else { 4 };
    let useful = (float(begin as u64) * waits) as usize;
    (chosen * factor).min(useful).min(most).max(chosen)
}

/// Whether so many seconds of work are worth new instances, which take so long to
/// start.
pub(crate) fn worth_starting(left: f64, width: usize, start: f64) -> bool {
    left / float(width as u64) > STARTS * start
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroUsize;

    fn learned(cores: usize, most: usize) -> Control {
        Control::new(Width::Learned {
            cores: NonZeroUsize::new(cores).unwrap(),
            most: NonZeroUsize::new(most).unwrap(),
        })
    }

    fn answered(took: Took, left: f64) -> Answered {
        Answered {
            weight: 1.0,
            took,
            beside: 0.01,
            left,
        }
    }

    /// Runs rounds in which all slots answer at once, after `wall` seconds.
    fn rounds(control: &mut Control, count: u32, wall: f64, cpu: f64, slots_that_help: usize) {
        let mut now = Duration::from_secs(1000);
        for _ in 0..count {
            let width = control.now();
            #[expect(clippy::cast_precision_loss)]
            let slower = (width as f64 / slots_that_help as f64).max(1.0);
            now += Duration::from_secs_f64(wall * slower);
            for _ in 0..width {
                let took = Took {
                    wall: wall * slower,
                    cpu,
                    codec: 0.0,
                };
                control.answered(now, answered(took, 1e6));
            }
        }
    }

    #[test]
    fn functions_that_wait_get_all_that_is_granted() {
        let mut control = learned(2, 100);
        rounds(&mut control, 10, 0.1, 0.001, 1000);
        assert_eq!(control.now(), 100);
    }

    #[test]
    fn functions_that_compute_get_a_slot_for_each_core() {
        let mut control = learned(2, 100);
        rounds(&mut control, 10, 0.1, 0.1, 2);
        assert_eq!(control.now(), 2);
    }

    #[test]
    fn slots_that_bring_nothing_are_taken_back() {
        // A busy machine: half of the time is spent waiting for a processor.
        let mut control = learned(2, 100);
        rounds(&mut control, 10, 0.1, 0.04, 2);
        assert_eq!(control.now(), 2);
    }

    #[test]
    fn a_busy_machine_does_not_make_it_ever_wider() {
        // Whoever has more processes gets a larger share; all wait for a processor.
        let mut control = learned(2, 1000);
        rounds(&mut control, 50, 0.01, 0.003, 1000);
        assert_eq!(control.now(), 6);
    }

    #[test]
    fn no_instances_are_started_for_the_last_bit() {
        let mut control = learned(2, 100);
        let took = Took {
            wall: 0.1,
            cpu: 0.001,
            codec: 0.0,
        };
        for _ in 0..10 {
            control.answered(Duration::from_secs(1), answered(took, 0.05));
        }
        assert_eq!(control.now(), 2);
    }

    #[test]
    fn throttling_makes_it_narrower_and_answers_bring_it_back() {
        let mut control = Control::new(Width::Fixed(NonZeroUsize::new(10).unwrap()));
        let second = Duration::from_secs(1);
        control.throttled(second);
        control.throttled(second);
        assert_eq!(control.now(), 7);
        control.throttled(second * 2);
        assert_eq!(control.now(), 4);
        for _ in 0..100 {
            control.answered(second * 3, answered(Took::default(), 1e6));
        }
        assert_eq!(control.now(), 10);
    }

    #[test]
    fn one_slot_always_remains() {
        let mut control = learned(1, 4);
        for second in 0..10 {
            control.throttled(Duration::from_secs(second));
        }
        assert_eq!(control.now(), 1);
    }
}

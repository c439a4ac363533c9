//! A door for models of a part without the rest of a queue. Only they have it.

use crate::convergence::Number;
use crate::fan_out;

/// How far a fan-out must go.
#[derive(Clone, Copy, Debug)]
pub struct Goal(fan_out::Goal);

/// A group being visited.
#[derive(Clone, Copy)]
#[allow(missing_debug_implementations, reason = "not for users")]
pub struct Visit(fan_out::Visit);

/// The fan-out of one lane.
#[derive(Debug)]
pub struct FanOut(fan_out::FanOut);

/// Numbers are plain ones here.
#[allow(missing_docs, reason = "each is the method of the same name")]
impl FanOut {
    pub fn new(banks: usize) -> Self {
        FanOut(fan_out::FanOut::new(banks))
    }

    pub fn raise(&self) -> Goal {
        Goal(self.0.raise())
    }

    pub fn numbered(&self, number: Option<usize>, now: impl Fn() -> usize) {
        self.0.numbered(number.map(Number::from_word), || Number::from_word(now()));
    }

    pub fn is_pending(&self) -> bool {
        self.0.is_pending()
    }

    pub fn has_reached(&self, goal: Goal) -> bool {
        self.0.has_reached(goal.0)
    }

    pub fn settled(&self, now: impl Fn() -> usize) -> Option<usize> {
        self.0.settled(|| Number::from_word(now())).map(Number::word)
    }

    pub fn newest_pending(&self, now: impl Fn() -> usize) -> Option<usize> {
        self.0.newest_pending(|| Number::from_word(now())).map(Number::word)
    }

    pub fn visit(&self) -> Option<Visit> {
        self.0.visit().map(Visit)
    }

    pub fn end(&self, visit: Visit) {
        self.0.end(visit.0);
    }
}

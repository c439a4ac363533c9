//! A door for models of a part without the rest of a queue. Only they have it.

use crate::convergence::Seq;
use crate::fan_out;

/// The fan-out of one lane.
#[derive(Debug)]
pub struct FanOut(fan_out::FanOut);

/// Numbers are plain ones here.
#[allow(missing_docs, reason = "each is the method of the same name")]
impl FanOut {
    pub fn new(banks: usize) -> Self {
        FanOut(fan_out::FanOut::new(banks))
    }

    pub fn raise(&self, number: usize) {
        self.0.raise(Seq::from_word(number));
    }

    pub fn is_pending(&self) -> bool {
        self.0.is_pending()
    }

    pub fn is_pending_or_seen(&self) -> bool {
        self.0.is_pending_or_seen()
    }

    pub fn newest(&self) -> usize {
        self.0.newest().word()
    }

    pub fn begin(&self) -> Option<usize> {
        self.0.begin()
    }

    pub fn end(&self) {
        self.0.end();
    }
}

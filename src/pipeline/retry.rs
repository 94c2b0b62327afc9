//! How long to wait before the next attempt: a pure rule.

use std::time::Duration;

/// The first delay.
const FIRST: Duration = Duration::from_millis(250);

/// Doubles from a quarter of a second up to a longest delay.
#[derive(Debug, Clone)]
pub struct Backoff {
    next: Duration,
    longest: Duration,
}

impl Backoff {
    /// Never waits longer than `longest`.
    #[must_use]
    pub fn new(longest: Duration) -> Self {
        Self { next: FIRST.min(longest), longest }
    }

    /// The next delay.
    pub fn next_delay(&mut self) -> Duration {
        let delay = self.next;
        self.next = delay.saturating_mul(2).min(self.longest);
        delay
    }

    /// The last attempt got somewhere: begin with short delays again.
    pub fn reset(&mut self) {
        self.next = FIRST.min(self.longest);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_longest_and_begin_again_after_a_success() {
        let mut backoff = Backoff::new(Duration::from_secs(1));
        let millis: Vec<_> = (0..5).map(|_| backoff.next_delay().as_millis()).collect();
        assert_eq!(millis, [250, 500, 1000, 1000, 1000]);
        backoff.reset();
        assert_eq!(backoff.next_delay().as_millis(), 250);
        assert_eq!(Backoff::new(Duration::from_millis(100)).next_delay().as_millis(), 100);
    }
}

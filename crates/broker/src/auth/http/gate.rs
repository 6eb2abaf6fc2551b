//! How many ask at once, and what happens when there is no answer.
//!
//! The threads that ask also hash passwords. A server that does not answer shall not hold them all for its timeout again and
//! again: for a moment nobody asks it then, and after that one at a time until it answers.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long nobody asks after a question without an answer.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Gate {
    most: usize,
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// How many ask.
    busy: usize,
    /// The last question had no answer; the next one may be asked from this moment on.
    again: Option<Instant>,
}

/// The turn of one who asks.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    gate: &'a Gate,
    answered: bool,
}

impl Gate {
    pub(super) fn new(most: usize) -> Self {
        Self { most: most.max(1), state: Mutex::default(), freed: Condvar::new() }
    }

    /// Waits for a turn, not longer than up to the deadline. None if there is no use in asking.
    pub(super) fn enter(&self, deadline: Instant) -> Option<Turn<'_>> {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            if let Some(again) = state.again {
                if state.busy > 0 || now < again {
                    return None;
                }
                break;
            }
            if state.busy < self.most {
                break;
            }
            let left = deadline.checked_duration_since(now).filter(|left| !left.is_zero())?;
            state = self.freed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.busy += 1;
        Some(Turn { gate: self, answered: false })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    /// Ends it; whether there was an answer.
    pub(super) fn end(mut self, answered: bool) {
        self.answered = answered;
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.gate.lock();
        state.busy -= 1;
        state.again = (!self.answered).then(|| Instant::now() + PAUSE);
        drop(state);
        self.gate.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn who_comes_when_all_are_busy_waits_for_a_turn() {
        let gate = Gate::new(2);
        let (one, two) = (gate.enter(later()).unwrap(), gate.enter(later()).unwrap());
        assert!(gate.enter(Instant::now()).is_none(), "there is no time to wait");
        thread::scope(|scope| {
            let third = scope.spawn(|| gate.enter(later()).map(|turn| turn.end(true)).is_some());
            one.end(true);
            assert!(third.join().unwrap());
        });
        two.end(true);
        assert_eq!(gate.lock().busy, 0);
    }

    #[test]
    fn after_silence_nobody_asks_for_a_moment_and_then_one_at_a_time() {
        let gate = Gate::new(4);
        let slow = gate.enter(later()).unwrap();
        gate.enter(later()).unwrap().end(false);
        assert!(gate.enter(later()).is_none(), "it has just not answered");
        gate.lock().again = Some(Instant::now());
        assert!(gate.enter(later()).is_none(), "one still asks");
        slow.end(false);
        gate.lock().again = Some(Instant::now());
        let probe = gate.enter(later()).unwrap();
        assert!(gate.enter(later()).is_none(), "one is enough to find out");
        probe.end(true);
        let turns: Vec<_> = (0..4).filter_map(|_| gate.enter(later())).collect();
        assert_eq!(turns.len(), 4, "it answers again");
    }

    #[test]
    fn who_waits_is_told_of_the_silence_at_once() {
        let gate = Gate::new(1);
        let turn = gate.enter(later()).unwrap();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| gate.enter(later()).is_none());
            turn.end(false);
            assert!(waiting.join().unwrap());
        });
    }
}

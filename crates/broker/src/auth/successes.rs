//! What was right a moment ago.

use super::encoding::random;
use ring::hmac;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Stands for a login. Nobody who reads the memory of the server finds a password in it, or can look for one without the key.
pub(super) type Key = [u8; 32];

/// Logins that were right, for a short time. It is forgotten as a whole when its generation changes.
pub(super) struct Successes<T> {
    secret: hmac::Key,
    most: usize,
    life: Duration,
    flushes: AtomicU64,
    known: Mutex<Known<T>>,
}

struct Known<T> {
    generation: u64,
    /// When each is forgotten, and what it was.
    until: HashMap<Key, (Instant, T)>,
    /// In the order in which they are forgotten.
    order: VecDeque<Key>,
}

impl<T: Clone> Successes<T> {
    /// With a key of its own. None if the system gives no random numbers.
    pub(super) fn new(most: usize, life: Duration) -> Option<Self> {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, &random::<32>()?);
        Some(Self { secret, most, life, flushes: AtomicU64::new(0), known: Mutex::new(Known::new(0)) })
    }

    /// The key for a login of these parts.
    pub(super) fn key(&self, parts: &[&[u8]]) -> Key {
        let mut context = hmac::Context::with_key(&self.secret);
        for part in parts {
            context.update(&part.len().to_le_bytes());
            context.update(part);
        }
        let mut key = [0; 32];
        key.copy_from_slice(context.sign().as_ref());
        key
    }

    /// A number that stands for these bytes, always the same one in this run, that nobody can foretell.
    pub(super) fn number_of(&self, bytes: &[u8]) -> usize {
        let mut number = [0; size_of::<usize>()];
        number.copy_from_slice(&self.key(&[bytes, b"number"])[..size_of::<usize>()]);
        usize::from_le_bytes(number)
    }

    /// The generation of what comes from sources of this generation.
    pub(super) fn generation(&self, sources: u64) -> u64 {
        sources + self.flushes.load(Ordering::SeqCst)
    }

    /// Begins another generation.
    pub(super) fn flush(&self) {
        self.flushes.fetch_add(1, Ordering::SeqCst);
    }

    /// What it was, if it was right, not longer than its life ago, and nothing has changed.
    pub(super) fn get(&self, key: &Key, generation: u64, now: Instant) -> Option<T> {
        let known = self.lock(generation)?;
        known.until.get(key).filter(|(until, _)| *until > now).map(|(_, value)| value.clone())
    }

    /// It was right, when it was looked at in this generation.
    pub(super) fn add(&self, key: Key, value: T, generation: u64, now: Instant) {
        let Some(mut known) = self.lock(generation) else { return };
        known.forget(now);
        if known.until.contains_key(&key) {
            return;
        }
        if known.order.len() >= self.most
            && let Some(first) = known.order.pop_front()
        {
            known.until.remove(&first);
        }
        known.until.insert(key, (now + self.life, value));
        known.order.push_back(key);
    }

    /// What is known in this generation; none if it is over.
    fn lock(&self, generation: u64) -> Option<MutexGuard<'_, Known<T>>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if generation > known.generation {
            *known = Known::new(generation);
        }
        (generation == known.generation).then_some(known)
    }
}

impl<T> Known<T> {
    fn new(generation: u64) -> Self {
        Self { generation, until: HashMap::new(), order: VecDeque::new() }
    }

    fn forget(&mut self, now: Instant) {
        while let Some(first) = self.order.front() {
            if self.until.get(first).is_some_and(|(until, _)| *until > now) {
                return;
            }
            self.until.remove(first);
            self.order.pop_front();
        }
    }
}

impl<T> fmt::Debug for Successes<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Successes")
            .field("most", &self.most)
            .field("life", &self.life)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Duration = Duration::from_secs(10);

    fn successes(most: usize) -> Successes<()> {
        Successes::new(most, LIFE).unwrap()
    }

    #[test]
    fn a_success_is_known_for_its_life() {
        let (successes, start) = (successes(8), Instant::now());
        let key = successes.key(&[b"ann", b"secret"]);
        assert!(successes.get(&key, 0, start).is_none());
        successes.add(key, (), 0, start);
        successes.add(key, (), 0, start + LIFE / 2);
        assert!(successes.get(&key, 0, start + LIFE - Duration::from_nanos(1)).is_some());
        assert!(successes.get(&key, 0, start + LIFE).is_none(), "the second time has not prolonged it");
        successes.add(key, (), 0, start + LIFE);
        assert!(successes.get(&key, 0, start + LIFE).is_some());
    }

    #[test]
    fn each_login_has_a_key_of_its_own_in_each_run() {
        let one = successes(8);
        let keys = [one.key(&[b"ab", b"c"]), one.key(&[b"a", b"bc"]), one.key(&[b"ab", b"c", b""])];
        assert!(keys[0] != keys[1] && keys[0] != keys[2] && keys[1] != keys[2]);
        assert_eq!(one.key(&[b"ab", b"c"]), keys[0]);
        assert_ne!(successes(8).key(&[b"ab", b"c"]), keys[0]);
        assert_eq!(one.number_of(b"ann"), one.number_of(b"ann"));
    }

    #[test]
    fn a_change_forgets_all_also_what_was_under_way() {
        let (successes, now) = (successes(8), Instant::now());
        let (ann, bob) = (successes.key(&[b"ann"]), successes.key(&[b"bob"]));
        successes.add(ann, (), 0, now);
        assert!(successes.get(&ann, 1, now).is_none(), "the users have changed");
        successes.add(bob, (), 0, now);
        assert!(
            successes.get(&bob, 0, now).is_none() && successes.get(&bob, 1, now).is_none(),
            "it was looked at before that"
        );
        successes.add(bob, (), 1, now);
        assert!(successes.get(&bob, 1, now).is_some());
    }

    #[test]
    fn the_oldest_goes_when_there_is_no_room() {
        let (successes, now) = (successes(3), Instant::now());
        let keys: Vec<_> = (0..100_u8).map(|number| successes.key(&[&[number]])).collect();
        for key in &keys {
            successes.add(*key, (), 0, now);
        }
        let known = keys.iter().filter(|key| successes.get(key, 0, now).is_some()).count();
        assert!(known == 3 && keys[97..].iter().all(|key| successes.get(key, 0, now).is_some()));
        let known = successes.lock(0).unwrap();
        assert_eq!((known.until.len(), known.order.len()), (3, 3));
    }
}

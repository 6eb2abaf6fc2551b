use crate::topics::order::Order;
use proptest::prelude::{ProptestConfig, prop, prop_assert_eq, proptest};
use std::collections::BTreeMap;
use std::string::String;
use std::vec::Vec;
use std::{format, vec};

/// Slots are numbers, keys their decimal digits behind a common beginning: of different length, and one often the
/// beginning of another.
struct Both {
    keys: Vec<String>,
    order: Order,
    reference: BTreeMap<Vec<u8>, u32>,
}

impl Both {
    fn new(beginning: &str) -> Both {
        let keys = (0..30_000).map(|slot| format!("{beginning}{slot}")).collect();
        Both { keys, order: Order::default(), reference: BTreeMap::new() }
    }

    fn key(&self, slot: u32) -> &[u8] {
        self.keys[slot as usize].as_bytes()
    }

    fn insert(&mut self, slot: u32) {
        let key = self.key(slot).to_vec();
        if self.reference.insert(key, slot).is_none() {
            self.order.insert(slot, |slot| self.keys[slot as usize].as_bytes());
        }
    }

    /// Removes the first slot whose key is not before that of `slot`.
    fn remove_from(&mut self, slot: u32) {
        let key = self.key(slot).to_vec();
        let found = self.reference.range(key..).next().or(self.reference.first_key_value());
        let (key, slot) = found.map(|(key, slot)| (key.clone(), *slot)).unwrap();
        self.order.remove(slot, |slot| self.keys[slot as usize].as_bytes());
        self.reference.remove(&key);
    }

    fn slots(&self, from: u32) -> Vec<u32> {
        let mut place = self.order.seek(self.key(from), |slot| self.key(slot));
        let mut slots = Vec::new();
        while let Some(slot) = self.order.get(place) {
            slots.push(slot);
            place = self.order.next(place);
        }
        slots
    }

    fn expected(&self, from: u32) -> Vec<u32> {
        self.reference.range(self.key(from).to_vec()..).map(|(_, slot)| *slot).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn slots_stay_in_order_whatever_comes_and_goes(
        sizes in prop::collection::vec((0..3000_usize, 0..4_u32), 1..6),
        targets in prop::collection::vec(0..30_000_u32, 6),
        beginning in prop::sample::select(vec!["", "a/long/beginning/"]),
    ) {
        let mut both = Both::new(beginning);
        for (size, way) in sizes {
            // Keys come in ascending, descending and mixed order, and leave from anywhere.
            for step in 0_u32.. {
                let slot = match way {
                    0 => step % 30_000,
                    1 => 29_999 - step % 30_000,
                    2 => 10_000 + step % 20_000,
                    _ => step.wrapping_mul(7919) % 30_000,
                };
                match both.reference.len() {
                    len if len < size => both.insert(slot),
                    len if len > size => both.remove_from(slot),
                    _ => break,
                }
            }
            prop_assert_eq!(both.slots(0), both.expected(0));
            let mut place = both.order.seek(b"", |slot| both.key(slot));
            let mut targets = targets.clone();
            targets.sort_by_key(|&slot| both.key(slot).to_vec());
            for target in targets {
                prop_assert_eq!(both.slots(target), both.expected(target));
                if both.order.get(place).is_some_and(|slot| both.key(slot) < both.key(target)) {
                    place = both.order.seek_onward(place, both.key(target), |slot| both.key(slot));
                    prop_assert_eq!(both.order.get(place), both.expected(target).first().copied());
                }
            }
        }
    }
}

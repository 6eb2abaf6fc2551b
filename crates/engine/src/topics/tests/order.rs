use crate::topics::order::Order;
use proptest::prelude::{prop, prop_assert_eq, proptest};
use std::collections::BTreeSet;
use std::vec::Vec;

/// Slots that are their own keys.
fn slots(order: &Order, from: u32) -> Vec<u32> {
    let mut place = order.seek(|slot| slot.cmp(&from));
    let mut slots = Vec::new();
    while let Some(slot) = order.get(place) {
        slots.push(slot);
        place = order.next(place);
    }
    slots
}

proptest! {
    #[test]
    fn slots_stay_in_order_whatever_comes_and_goes(
        sizes in prop::collection::vec((0..3000_usize, 0..4_u32), 1..6),
        steps in prop::collection::vec(0..6000_u32, 4)
    ) {
        let mut order = Order::default();
        let mut reference = BTreeSet::new();
        for (size, way) in sizes {
            // Keys come in ascending, descending and mixed order, and leave from either end or the middle.
            for step in 0_u32.. {
                let key = match way {
                    0 => step,
                    1 => 20_000 - step % 20_000,
                    _ => step.wrapping_mul(7919) % 20_011,
                };
                if reference.len() < size {
                    if reference.insert(key) {
                        order.insert(key, |slot| slot.cmp(&key));
                    }
                } else if reference.len() > size {
                    let key = *reference.range(key % 20_000..).next().or(reference.first()).unwrap();
                    reference.remove(&key);
                    order.remove(key, |slot| slot.cmp(&key));
                } else {
                    break;
                }
            }
            prop_assert_eq!(slots(&order, 0), reference.iter().copied().collect::<Vec<_>>());
            let mut place = order.seek(|slot| slot.cmp(&0));
            let mut at = 0;
            for step in &steps {
                let Some(current) = order.get(place) else { break };
                at = current.max(at) + step;
                if at == current {
                    continue;
                }
                place = order.seek_onward(place, |slot| slot.cmp(&at));
                prop_assert_eq!(order.get(place), reference.range(at..).next().copied());
            }
            prop_assert_eq!(slots(&order, at), reference.range(at..).copied().collect::<Vec<_>>());
        }
    }
}

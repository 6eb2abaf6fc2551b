use crate::topics::table::Table;
use proptest::prelude::{prop, prop_assert_eq, proptest};
use std::collections::BTreeMap;
use std::vec;

proptest! {
    #[test]
    fn ids_are_found_whatever_collides_comes_and_goes(
        changes in prop::collection::vec((0..400_u32, 0..5_u32), 0..1500),
        spread in prop::sample::select(vec![1_u32, 3, 16, 0x9E37_79B1]),
    ) {
        let mut table = Table::default();
        let mut reference = BTreeMap::new();
        for (id, kind) in changes {
            // Several ids have the same hash, and many neighbouring ones.
            let hash = (id / 3).wrapping_mul(spread);
            if reference.remove(&id).is_some() {
                table.remove(hash, id);
            } else if kind > 0 {
                table.insert(hash, id);
                reference.insert(id, hash);
            } else {
                table.remove(hash, id);
            }
        }
        for id in 0..400_u32 {
            let hash = (id / 3).wrapping_mul(spread);
            prop_assert_eq!(table.find(hash, |other| other == id), reference.contains_key(&id).then_some(id));
        }
        for (id, hash) in reference {
            table.remove(hash, id);
        }
        prop_assert_eq!(table.is_empty(), true);
    }
}

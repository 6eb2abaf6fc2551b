//! Packet identifiers received with QoS 2 and not yet released.

use alloc::vec::Vec;
use darter_codec::PacketId;

/// The set of QoS 2 packet identifiers between PUBLISH and PUBREL (section 4.3.3, method A).
#[derive(Debug, Default)]
pub struct IncomingIds {
    sorted: Vec<PacketId>,
}

impl IncomingIds {
    /// Records an identifier. False when it was there already: the PUBLISH is a repetition [MQTT-4.3.3-10].
    pub fn insert(&mut self, id: PacketId) -> bool {
        match self.sorted.binary_search(&id) {
            Ok(_) => false,
            Err(place) => {
                self.sorted.insert(place, id);
                true
            }
        }
    }

    /// PUBREL arrived: forgets the identifier. False when it was not there.
    pub fn release(&mut self, id: PacketId) -> bool {
        match self.sorted.binary_search(&id) {
            Ok(place) => {
                self.sorted.remove(place);
                if self.sorted.is_empty() && self.sorted.capacity() > 64 {
                    self.sorted = Vec::new();
                }
                true
            }
            Err(_) => false,
        }
    }

    /// True while the identifier waits for its PUBREL.
    #[must_use]
    pub fn contains(&self, id: PacketId) -> bool {
        self.sorted.binary_search(&id).is_ok()
    }

    /// How many identifiers wait for PUBREL.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sorted.len()
    }

    /// True when none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    /// Forgets all of them.
    pub fn clear(&mut self) {
        self.sorted = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_identifier_is_recognized_until_its_release() {
        let mut ids = IncomingIds::default();
        let seven = PacketId::new(7).unwrap();
        assert!(ids.insert(seven));
        assert!(!ids.insert(seven));
        assert!(ids.contains(seven));
        assert!(ids.release(seven));
        assert!(!ids.release(seven));
        assert!(ids.insert(seven));
        assert_eq!(ids.len(), 1);
    }
}

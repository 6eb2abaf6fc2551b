//! Who is in the fleet.

use std::time::{Duration, Instant};

use darter_codec::{QoS, Version};
use darter_session::client::Options;

use super::{ABSENCE, Fleet, Member};
use crate::client::{Client, Manner};
use crate::message::{Lane, Stream};
use crate::role::{Mortal, Probe, Publisher, Role, Subscriber, Visitor, Wish};

/// Publishers, numbered from 0.
pub(super) const PUBLISHERS: u16 = 6;
/// Visitors at the same time.
const VISITORS: u32 = 3;
/// Streams of wills, each with one client at a time; no publisher has these numbers.
const WILLS: std::ops::Range<u16> = 90..93;

impl Fleet {
    /// Everybody who is there from the start.
    pub(super) fn cast(&mut self) {
        self.add_publishers();
        self.add_subscribers();
        for _ in 0..VISITORS {
            let member = self.visitor();
            self.members.push(member);
        }
        for number in WILLS {
            let member = self.mortal(number);
            self.members.push(member);
        }
        let member = self.member("probe", Role::Probe(Probe::default()), Manner::passing(Version::V5));
        self.members.push(Member { rude: false, ..member });
    }

    fn add_publishers(&mut self) {
        for number in 0..PUBLISHERS {
            let version = if number % 2 == 0 { Version::V5 } else { Version::V311 };
            let (rate, most) = (200.0 + 60.0 * f64::from(number), usize::from(4 + 5 * number));
            let role = Role::Publisher(Publisher::new(number, rate, most, self.epoch));
            let member = self.member(&format!("publisher-{number}"), role, Manner::persistent(version));
            self.members.push(member);
        }
    }

    fn add_subscribers(&mut self) {
        let (one, two) = (QoS::AtLeastOnce, QoS::ExactlyOnce);
        let lasting = Wish::lasting;
        // Filters of one subscriber never overlap, so that a message reaches it by one of them alone.
        let wishes = [
            vec![lasting("load/#", two)],
            vec![lasting("load/#", one)],
            vec![lasting("load/once/+", one), lasting("load/exactly/+", two)],
            vec![lasting("load/exactly/+", two), lasting("load/exactly-retained/+", two)],
            vec![lasting("load/+/0", two), lasting("load/+/1", two)],
            vec![lasting("load/exactly/2", two), Wish::fickle("load/+/3", two)],
            vec![Wish::fickle("load/exactly/+", two), Wish::fickle("load/once-retained/+", two)],
            vec![lasting("load/+/4", two), lasting("load/once/5", one), lasting("load/will/+", one)],
            // The last two are the members of one shared subscription for each of these filters.
            vec![lasting("$share/pair/load/once/+", one), lasting("$share/pair/load/exactly/+", two)],
            vec![lasting("$share/pair/load/once/+", one), lasting("$share/pair/load/exactly/+", two)],
        ];
        for (number, mut wishes) in wishes.into_iter().enumerate() {
            wishes.push(lasting("mark/#", one));
            let version = if number % 2 == 0 { Version::V5 } else { Version::V311 };
            let receive_maximum = [None, None, None, None, Some(5)].get(number).copied().flatten();
            let manner = Manner { receive_maximum, ..Manner::persistent(version) };
            let lazy = matches!(number, 2 | 3 | 9);
            let role = Role::Subscriber(Subscriber::new(wishes, lazy));
            // Asking for a new session and keeping it is possible in version 5 only.
            let renews = number == 6;
            let member = self.member(&format!("subscriber-{number}"), role, manner);
            self.members.push(Member { renews, ..member });
        }
    }

    /// Somebody new.
    pub(super) fn visitor(&mut self) -> Member {
        self.visits += 1;
        let version = if self.visits.is_multiple_of(2) { Version::V5 } else { Version::V311 };
        let role = Role::Visitor(Visitor::default());
        let member = self.member(&format!("visitor-{}", self.visits), role, Manner::passing(version));
        let opens = Instant::now() + Duration::from_millis(self.dice.below(ABSENCE));
        Member { opens, ..member }
    }

    /// Somebody new with a will on the stream of this number.
    pub(super) fn mortal(&mut self, number: u16) -> Member {
        let id = self.ledger.next(Stream { publisher: number, lane: Lane::Will });
        let name = format!("mortal-{number}-{}", id.sequence);
        let version = if id.sequence.is_multiple_of(2) { Version::V5 } else { Version::V311 };
        let (mortal, manner) = (Mortal::new(id), Manner::passing(version));
        let options = Options { will: Some(mortal.will()), ..manner.options(&name) };
        let client = Client::new(name.clone(), options, self.epoch);
        let opens = Instant::now() + Duration::from_millis(self.dice.below(ABSENCE));
        Member { client, opens, ..self.member(&name, Role::Mortal(mortal), manner) }
    }

    /// A client that may be rude.
    pub(super) fn member(&self, name: &str, role: Role, manner: Manner) -> Member {
        let client = Client::new(name.to_owned(), manner.options(name), self.epoch);
        let now = Instant::now();
        Member {
            client,
            role,
            manner,
            away: false,
            rude: true,
            hasty: false,
            renews: false,
            opens: now,
            answered: now,
            moved: false,
        }
    }
}

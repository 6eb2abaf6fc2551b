//! All clients of a run on one thread, around a poller.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use darter_codec::{QoS, Version};
use darter_session::client::{End, Event};
use mio::{Events, Poll, Token};

use crate::client::{Client, Manner};
use crate::dice::Dice;
use crate::ledger::{Fault, Ledger};
use crate::role::{Inspector, Probe, Publisher, Role, Scene, Subscriber, Visitor, Wish};
use crate::trace::Trace;

/// Time between two looks at the clock.
const TICK: Duration = Duration::from_millis(2);
/// How long a connected client may wait without any answer.
pub(crate) const STALL: Duration = Duration::from_secs(10);
/// After a fault of the disk a client that gets no answer for so long connects again.
const IMPATIENCE: Duration = Duration::from_millis(700);
/// A disk that was at fault counts as mended when nothing was refused for so long.
const CALM: Duration = Duration::from_millis(250);
/// The longest time between a rude end and the next connection, in milliseconds.
const ABSENCE: u64 = 150;
/// Publishers, numbered from 0.
pub(crate) const PUBLISHERS: u16 = 6;
/// Visitors at the same time.
const VISITORS: u32 = 3;

/// Every client, and the ledger that they write into.
pub(crate) struct Fleet {
    /// The judge.
    pub(crate) ledger: Ledger,
    /// Chance.
    pub(crate) dice: Dice,
    members: Vec<Member>,
    poll: Poll,
    events: Events,
    buffer: Vec<u8>,
    epoch: Instant,
    visits: u32,
    trace: Option<Trace>,
    address: Option<SocketAddr>,
    load: bool,
    excused: bool,
    /// Clients that are left without an answer connect again.
    impatient: bool,
    /// Refusals so far, and the last time that one came.
    refused: u64,
    calm_since: Instant,
}

struct Member {
    client: Client,
    role: Role,
    manner: Manner,
    /// Away for this cycle.
    away: bool,
    /// May end its connection whenever it likes.
    rude: bool,
    /// Begins a new session now and then.
    renews: bool,
    /// Not before this.
    opens: Instant,
    /// The last answer, or the moment since when there was nothing to wait for.
    answered: Instant,
    /// An answer has come since a fault of the disk began or ended.
    moved: bool,
}

impl Fleet {
    /// The fleet of a run. Everything that is left to chance follows from the seed.
    ///
    /// # Errors
    /// When the system gives no poller.
    pub(crate) fn new(seed: u64) -> io::Result<Self> {
        let mut fleet = Self {
            ledger: Ledger::default(),
            dice: Dice::new(seed),
            members: Vec::new(),
            poll: Poll::new()?,
            events: Events::with_capacity(256),
            buffer: vec![0; 256 * 1024],
            epoch: Instant::now(),
            visits: 0,
            trace: None,
            address: None,
            load: false,
            excused: false,
            impatient: false,
            refused: 0,
            calm_since: Instant::now(),
        };
        fleet.add_publishers();
        fleet.add_subscribers();
        for _ in 0..VISITORS {
            let member = fleet.visitor();
            fleet.members.push(member);
        }
        let probe = Role::Probe(Probe::default());
        let manner = Manner::passing(Version::V5);
        let member = fleet.member("probe", probe, manner);
        fleet.members.push(Member { rude: false, ..member });
        Ok(fleet)
    }

    /// Writes down what one client sends and receives.
    pub(crate) fn set_trace(&mut self, trace: Trace) {
        self.trace = Some(trace);
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
            vec![lasting("load/+/4", two), lasting("load/once/5", one)],
        ];
        for (number, mut wishes) in wishes.into_iter().enumerate() {
            wishes.push(lasting("mark/#", one));
            let version = if number % 2 == 0 { Version::V5 } else { Version::V311 };
            let receive_maximum = [None, None, None, None, Some(5)].get(number).copied().flatten();
            let manner = Manner { receive_maximum, ..Manner::persistent(version) };
            let lazy = matches!(number, 2 | 3);
            let role = Role::Subscriber(Subscriber::new(wishes, lazy));
            // Asking for a new session and keeping it is possible in version 5 only.
            let renews = number == 6;
            let member = self.member(&format!("subscriber-{number}"), role, manner);
            self.members.push(Member { renews, ..member });
        }
    }

    fn visitor(&mut self) -> Member {
        self.visits += 1;
        let version = if self.visits.is_multiple_of(2) { Version::V5 } else { Version::V311 };
        let role = Role::Visitor(Visitor::default());
        let member = self.member(&format!("visitor-{}", self.visits), role, Manner::passing(version));
        let opens = Instant::now() + Duration::from_millis(self.dice.below(ABSENCE));
        Member { opens, ..member }
    }

    fn member(&self, name: &str, role: Role, manner: Manner) -> Member {
        let client = Client::new(name.to_owned(), manner.options(name), self.epoch);
        let now = Instant::now();
        Member {
            client,
            role,
            manner,
            away: false,
            rude: true,
            renews: false,
            opens: now,
            answered: now,
            moved: false,
        }
    }

    /// The server listens: everybody who is not away connects.
    pub(crate) fn arrive(&mut self, address: SocketAddr) {
        self.address = Some(address);
        let now = Instant::now();
        for member in &mut self.members {
            member.opens = now;
        }
    }

    /// Some subscribers stay away until told otherwise; returns how many.
    pub(crate) fn send_away(&mut self, one_in: u64) -> usize {
        let mut away = 0;
        for member in &mut self.members {
            member.away = matches!(member.role, Role::Subscriber(_)) && self.dice.once_in(one_in);
            away += usize::from(member.away);
        }
        away
    }

    /// Everybody comes.
    pub(crate) fn call_back(&mut self) {
        self.members.iter_mut().for_each(|member| member.away = false);
    }

    /// Whether there are new messages, changes and rude clients.
    pub(crate) fn set_load(&mut self, load: bool) {
        self.load = load;
    }

    /// A fault of the disk excuses refusals and lost connections; after it clients may become impatient.
    pub(crate) fn set_fault(&mut self, excused: bool, impatient: bool) {
        (self.excused, self.impatient) = (excused, impatient);
        let now = Instant::now();
        self.calm_since = now;
        self.members.iter_mut().for_each(|member| (member.answered, member.moved) = (now, false));
    }

    /// Whether every publisher has had an acknowledgement, and nobody a refusal, for [`CALM`] since the last change of
    /// [`Self::set_fault`]: answers from before may still be on their way.
    pub(crate) fn has_recovered(&mut self) -> bool {
        let now = Instant::now();
        let refused = self.ledger.counts().refused;
        if refused != self.refused {
            (self.refused, self.calm_since) = (refused, now);
        }
        if now.duration_since(self.calm_since) < CALM {
            self.members.iter_mut().for_each(|member| member.moved = false);
            return false;
        }
        self.members.iter().all(|member| member.moved || !matches!(member.role, Role::Publisher(_)))
    }

    /// Asks the probe for a proof that QoS 0 flows.
    pub(crate) fn ask_probe(&mut self) {
        self.members.iter_mut().for_each(|member| {
            if let Role::Probe(probe) = &mut member.role {
                probe.ask();
            }
        });
    }

    /// Whether the proof has come.
    pub(crate) fn probe_is_answered(&self) -> bool {
        self.members.iter().all(|member| match &member.role {
            Role::Probe(probe) => probe.is_answered(),
            _ => true,
        })
    }

    /// One message for every persistent subscriber.
    pub(crate) fn mark(&mut self) {
        let number = self.dice.below(u64::from(PUBLISHERS));
        let index = usize::try_from(number).unwrap_or(0);
        if let Some(Member { client, role: Role::Publisher(publisher), .. }) = self.members.get_mut(index) {
            let mut scene = Scene {
                ledger: &mut self.ledger,
                dice: &mut self.dice,
                now: Instant::now(),
                load: self.load,
                excused: self.excused,
            };
            publisher.mark(client, &mut scene);
        }
    }

    /// Sends an inspector.
    pub(crate) fn inspect(&mut self) {
        let role = Role::Inspector(Inspector::default());
        let member = self.member("inspector", role, Manner::passing(Version::V5));
        self.members.push(Member { rude: false, ..member });
    }

    /// Whether the inspector has seen everything; then it is sent home.
    pub(crate) fn is_inspected(&mut self) -> bool {
        let done =
            |member: &Member| matches!(&member.role, Role::Inspector(inspector) if inspector.is_done());
        let inspected = self.members.iter().any(done);
        if inspected {
            self.members.retain(|member| !matches!(member.role, Role::Inspector(_)));
        }
        inspected
    }

    /// Whether every client that has a session is connected, has sent everything, and waits for no answer.
    pub(crate) fn is_quiet(&self) -> bool {
        self.members.iter().all(|member| match &member.role {
            Role::Publisher(_) => member.client.is_connected() && !member.client.waits(),
            Role::Subscriber(subscriber) => member.client.is_connected() && subscriber.is_content(),
            _ => true,
        })
    }

    /// Clients that still wait, for a message to people.
    pub(crate) fn who_waits(&self) -> String {
        let waiting = self.members.iter().filter_map(|member| {
            let client = &member.client;
            let what = match &member.role {
                _ if member.away || matches!(member.role, Role::Visitor(_)) => return None,
                _ if !client.is_connected() => "to be connected".to_owned(),
                Role::Publisher(_) if client.waits() => {
                    format!("for {} acknowledgements", client.connection.unacknowledged())
                }
                Role::Subscriber(subscriber) if !subscriber.is_content() => {
                    subscriber.waits_for().unwrap_or_default()
                }
                _ => match self.ledger.owed(&client.name) {
                    0 => return None,
                    owed => format!("for {owed} messages"),
                },
            };
            Some(format!("{} {what}", client.name))
        });
        waiting.collect::<Vec<_>>().join(", ")
    }

    /// Serves everybody for a moment.
    ///
    /// # Errors
    /// When the system's poller fails.
    pub(crate) fn turn(&mut self) -> io::Result<()> {
        self.step(TICK)?;
        let now = Instant::now();
        for index in 0..self.members.len() {
            self.open_if_due(index, now);
            self.tick(index, now);
            self.settle_events(index);
        }
        Ok(())
    }

    /// The server was killed: what it sent before counts, and then every connection is gone.
    ///
    /// # Errors
    /// When the system's poller fails.
    pub(crate) fn read_out(&mut self) -> io::Result<()> {
        self.address = None;
        // The kernel delivers what was sent and then the end; a peer on this machine never takes long.
        let deadline = Instant::now() + Duration::from_secs(1);
        while self.members.iter().any(|member| member.client.is_open()) && Instant::now() < deadline {
            self.step(TICK)?;
            // An edge may have been used up by an earlier read.
            (0..self.members.len()).for_each(|index| self.read(index));
        }
        self.members.iter_mut().for_each(|member| member.client.vanish());
        Ok(())
    }

    /// Ends every connection without a word, as a broken network does.
    pub(crate) fn cut(&mut self) {
        self.address = None;
        self.members.iter_mut().for_each(|member| member.client.vanish());
    }

    fn step(&mut self, patience: Duration) -> io::Result<()> {
        match self.poll.poll(&mut self.events, Some(patience)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            polled => polled?,
        }
        let ready: Vec<usize> = self.events.iter().map(|event| event.token().0).collect();
        for index in ready {
            self.read(index);
        }
        Ok(())
    }

    fn read(&mut self, index: usize) {
        let Some(member) = self.members.get_mut(index) else { return };
        if !member.client.is_open() {
            return;
        }
        let open = member.client.read(&mut self.buffer);
        self.settle_events(index);
        let Some(member) = self.members.get_mut(index) else { return };
        if !open && member.client.is_open() {
            member.client.vanish();
            member.opens = Instant::now() + Duration::from_millis(self.dice.below(ABSENCE));
            if self.address.is_some() && !self.excused {
                self.ledger.blame(&member.client.name, Fault::Closed { why: "end of stream".to_owned() });
            }
        }
    }

    /// Hands all events of a client to its role, and writes what comes of it.
    fn settle_events(&mut self, index: usize) {
        let Some(member) = self.members.get_mut(index) else { return };
        member.client.write();
        while let Some(event) = member.client.event() {
            let now = Instant::now();
            if let Some(trace) = &mut self.trace {
                trace.note(&member.client.name, &event);
            }
            if is_an_answer(&event) {
                member.answered = now;
                // A session may be taken up without writing anything; a message may not.
                member.moved |= matches!(event, Event::Published(_, Ok(_)));
            }
            if let Event::Ended(end) = event {
                if self.address.is_some() && !self.excused && !matches!(end, End::Requested) {
                    let why = format!("{end:?}");
                    self.ledger.blame(&member.client.name, Fault::Closed { why });
                }
                member.client.write();
                member.client.vanish();
                member.opens = now + Duration::from_millis(self.dice.below(ABSENCE));
                continue;
            }
            let mut scene = Scene {
                ledger: &mut self.ledger,
                dice: &mut self.dice,
                now,
                load: self.load,
                excused: self.excused,
            };
            member.role.event(event, &mut member.client, &mut scene);
            member.client.write();
        }
    }

    fn open_if_due(&mut self, index: usize, now: Instant) {
        let Some(address) = self.address else { return };
        let Some(member) = self.members.get_mut(index) else { return };
        let unwanted = match member.role {
            Role::Visitor(_) => !self.load,
            _ => member.away,
        };
        if member.client.is_open() || unwanted || member.opens > now {
            return;
        }
        if let (true, true, Role::Subscriber(subscriber)) = (member.renews, self.load, &mut member.role)
            && self.dice.once_in(3)
        {
            let manner = Manner { clean_start: true, ..member.manner };
            let name = member.client.name.clone();
            self.ledger.renewing(&name);
            subscriber.renew();
            member.client = Client::new(name.clone(), manner.options(&name), self.epoch);
        }
        if member.client.open(address, self.poll.registry(), Token(index)) {
            member.answered = now;
        } else {
            member.opens = now + Duration::from_millis(20);
        }
    }

    fn tick(&mut self, index: usize, now: Instant) {
        let Some(member) = self.members.get_mut(index) else { return };
        if !member.client.is_open() {
            return;
        }
        let mut scene = Scene {
            ledger: &mut self.ledger,
            dice: &mut self.dice,
            now,
            load: self.load,
            excused: self.excused,
        };
        member.role.tick(&mut member.client, &mut scene);
        if matches!(&member.role, Role::Visitor(visitor) if visitor.is_gone()) {
            let successor = self.visitor();
            self.members[index] = successor;
            return;
        }
        self.watch(index, now);
        let Some(member) = self.members.get_mut(index) else { return };
        // About once in three seconds for each client.
        let persistent = matches!(member.role, Role::Publisher(_) | Role::Subscriber(_));
        if self.load && persistent && member.rude && self.dice.once_in(1_500) {
            if let Some(trace) = &mut self.trace {
                trace.cut(&member.client.name);
            }
            if self.dice.once_in(3) {
                member.client.leave();
            } else {
                member.client.vanish();
            }
            member.opens = now + Duration::from_millis(self.dice.below(ABSENCE));
        }
    }

    /// The stall watchdog.
    fn watch(&mut self, index: usize, now: Instant) {
        let Some(member) = self.members.get_mut(index) else { return };
        if !member.client.waits() {
            member.answered = now;
            return;
        }
        let silent = now.duration_since(member.answered);
        if self.impatient && silent > IMPATIENCE {
            member.client.vanish();
            member.opens = now;
        } else if silent > STALL && !self.excused {
            let waiting_for = format!("{} acknowledgements", member.client.connection.unacknowledged());
            self.ledger.blame(&member.client.name, Fault::Stalled { waiting_for });
            member.answered = now;
        }
    }
}

fn is_an_answer(event: &Event) -> bool {
    matches!(
        event,
        Event::Connected(_) | Event::Published(..) | Event::Subscribed(..) | Event::Unsubscribed(..)
    )
}

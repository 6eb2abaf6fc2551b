//! All clients of a run on one thread, around a poller.

mod cast;

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use darter_codec::{ReasonCode, Version};
use darter_session::client::{End, Event};
use mio::{Events, Poll, Token};

use cast::PUBLISHERS;

use crate::client::{Client, Manner};
use crate::dice::Dice;
use crate::ledger::{Fault, Ledger};
use crate::role::{Inspector, Role, Scene};
use crate::trace::Trace;

/// Time between two looks at the clock.
const TICK: Duration = Duration::from_millis(2);
/// A turn that took longer counts as one of this time.
const LONGEST_TURN: Duration = Duration::from_millis(50);
/// How long a connected client may wait without any answer.
pub(crate) const STALL: Duration = Duration::from_secs(10);
/// After a fault of the disk a client that gets no answer for so long connects again.
const IMPATIENCE: Duration = Duration::from_millis(700);
/// A disk that was at fault counts as mended when nothing was refused for so long.
const CALM: Duration = Duration::from_millis(250);
/// The longest time between a rude end and the next connection, in milliseconds.
const ABSENCE: u64 = 150;

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
    /// There is a server that reads what is sent.
    heard: bool,
    /// Clients that are left without an answer connect again.
    impatient: bool,
    /// Refusals so far, and the last time that one came.
    refused: u64,
    calm_since: Instant,
    /// The last turn.
    turned: Instant,
}

struct Member {
    client: Client,
    role: Role,
    manner: Manner,
    /// Away for this cycle.
    away: bool,
    /// May end its connection whenever it likes.
    rude: bool,
    /// It gave a connection up before CONNACK. The server may come to that CONNECT after the next one, and then rightly
    /// closes the connection that the client has.
    hasty: bool,
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
            heard: false,
            impatient: false,
            refused: 0,
            calm_since: Instant::now(),
            turned: Instant::now(),
        };
        fleet.cast();
        Ok(fleet)
    }

    /// Writes down what one client sends and receives.
    pub(crate) fn set_trace(&mut self, trace: Trace) {
        self.trace = Some(trace);
    }

    /// The server listens: everybody who is not away connects.
    pub(crate) fn arrive(&mut self, address: SocketAddr) {
        (self.address, self.heard) = (Some(address), true);
        let now = Instant::now();
        for member in &mut self.members {
            (member.opens, member.hasty) = (now, false);
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
        self.ledger.excuse_wills();
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
        if let Some((Member { client, role: Role::Publisher(publisher), .. }, mut scene)) = self.scene(index)
        {
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
                _ if member.away || matches!(member.role, Role::Visitor(_) | Role::Mortal(_)) => return None,
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
        self.pass(now);
        for index in 0..self.members.len() {
            self.open_if_due(index, now);
            self.tick(index, now);
            self.settle_events(index);
        }
        Ok(())
    }

    /// Tells the ledger who is gone, and how much time the server had.
    fn pass(&mut self, now: Instant) {
        for member in self.members.iter().filter(|member| !member.client.is_open()) {
            self.ledger.disconnected(&member.client.name);
        }
        let passed = now.duration_since(std::mem::replace(&mut self.turned, now));
        if self.heard && !self.excused {
            // A longer time was no turn of this loop.
            self.ledger.pass(passed.min(LONGEST_TURN));
        }
    }

    /// The server was asked to stop: it closes connections, and nobody connects any more.
    pub(crate) fn part(&mut self) {
        self.address = None;
    }

    /// The server was killed: what it sent before counts, and then every connection is gone.
    ///
    /// # Errors
    /// When the system's poller fails.
    pub(crate) fn read_out(&mut self) -> io::Result<()> {
        (self.address, self.heard) = (None, false);
        self.ledger.server_ended();
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
        (self.address, self.heard) = (None, false);
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
            if self.address.is_some() && !self.excused && !std::mem::take(&mut member.hasty) {
                self.ledger.blame(&member.client.name, Fault::Closed { why: "end of stream".to_owned() });
            }
        }
    }

    /// Hands all events of a client to its role, and writes what comes of it.
    fn settle_events(&mut self, index: usize) {
        if let Some(member) = self.members.get_mut(index) {
            member.client.write();
        }
        while let Some(member) = self.members.get_mut(index)
            && let Some(event) = member.client.event()
        {
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
                let blamed = self.address.is_some() && !self.excused && !matches!(end, End::Requested);
                if blamed && !(is_a_take_over(&end) && std::mem::take(&mut member.hasty)) {
                    let why = format!("{end:?}");
                    self.ledger.blame(&member.client.name, Fault::Closed { why });
                }
                member.client.write();
                member.client.vanish();
                member.opens = now + Duration::from_millis(self.dice.below(ABSENCE));
                continue;
            }
            let Some((member, mut scene)) = self.scene(index) else { return };
            member.role.event(event, &mut member.client, &mut scene);
            member.client.write();
        }
    }

    /// A member, and what its role may look at.
    fn scene(&mut self, index: usize) -> Option<(&mut Member, Scene<'_>)> {
        let scene = Scene {
            ledger: &mut self.ledger,
            dice: &mut self.dice,
            now: Instant::now(),
            load: self.load,
            excused: self.excused,
            heard: self.heard,
        };
        Some((self.members.get_mut(index)?, scene))
    }

    fn open_if_due(&mut self, index: usize, now: Instant) {
        let Some(address) = self.address else { return };
        let Some(member) = self.members.get_mut(index) else { return };
        let unwanted = match member.role {
            Role::Visitor(_) | Role::Mortal(_) => !self.load,
            _ => member.away,
        };
        if member.client.is_open() || unwanted || member.opens > now {
            return;
        }
        if let Role::Mortal(mortal) = &mut member.role
            && mortal.begins_again()
        {
            let number = mortal.number();
            self.members[index] = self.mortal(number);
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
        let Some((member, mut scene)) = self.scene(index) else { return };
        if !member.client.is_open() {
            return;
        }
        member.role.tick(&mut member.client, &mut scene);
        let successor = match &member.role {
            Role::Visitor(visitor) if visitor.is_gone() => Some(self.visitor()),
            Role::Mortal(mortal) if mortal.is_gone() => {
                let number = mortal.number();
                Some(self.mortal(number))
            }
            _ => None,
        };
        if let Some(successor) = successor {
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
            member.hasty |= !member.client.is_connected();
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
            member.hasty |= !member.client.is_connected();
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

fn is_a_take_over(end: &End) -> bool {
    matches!(end, End::Disconnected(disconnect) if disconnect.reason == ReasonCode::SessionTakenOver)
}

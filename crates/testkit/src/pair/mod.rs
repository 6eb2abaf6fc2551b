//! A server and its clients in memory.
//!
//! A [`Pair`] holds the server's shards, each with a [`LateStore`], and any number of clients: [`RawId`] names one that
//! sends and receives packets as they are, [`ClientId`] one that is a whole [`Connection`]. Whatever the test asks for is
//! only queued; [`Pair::run`] lets bytes, items between shards and commits flow until nothing is left to do, and
//! [`Pair::advance`] moves the clock. With a seed in [`Setup`] they flow in an order drawn from it, in pieces of any size.

mod client;
mod flow;
mod node;
mod raw;
mod restart;
mod wire;

use crate::dice::Dice;
use crate::late_store::{Commits, Kept, LateStore};
use darter_codec::record::Change;
use darter_codec::{Connect, Message, ReasonCode};
use darter_engine::access::{Identity, Policy};
use darter_engine::{Allowance, Counters, DropReason, Event, Limits, Place, Shard, Step, Verdict};
use darter_session::client::Connection;
use node::{Item, Node, Undecided};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use wire::{Holder, ServerEnd, Wire};

pub use client::ClientId;
pub use raw::RawId;

/// What a [`Pair`] starts with.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Shards of the server, 1 to 64.
    pub shards: u8,
    /// Decides which client identifier belongs to which shard.
    pub key: u64,
    /// Limits of the server.
    pub limits: Limits,
    /// When the stores commit.
    pub commits: Commits,
    /// What clients may do.
    pub policy: Arc<Policy>,
    /// Everything flows in an order drawn from this; without it in a fixed one.
    pub seed: Option<u64>,
}

impl Default for Setup {
    fn default() -> Self {
        let policy = Arc::new(Policy::open());
        Self { shards: 1, key: 1, limits: Limits::default(), commits: Commits::AtOnce, policy, seed: None }
    }
}

/// A server and its clients in memory, under a clock moved by hand.
#[derive(Debug)]
pub struct Pair {
    setup: Setup,
    now: u64,
    /// How far the server's clock is ahead of that of the clients; it wraps.
    ahead: u64,
    nodes: Vec<Node>,
    /// From each shard to each shard.
    lanes: Vec<VecDeque<Item>>,
    held_lanes: Vec<bool>,
    wires: Vec<Wire>,
    raws: Vec<raw::Raw>,
    clients: Vec<client::Client>,
    /// The shard that accepts the next connection.
    door: usize,
    dice: Option<Dice>,
    changes: Vec<Change>,
    verdict: fn(&Connect) -> Verdict,
    /// What the server says to Authentication Data, where it knows the client's method.
    step: Option<fn(&[u8]) -> Step>,
    /// Logins are decided one by one, when [`Pair::decide`] says so or when the dice do.
    late_verdicts: bool,
    held_verdicts: bool,
    undecided: VecDeque<Undecided>,
    /// What the clients of each user have published lately.
    allowances: HashMap<Arc<str>, Arc<Allowance>>,
    refusal_delay: Option<u64>,
}

impl Pair {
    /// A server of `shards` shards with default limits.
    #[must_use]
    pub fn new(shards: u8) -> Self {
        Self::with(Setup { shards, ..Setup::default() })
    }

    /// A server as `setup` says.
    #[must_use]
    pub fn with(setup: Setup) -> Self {
        let mut pair = Self {
            now: 1_000,
            ahead: 0,
            nodes: Vec::new(),
            lanes: Vec::new(),
            held_lanes: Vec::new(),
            wires: Vec::new(),
            raws: Vec::new(),
            clients: Vec::new(),
            door: 0,
            dice: None,
            changes: Vec::new(),
            step: None,
            late_verdicts: setup.seed.is_some(),
            held_verdicts: false,
            undecided: VecDeque::new(),
            allowances: HashMap::new(),
            refusal_delay: None,
            verdict: |connect| {
                let user = connect.username.as_ref().map(|name| (&**name).into());
                Verdict::Accept(Identity { user, ..Identity::default() })
            },
            setup,
        };
        pair.build();
        pair
    }

    /// Changes the server's limits, before anybody has connected.
    ///
    /// # Panics
    /// When somebody has.
    pub fn limit(&mut self, limits: impl FnOnce(&mut Limits)) {
        assert!(self.wires.is_empty(), "limits are set before anybody connects");
        limits(&mut self.setup.limits);
        self.build();
    }

    /// Who is let in; everybody otherwise.
    pub fn set_verdict(&mut self, verdict: fn(&Connect) -> Verdict) {
        self.verdict = verdict;
    }

    /// Gives the server other rules, now and for later starts.
    pub fn set_policy(&mut self, policy: Policy) {
        self.setup.policy = Arc::new(policy);
        for node in &mut self.nodes {
            node.shard.set_policy(self.setup.policy.clone());
            node.touched = true;
        }
    }

    /// What the server says to Authentication Data, whatever the method is called. Without it the server knows no method.
    pub fn set_step(&mut self, step: fn(&[u8]) -> Step) {
        self.step = Some(step);
    }

    /// Who is not let in learns it so many milliseconds later.
    pub fn delay_refusals(&mut self, milliseconds: u64) {
        self.refusal_delay = Some(milliseconds);
    }

    /// Logins wait until [`decide`](Self::decide).
    pub fn hold_verdicts(&mut self) {
        self.late_verdicts = true;
        self.held_verdicts = true;
    }

    /// The server disconnects everybody, as it does when it is told to stop.
    pub fn shut_down(&mut self) {
        let now = self.server_now();
        for node in &mut self.nodes {
            node.shard.close_all(now, ReasonCode::ServerShuttingDown, "the server is shutting down");
            node.touched = true;
        }
    }

    /// Each shard disconnects at most so many clients and lets everything flow; gives how many are left.
    pub fn shut_down_some(&mut self, most: usize) -> usize {
        let now = self.server_now();
        let mut left = 0;
        for node in &mut self.nodes {
            let what = "the server is shutting down";
            left += node.shard.close_some(now, most, ReasonCode::ServerShuttingDown, what);
            node.touched = true;
        }
        self.run();
        left
    }

    fn build(&mut self) {
        self.build_nodes();
        self.dice = self.setup.seed.map(Dice::new);
    }

    fn build_nodes(&mut self) {
        let Setup { shards, key, limits, commits, .. } = self.setup.clone();
        let now = self.server_now();
        let node = |index| Node {
            shard: Shard::new(Place { index, shards, key }, limits.clone(), key ^ u64::from(index), now),
            store: LateStore::new(commits),
            wires: Vec::new(),
            touched: false,
            writable: Vec::new(),
            events: Vec::new(),
            records: Vec::new(),
        };
        self.nodes = (0..shards).map(node).collect();
        for node in &mut self.nodes {
            node.shard.set_policy(self.setup.policy.clone());
        }
        let lanes = usize::from(shards) * usize::from(shards);
        self.lanes = (0..lanes).map(|_| VecDeque::new()).collect();
        self.held_lanes = vec![false; lanes];
    }

    /// Milliseconds of the clients' clock, which is the server's as well until it starts again with another one.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.now
    }

    /// Number of shards.
    #[must_use]
    pub fn shards(&self) -> usize {
        self.nodes.len()
    }

    /// The shard that owns a client identifier.
    #[must_use]
    pub fn owner(&self, client: &str) -> usize {
        usize::from(self.nodes[0].shard.owner(client))
    }

    /// A client identifier that begins with `name` and belongs to shard `shard`, counted round; another one for each `shard`.
    #[must_use]
    pub fn name_on(&self, shard: usize, name: &str) -> String {
        let wanted = shard % self.shards();
        let names = (0..).map(|number| format!("{name}{shard}-{number}"));
        names.into_iter().find(|name| self.owner(name) == wanted).unwrap_or_default()
    }

    /// A topic under `prefix` whose shared subscription `$share/group/topic` belongs to shard `shard`, counted round.
    #[must_use]
    pub fn shared_on(&self, shard: usize, prefix: &str) -> (String, String) {
        let wanted = shard % self.shards();
        let pairs = (0..).map(|number| {
            let topic = format!("{prefix}/{number}");
            (format!("$share/group/{topic}"), topic)
        });
        pairs.into_iter().find(|(filter, _)| self.owner(filter) == wanted).unwrap_or_default()
    }

    /// The server's numbers over all shards.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let mut sum = Counters::default();
        for node in &self.nodes {
            sum.add(&node.shard.counters());
        }
        sum
    }

    /// Messages not delivered to `client` on `topic` for `reason`, over all shards.
    #[must_use]
    pub fn dropped(&self, client: &str, topic: &str, reason: DropReason) -> u64 {
        let all = self.nodes.iter().flat_map(|node| node.shard.drops().iter());
        let wanted =
            all.filter(|drop| *drop.client == *client && *drop.topic == *topic && drop.reason == reason);
        wanted.map(|drop| drop.messages).sum()
    }

    /// Takes what the server said has happened, shard by shard.
    pub fn events(&mut self) -> Vec<Event> {
        self.nodes.iter_mut().flat_map(|node| std::mem::take(&mut node.events)).collect()
    }

    /// Takes what went into the history, shard by shard.
    pub fn records(&mut self) -> Vec<Message> {
        self.nodes.iter_mut().flat_map(|node| std::mem::take(&mut node.records)).collect()
    }

    /// Everything that a shard's store has committed.
    #[must_use]
    pub fn kept(&self, shard: usize) -> &[Kept] {
        self.nodes[shard].store.kept()
    }

    fn lane(&mut self, from: usize, to: usize) -> &mut VecDeque<Item> {
        let lane = from * self.nodes.len() + to;
        &mut self.lanes[lane]
    }

    /// A new connection to the shard whose turn it is.
    fn connect_wire(&mut self, holder: Holder) -> usize {
        let node = self.door;
        self.door = (self.door + 1) % self.nodes.len();
        let wire = self.wires.len();
        let server = self.accept(node, wire);
        self.wires.push(Wire::new(holder, server));
        wire
    }

    fn connection_of(&mut self, client: ClientId) -> &mut Connection {
        &mut self.clients[client.0].connection
    }

    /// Both ends of a wire learn that it is gone; what was on its way is lost.
    fn lose_wire(&mut self, wire: usize) {
        self.server_loses(wire);
        self.client_loses(wire);
    }

    fn server_loses(&mut self, wire: usize) {
        self.wires[wire].up.silence();
        if let Some(ServerEnd { node, link }) = self.wires[wire].server.take() {
            let now = self.server_now();
            self.nodes[node].shard.lost(now, link);
            self.nodes[node].touched = true;
        }
    }

    fn client_loses(&mut self, wire: usize) {
        self.wires[wire].down.silence();
        self.wires[wire].hung_up = true;
        match self.wires[wire].holder {
            Holder::Raw(index) => self.raws[index].is_closed = true,
            Holder::Client(index) if self.clients[index].holds(wire) => self.clients[index].lost(),
            Holder::Client(_) => {}
        }
    }
}

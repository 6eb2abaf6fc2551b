//! One shard with its store, driven as a server's thread drives it.

use super::Pair;
use super::wire::ServerEnd;
use crate::late_store::LateStore;
use bytes::Bytes;
use darter_codec::{Connect, Message};
use darter_engine::access::Identity;
use darter_engine::{Effect, Event, LinkId, PeerItem, Shard, Step, Verdict};
use darter_store::{Answer, Store};
use std::sync::Arc;

/// A shard, its store, and what it has to do.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) shard: Shard,
    pub(crate) store: LateStore,
    /// The wire of each link, by slot.
    pub(crate) wires: Vec<Option<(LinkId, usize)>>,
    /// Something happened since its last turn ended.
    pub(crate) touched: bool,
    /// Links whose client made room for more.
    pub(crate) writable: Vec<LinkId>,
    pub(crate) events: Vec<Event>,
    /// What went into the history.
    pub(crate) records: Vec<Message>,
}

/// What one shard hands to another.
#[derive(Debug)]
pub(crate) enum Item {
    Peer(PeerItem),
    /// A wire, with the bytes that were read from it.
    Wire(usize),
}

/// A login that waits for the server's word.
#[derive(Debug)]
pub(crate) struct Undecided {
    node: usize,
    link: LinkId,
    question: Question,
}

#[derive(Debug)]
enum Question {
    Verdict(Arc<Connect>),
    Step(fn(&[u8]) -> Step, Bytes),
}

/// Passes of a turn after which it is taken to go on for ever.
const ENDLESS: usize = 100_000;

impl Pair {
    /// The node takes a new connection.
    pub(super) fn accept(&mut self, node: usize, wire: usize) -> ServerEnd {
        let now = self.server_now();
        let one = &mut self.nodes[node];
        let link = one.shard.accept(now);
        let slot = link.slot as usize;
        if one.wires.len() <= slot {
            one.wires.resize(slot + 1, None);
        }
        one.wires[slot] = Some((link, wire));
        one.touched = true;
        ServerEnd { node, link }
    }

    /// The node reads at most `most` bytes from a wire.
    pub(super) fn read_up(&mut self, wire: usize, most: usize) {
        let now = self.server_now();
        let Some(ServerEnd { node, link }) = self.wires[wire].server else { return };
        self.nodes[node].touched = true;
        let bytes = self.wires[wire].up.read(most);
        if bytes.is_empty() {
            if self.wires[wire].up.ended {
                self.server_loses(wire);
            } else {
                self.lose_wire(wire);
            }
            return;
        }
        if self.wires[wire].input.is_empty() {
            let consumed = self.nodes[node].shard.receive(now, link, &bytes, None);
            self.wires[wire].input.extend_from_slice(&bytes[consumed..]);
        } else {
            self.wires[wire].input.extend_from_slice(&bytes);
            self.hand_in(node, link);
        }
        while let Some(id) = self.nodes[node].shard.poll_pressing() {
            self.write(node, id);
        }
    }

    /// Hands in the bytes that were kept for a link.
    fn hand_in(&mut self, node: usize, link: LinkId) {
        let Some(wire) = self.wire_of(node, link) else { return };
        let bytes = Bytes::from(std::mem::take(&mut self.wires[wire].input));
        if bytes.is_empty() {
            return;
        }
        let now = self.server_now();
        let consumed = self.nodes[node].shard.receive(now, link, &bytes, Some(&bytes));
        self.wires[wire].input.splice(0..0, bytes[consumed..].iter().copied());
    }

    fn wire_of(&self, node: usize, link: LinkId) -> Option<usize> {
        let (known, wire) = (*self.nodes[node].wires.get(link.slot as usize)?)?;
        (known == link).then_some(wire)
    }

    /// The end of a node's turn, in the order that the front page of [`Shard`] gives.
    pub(super) fn turn(&mut self, node: usize) {
        self.nodes[node].touched = false;
        for link in std::mem::take(&mut self.nodes[node].writable) {
            self.write(node, link);
        }
        for pass in 0.. {
            assert!(pass < ENDLESS, "a turn that never ends: the outputs");
            self.settle(node);
            let mut any = false;
            while let Some(link) = self.nodes[node].shard.poll_dirty() {
                any = true;
                self.write(node, link);
            }
            if !any {
                break;
            }
        }
        let one = &mut self.nodes[node];
        one.shard.take_records(&mut one.records);
        one.shard.finish_turn();
    }

    fn settle(&mut self, node: usize) {
        for pass in 0.. {
            assert!(pass < ENDLESS, "a turn that never ends: commits and effects");
            let mut any = false;
            self.submit(node);
            while let Some(answer) = self.nodes[node].store.poll() {
                any = true;
                let now = self.server_now();
                let shard = &mut self.nodes[node].shard;
                match answer {
                    Answer::Committed(batch) => shard.handle_committed(now, batch),
                    Answer::Full(full) => shard.handle_full(now, full),
                    Answer::Loaded { session, rows, through } => {
                        shard.handle_loaded(now, session, rows, through);
                    }
                }
            }
            while let Some(effect) = self.nodes[node].shard.poll_effect() {
                any = true;
                self.perform(node, effect);
            }
            if !any {
                return;
            }
        }
    }

    fn submit(&mut self, node: usize) {
        let one = &mut self.nodes[node];
        let mut changes = std::mem::take(&mut self.changes);
        if let Some(batch) = one.shard.take_batch(&mut changes) {
            one.store.submit(batch, &mut changes);
        }
        assert!(changes.is_empty(), "changes without a batch");
        self.changes = changes;
    }

    fn perform(&mut self, node: usize, effect: Effect) {
        match effect {
            Effect::Authenticate { link, connect } => {
                let data = connect.properties.authentication_data().cloned().unwrap_or_default();
                let named = connect.properties.authentication_method().is_some();
                let question = match self.step {
                    Some(step) if named => Question::Step(step, data),
                    _ => Question::Verdict(connect),
                };
                self.ask(node, link, question);
            }
            Effect::Continue { link, data } | Effect::AuthenticateAnew { link, data, .. } => {
                let step = self.step.expect("only a client whose method is known goes on");
                self.ask(node, link, Question::Step(step, data));
            }
            Effect::Move { link, shard } => {
                let Some(wire) = self.wire_of(node, link) else { return };
                self.nodes[node].wires[link.slot as usize] = None;
                self.wires[wire].server = None;
                self.lane(node, usize::from(shard)).push_back(Item::Wire(wire));
            }
            Effect::Resume { link } => self.hand_in(node, link),
            Effect::Close { link, last } => {
                let Some(wire) = self.wire_of(node, link) else { return };
                self.nodes[node].wires[link.slot as usize] = None;
                let wire = &mut self.wires[wire];
                wire.down.write(&last.to_vec());
                wire.down.ended = true;
                wire.server = None;
            }
            Effect::Load { session, from, limit } => {
                self.submit(node);
                self.nodes[node].store.load(session, from, limit);
            }
            Effect::Peer { shard, item } => self.lane(node, usize::from(shard)).push_back(Item::Peer(item)),
            Effect::Event(event) => self.nodes[node].events.push(event),
        }
    }

    fn ask(&mut self, node: usize, link: LinkId, question: Question) {
        let one = Undecided { node, link, question };
        if self.late_verdicts {
            self.undecided.push_back(one);
        } else {
            self.answer(one);
        }
    }

    fn answer(&mut self, Undecided { node, link, question }: Undecided) {
        let now = self.server_now();
        let shard = &mut self.nodes[node].shard;
        match question {
            Question::Verdict(connect) => {
                let verdict = (self.verdict)(&connect);
                if let Verdict::Accept(Identity { user: Some(user), .. }) = &verdict {
                    shard.share_allowance(link, self.allowances.entry(user.clone()).or_default().clone());
                }
                match self.refusal_delay {
                    Some(delay) if let Verdict::Refuse { reason, what } = verdict => {
                        shard.refuse_later(now, link, now + delay, reason, what);
                    }
                    _ => shard.handle_verdict(now, link, verdict),
                }
            }
            Question::Step(step, data) => shard.handle_step(now, link, step(&data)),
        }
        self.nodes[node].touched = true;
    }

    /// The server decides about the login that waits longest. False when none waits.
    pub fn decide(&mut self) -> bool {
        let Some(one) = self.undecided.pop_front() else { return false };
        self.answer(one);
        true
    }

    /// Takes the oldest item of a lane.
    pub(super) fn hand_over(&mut self, from: usize, to: usize) {
        let Some(item) = self.lane(from, to).pop_front() else { return };
        self.nodes[to].touched = true;
        match item {
            Item::Peer(item) => {
                let from = u8::try_from(from).expect("at most 64 shards");
                let now = self.server_now();
                self.nodes[to].shard.handle_peer(now, from, item);
            }
            Item::Wire(wire) => {
                let end = self.accept(to, wire);
                self.wires[wire].server = Some(end);
                self.hand_in(to, end.link);
            }
        }
    }

    fn write(&mut self, node: usize, link: LinkId) {
        let now = self.server_now();
        let Some(wire) = self.wire_of(node, link) else { return };
        let wire = &mut self.wires[wire];
        let room = wire.window.saturating_sub(wire.down.len());
        let shard = &mut self.nodes[node].shard;
        let Some(output) = shard.output(link) else { return };
        if room == 0 && !output.is_empty() {
            return;
        }
        let mut left = room;
        let mut written = 0;
        for chunk in output.chunks() {
            let part = chunk.len().min(left);
            wire.down.write(&chunk[..part]);
            left -= part;
            written += part;
        }
        output.advance(written);
        shard.written(now, link);
    }
}

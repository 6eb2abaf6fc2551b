//! What flows, and in which order.

use super::Pair;
use crate::late_store::Commits;

/// The next thing that can happen.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// The server reads from a wire.
    Up(usize),
    /// An item goes from one shard to another.
    Item(usize, usize),
    /// The client reads from a wire.
    Down(usize),
    /// A shard ends its turn.
    Turn(usize),
    /// A store commits a batch.
    Commit(usize),
    /// A store answers a load.
    Load(usize),
    /// The server decides about a login.
    Verdict,
}

/// Steps after which a run is taken to go on for ever.
const ENDLESS: usize = 3_000_000;

impl Pair {
    /// Lets everything flow until nothing is left to do. What the test holds back stays where it is.
    ///
    /// # Panics
    /// When it does not come to an end.
    pub fn run(&mut self) {
        let mut steps = Vec::new();
        for count in 0.. {
            assert!(count < ENDLESS, "a run that never ends: {steps:?}");
            if !self.step(&mut steps) {
                return;
            }
        }
    }

    /// Lets at most `count` small things happen.
    pub fn run_steps(&mut self, count: usize) {
        let mut steps = Vec::new();
        for _ in 0..count {
            if !self.step(&mut steps) {
                return;
            }
        }
    }

    /// Moves the clock by `milliseconds`, with every deadline at its own time.
    ///
    /// # Panics
    /// When a deadline stays in the past.
    pub fn advance(&mut self, milliseconds: u64) {
        let end = self.now + milliseconds;
        self.run();
        for count in 0.. {
            assert!(count < ENDLESS, "a deadline that never passes at {}", self.now);
            let (now, server_now) = (self.now, self.server_now());
            let here = |at: u64| now + at.saturating_sub(server_now);
            let shards = self.nodes.iter().filter_map(|node| node.shard.next_timeout().map(here));
            let clients = self.clients.iter().filter_map(|client| client.connection.poll_timeout());
            let Some(next) = shards.chain(clients).min().filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            let server_now = self.server_now();
            for node in &mut self.nodes {
                if node.shard.next_timeout().is_some_and(|at| at <= server_now) {
                    node.shard.handle_timeout(server_now);
                    node.touched = true;
                }
            }
            for client in 0..self.clients.len() {
                self.client_timeout(client);
            }
            self.run();
        }
        self.now = end;
    }

    /// Keeps items from one shard to another where they are, until [`release_lanes`](Self::release_lanes).
    pub fn hold_lane(&mut self, from: usize, to: usize) {
        let lane = from * self.nodes.len() + to;
        self.held_lanes[lane] = true;
    }

    /// Keeps all items between shards where they are.
    pub fn hold_lanes(&mut self) {
        self.held_lanes.fill(true);
    }

    /// Items between shards flow again.
    pub fn release_lanes(&mut self) {
        self.held_lanes.fill(false);
    }

    /// Items between two shards flow again.
    pub fn release_lane(&mut self, from: usize, to: usize) {
        let lane = from * self.nodes.len() + to;
        self.held_lanes[lane] = false;
    }

    /// Changes when the stores commit.
    pub fn set_commits(&mut self, commits: Commits) {
        self.setup.commits = commits;
        for node in &mut self.nodes {
            node.store.set_commits(commits);
        }
    }

    /// No store has room any more, or all have again.
    pub fn set_full(&mut self, full: bool) {
        for node in &mut self.nodes {
            node.store.set_full(full);
            node.touched = true;
        }
        self.run();
    }

    /// Batches that wait for their commit at a shard.
    #[must_use]
    pub fn uncommitted(&self, shard: usize) -> usize {
        self.nodes[shard].store.waiting()
    }

    /// Commits the oldest batch of a shard. False when there is none.
    pub fn commit(&mut self, shard: usize) -> bool {
        let any = self.nodes[shard].store.commit_one();
        self.nodes[shard].touched |= any;
        any
    }

    /// Commits everything and lets everything flow, until nothing waits for a commit.
    pub fn commit_all(&mut self) {
        loop {
            self.run();
            let mut any = false;
            for shard in 0..self.nodes.len() {
                any |= self.commit(shard);
                any |= self.answer_load(shard);
            }
            if !any {
                return;
            }
        }
    }

    /// Answers the oldest load of a shard's store. False when there is none.
    pub fn answer_load(&mut self, shard: usize) -> bool {
        let any = self.nodes[shard].store.load_one();
        self.nodes[shard].touched |= any;
        any
    }

    fn step(&mut self, steps: &mut Vec<Step>) -> bool {
        steps.clear();
        self.possible(steps);
        if steps.is_empty() {
            return false;
        }
        let (step, most) = match &mut self.dice {
            None => (steps[0], usize::MAX),
            Some(dice) => {
                let most = if dice.once_in(2) { usize::MAX } else { 1 + dice.below(40) };
                (steps[dice.below(steps.len())], most)
            }
        };
        match step {
            Step::Up(wire) => self.read_up(wire, most),
            Step::Down(wire) => self.read_down(wire, most),
            Step::Item(from, to) => self.hand_over(from, to),
            Step::Turn(node) => self.turn(node),
            Step::Commit(node) => drop(self.commit(node)),
            Step::Load(node) => drop(self.answer_load(node)),
            Step::Verdict => drop(self.decide()),
        }
        true
    }

    fn possible(&self, steps: &mut Vec<Step>) {
        for (index, wire) in self.wires.iter().enumerate() {
            let paused = wire.server.is_some_and(|end| self.nodes[end.node].shard.is_paused(end.link));
            if wire.has_up() && !paused {
                steps.push(Step::Up(index));
            }
        }
        let count = self.nodes.len();
        for (index, lane) in self.lanes.iter().enumerate() {
            if !lane.is_empty() && !self.held_lanes[index] {
                steps.push(Step::Item(index / count, index % count));
            }
        }
        steps.extend(
            self.nodes
                .iter()
                .enumerate()
                .filter(|(_, node)| node.touched)
                .map(|(index, _)| Step::Turn(index)),
        );
        let down = self.wires.iter().enumerate().filter(|(_, wire)| wire.has_down());
        steps.extend(down.map(|(index, _)| Step::Down(index)));
        if !self.held_verdicts && !self.undecided.is_empty() {
            steps.push(Step::Verdict);
        }
        for (index, node) in self.nodes.iter().enumerate() {
            if node.store.commits() != Commits::Later {
                continue;
            }
            if node.store.loads_waiting() > 0 {
                steps.push(Step::Load(index));
            }
            if node.store.waiting() > 0 {
                steps.push(Step::Commit(index));
            }
        }
    }
}

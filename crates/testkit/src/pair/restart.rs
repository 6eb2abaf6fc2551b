//! The server goes and comes back with what its stores have committed.

use super::Pair;
use crate::disk::Disk;
use darter_codec::record::Kept;
use darter_engine::Limits;

impl Pair {
    /// The server crashes: whatever was not committed is gone, and every connection breaks. It starts again with `shards`
    /// shards, other clients on each, and a clock that shows `clock`; clients have theirs.
    pub fn crash_and_restart(&mut self, shards: u8, clock: u64) {
        let mut disk = Disk::default();
        for node in std::mem::take(&mut self.nodes) {
            disk.merge(node.store.crash());
        }
        for wire in 0..self.wires.len() {
            self.wires[wire].server = None;
            self.wires[wire].up.silence();
            if !self.wires[wire].hung_up {
                self.client_loses(wire);
            }
        }
        self.undecided.clear();
        self.setup.shards = shards;
        self.setup.key += 1;
        self.ahead = clock.wrapping_sub(self.now);
        self.door = 0;
        self.build_nodes();
        self.restore(disk);
    }

    /// Changes the server's limits from its next start on.
    pub fn limit_at_restart(&mut self, limits: impl FnOnce(&mut Limits)) {
        limits(&mut self.setup.limits);
    }

    /// The server's clock now.
    #[must_use]
    pub fn server_now(&self) -> u64 {
        self.now.wrapping_add(self.ahead)
    }

    fn restore(&mut self, mut disk: Disk) {
        let now = self.server_now();
        let Kept { sessions, wills, retained, last_session, last_stamp, last_serial } = disk.kept();
        for node in &mut self.nodes {
            node.shard.restore_numbers(last_session, last_stamp, last_serial);
            for (message, stamp) in &retained {
                node.shard.restore_retained(message.clone(), *stamp);
            }
            node.touched = true;
        }
        for session in sessions {
            let owner = self.owner(&session.client);
            let node = &mut self.nodes[owner];
            node.store.take_over(session.session, disk.split_off(session.session));
            node.shard.restore_session(now, session);
        }
        for (session, will) in wills {
            let owner = self.owner(&will.client);
            let node = &mut self.nodes[owner];
            node.store.take_over(session, disk.split_off(session));
            node.shard.restore_will(now, session, will);
        }
        self.nodes[0].store.take_over_rest(disk);
        self.settle_shards();
        for node in &mut self.nodes {
            node.shard.handle_timeout(now);
            node.touched = true;
        }
    }

    /// Items and commits flow until no shard has anything for another one.
    fn settle_shards(&mut self) {
        loop {
            let mut any = false;
            for node in 0..self.nodes.len() {
                if std::mem::take(&mut self.nodes[node].touched) {
                    any = true;
                    self.turn(node);
                }
                while self.commit(node) {
                    any = true;
                }
                for to in 0..self.nodes.len() {
                    while !self.lane(node, to).is_empty() {
                        any = true;
                        self.hand_over(node, to);
                    }
                }
            }
            if !any {
                return;
            }
        }
    }
}

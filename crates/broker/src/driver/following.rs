//! Clients whose packets somebody follows.

use super::Running;
use crate::event;
use crate::trace::{Trace, Tracer};
use darter_codec::{Connect, Version};
use darter_engine::{Event, LinkId};

impl Running {
    /// Somebody follows a client from now on, which may be there already.
    pub(super) fn follow(&mut self, trace: Trace) {
        self.traces.retain(Trace::is_wanted);
        if let Some((link, version)) = self.driver.shard.connection_of(trace.client()) {
            self.add_follower(link, version, trace.clone());
        }
        self.traces.push(trace);
    }

    /// A client wants to connect.
    pub(super) fn follow_new(&mut self, link: LinkId, connect: &Connect) {
        if self.traces.is_empty() {
            return;
        }
        self.traces.retain(Trace::is_wanted);
        let traces: Vec<_> =
            self.traces.iter().filter(|trace| trace.client() == &*connect.client_id).cloned().collect();
        for trace in traces {
            self.add_follower(link, connect.version, trace);
        }
        if let Some(conn) = self.conn(link)
            && let Some(tracer) = &mut conn.tracer
        {
            // Nothing was sent on this connection so far.
            tracer.all_sent();
            tracer.connect(connect);
        }
    }

    fn add_follower(&mut self, link: LinkId, version: Version, trace: Trace) {
        let is_written = self.driver.shard.output(link).is_some_and(|output| output.is_empty());
        if let Some(conn) = self.conn(link) {
            let tracer = conn.tracer.get_or_insert_with(|| Box::new(Tracer::new(version)));
            tracer.add(trace);
            if is_written {
                tracer.all_sent();
            }
        }
    }

    /// The engine has consumed these packets.
    #[inline]
    pub(super) fn trace_received(&mut self, link: LinkId, packets: &[u8]) {
        if let Some(Some(conn)) = self.conns.get_mut(link.slot as usize)
            && let Some(tracer) = &mut conn.tracer
            && conn.link == link
        {
            if tracer.is_wanted() {
                tracer.received(packets);
            } else {
                conn.tracer = None;
            }
        }
    }

    /// What is not a packet: why a connection was refused or has ended.
    pub(super) fn tell_followers(&mut self, event: &Event) {
        let (Event::Refused { link, .. } | Event::Disconnected { link, .. }) = event else { return };
        if let Some(Some(conn)) = self.conns.get_mut(*link as usize)
            && let Some(tracer) = &conn.tracer
        {
            tracer.happened(&event::in_words(event));
        }
    }
}

//! Who connects: the authenticator is asked, at once, on another thread, or step by step.

use super::Running;
use crate::auth::{Answer, Job, Step, Verdict};
use crate::inbox::Item;
use darter_codec::Connect;
use darter_engine::LinkId;

impl Running {
    /// A client waits to be let in.
    pub(super) fn authenticate(&mut self, link: LinkId, connect: &Connect) {
        match self.ask(link, connect) {
            None => {}
            Some(Answer::Now(verdict)) => self.decide(link, verdict),
            Some(Answer::Later(check)) => self.check_elsewhere(link, check),
            Some(Answer::Exchange(exchange)) => {
                if let Some(conn) = self.conn(link) {
                    conn.exchange = Some(exchange);
                }
                let data = connect.properties.authentication_data();
                self.go_on(link, data.map_or(&[], |data| &data[..]));
            }
        }
    }

    /// A connected client shows anew who it is.
    pub(super) fn authenticate_anew(&mut self, link: LinkId, connect: &Connect, data: &[u8]) {
        match self.ask(link, connect) {
            None => {}
            Some(Answer::Exchange(exchange)) => {
                if let Some(conn) = self.conn(link) {
                    conn.exchange = Some(exchange);
                }
                self.go_on(link, data);
            }
            Some(Answer::Now(_) | Answer::Later(_)) => {
                let step = Step::Refuse("there is no authentication method of this name any more");
                self.driver.shard.handle_step(self.now, link, step);
            }
        }
    }

    /// The next step of a client's enhanced authentication.
    pub(super) fn go_on(&mut self, link: LinkId, data: &[u8]) {
        let Some(conn) = self.conn(link) else { return };
        let Some(exchange) = &mut conn.exchange else { return };
        let mut step = exchange.go_on(data);
        if let Step::Accept { identity, .. } = &mut step {
            *identity = conn.entry.mount(std::mem::take(identity));
        }
        if !matches!(step, Step::Challenge(_)) {
            conn.exchange = None;
        }
        self.driver.shard.handle_step(self.now, link, step);
    }

    /// A verdict is there. The connection may be gone meanwhile.
    pub(super) fn decide(&mut self, link: LinkId, verdict: Verdict) {
        let Some(conn) = self.conn(link) else { return };
        let verdict = match verdict {
            Verdict::Accept(identity) => Verdict::Accept(conn.entry.mount(identity)),
            refusal @ Verdict::Refuse { .. } => refusal,
        };
        self.driver.shard.handle_verdict(self.now, link, verdict);
    }

    fn ask(&mut self, link: LinkId, connect: &Connect) -> Option<Answer> {
        let now = self.now;
        let conn = self.conn(link)?;
        Some(conn.entry.answer(&conn.stream, connect, now))
    }

    fn check_elsewhere(&mut self, link: LinkId, check: Box<dyn FnOnce() -> Verdict + Send>) {
        let Some(origin) = self.peer(link.slot).map(Into::into) else { return };
        let inbox = self.driver.inboxes[usize::from(self.driver.index)].clone();
        let reply = Box::new(move |verdict| inbox.send(&mut vec![Item::Verdict { link, verdict }]));
        self.driver.pool.submit(Job { origin, check, reply });
    }
}

//! Shared subscriptions (section 4.8.2): one shard owns a group and gives each message to one member.

use crate::access::{Action, Grant, is_free};
use crate::event::DropReason;
use crate::held::{Release, Wait};
use crate::link::NONE;
use crate::outbox::{Delivery, Routed};
use crate::peer::{DirectTo, PeerItem};
use crate::queue::Load;
use crate::shard::Shard;
use alloc::sync::Arc;
use alloc::vec::Vec;
use darter_codec::record::{Change, QueueRow, RowState, SessionNumber};
use darter_codec::topic::SharedFilter;
use darter_codec::{QoS, SubscriptionOptions};
use hashbrown::HashMap;
use slab::Slab;

/// The groups that this shard owns.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    groups: Slab<Group>,
    by_key: HashMap<Arc<str>, u32>,
    /// Ended sessions whose shared messages are still to be given to other members.
    departed: HashMap<SessionNumber, Departed>,
}

#[derive(Debug)]
struct Group {
    key: Arc<str>,
    members: Vec<Member>,
    /// Who got the last message.
    cursor: usize,
}

/// A session that takes part in a shared subscription, on whatever shard it lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The session's shard.
    pub shard: u8,
    /// Its slot there.
    pub session: u32,
    /// Its number.
    pub number: SessionNumber,
    /// Options of the subscription.
    pub options: SubscriptionOptions,
    /// Subscription identifier; 0 is none.
    pub identifier: u32,
    /// Whether its client is connected.
    pub online: bool,
    /// What it may receive; `None` where nothing restricts it.
    pub grant: Option<Arc<Grant>>,
}

/// An ended session while its queue is looked through.
#[derive(Debug)]
struct Departed {
    client: Arc<str>,
    /// The sequence after the last one of its queue.
    end: u64,
    /// What those wait for that got its messages so far.
    wait: Wait,
    /// Some went to owners of groups on other shards.
    elsewhere: bool,
}

/// Rows of an ended session's queue that are looked at together.
const DEPARTED_ROWS: usize = 1024;

impl Groups {
    fn join(&mut self, key: &Arc<str>, member: Member) -> (u32, bool) {
        let id = match self.by_key.get(key) {
            Some(id) => *id,
            None => {
                let group = Group { key: key.clone(), members: Vec::new(), cursor: 0 };
                let id = u32::try_from(self.groups.insert(group)).unwrap_or(u32::MAX);
                self.by_key.insert(key.clone(), id);
                id
            }
        };
        let members = &mut self.groups[id as usize].members;
        let is_first = members.is_empty();
        match members.iter_mut().find(|one| one.number == member.number) {
            Some(known) => *known = member,
            None => members.push(member),
        }
        (id, is_first)
    }

    /// Removes a member; the group's id when it was the last one.
    fn leave(&mut self, key: &str, number: SessionNumber) -> Option<u32> {
        let id = *self.by_key.get(key)?;
        let group = &mut self.groups[id as usize];
        group.members.retain(|member| member.number != number);
        if !group.members.is_empty() {
            return None;
        }
        self.groups.remove(id as usize);
        self.by_key.remove(key);
        Some(id)
    }

    fn set_grant(&mut self, key: &str, number: SessionNumber, grant: Option<Arc<Grant>>) {
        let Some(id) = self.by_key.get(key) else { return };
        let members = &mut self.groups[*id as usize].members;
        if let Some(member) = members.iter_mut().find(|member| member.number == number) {
            member.grant = grant;
        }
    }

    fn set_presence(&mut self, key: &str, number: SessionNumber, online: bool) {
        let Some(id) = self.by_key.get(key) else { return };
        let members = &mut self.groups[*id as usize].members;
        if let Some(member) = members.iter_mut().find(|member| member.number == number) {
            member.online = online;
        }
    }
}

impl Shard {
    /// Adds the session to the group of `text`, which is `$share/group/filter`. True when it was not in it.
    pub(crate) fn join_group(
        &mut self,
        session: u32,
        text: &str,
        options: SubscriptionOptions,
        identifier: u32,
        wait: &mut Wait,
    ) -> bool {
        let stored = &mut self.out.sessions[session as usize];
        let known = stored.shared.get(text).cloned();
        let is_new = known.is_none();
        let key = known.unwrap_or_else(|| text.into());
        if is_new {
            stored.shared.insert(key.clone());
            self.out.counters.subscriptions += 1;
            self.out.counters.shared_subscriptions += 1;
        }
        let (number, online) = (stored.number, stored.attached);
        let grant = stored.grant();
        let member = Member { shard: self.place.index, session, number, options, identifier, online, grant };
        let owner = self.place.choose(&key);
        if owner == self.place.index {
            self.add_member(&key, member, wait);
        } else {
            self.peers.send_grouped(owner, wait, |number| PeerItem::Join { key, member, number });
        }
        is_new
    }

    /// Tells the owner of one of the session's groups what the session may receive now.
    pub(crate) fn renew_member(&mut self, session: u32, key: &Arc<str>) {
        let stored = &self.out.sessions[session as usize];
        let (member, grant) = (stored.number, stored.grant());
        let owner = self.place.choose(key);
        if owner == self.place.index {
            self.groups.set_grant(key, member, grant);
        } else {
            self.peers.send(owner, PeerItem::Granted { key: key.clone(), member, grant });
        }
    }

    pub(crate) fn set_grant(&mut self, key: &str, member: SessionNumber, grant: Option<Arc<Grant>>) {
        self.groups.set_grant(key, member, grant);
    }

    /// Removes the session from a group. False when it was not in it.
    pub(crate) fn leave_group(&mut self, session: u32, text: &str, wait: &mut Wait) -> bool {
        let Some(key) = self.out.sessions[session as usize].shared.take(text) else { return false };
        self.forget_member(session, &key, wait);
        true
    }

    /// Takes the session out of a group that it no longer remembers.
    pub(crate) fn forget_member(&mut self, session: u32, key: &Arc<str>, wait: &mut Wait) {
        let number = self.out.sessions[session as usize].number;
        self.out.counters.subscriptions -= 1;
        self.out.counters.shared_subscriptions -= 1;
        let owner = self.place.choose(key);
        if owner == self.place.index {
            self.remove_member(key, number, wait);
        } else {
            let key = key.clone();
            self.peers.send_grouped(owner, wait, |sent| PeerItem::Leave {
                key,
                member: number,
                number: sent,
            });
        }
    }

    pub(crate) fn add_member(&mut self, key: &Arc<str>, member: Member, wait: &mut Wait) {
        let (id, is_first) = self.groups.join(key, member);
        if let Ok(Some(shared)) = SharedFilter::parse(key) {
            let before = self.interest(shared.filter);
            if is_first {
                self.tree.add_group(shared.filter, id);
            }
            self.interest_changed(shared.filter, before, wait);
        }
    }

    pub(crate) fn remove_member(&mut self, key: &str, number: SessionNumber, wait: &mut Wait) {
        let Some(id) = self.groups.leave(key, number) else { return };
        if let Ok(Some(shared)) = SharedFilter::parse(key) {
            let before = self.interest(shared.filter);
            self.tree.remove_group(shared.filter, id);
            self.interest_changed(shared.filter, before, wait);
        }
    }

    /// Tells the owners of a session's groups whether its client is there.
    pub(crate) fn group_presence(&mut self, slot: u32, online: bool) {
        let Some(session) = self.out.sessions.get(slot as usize) else { return };
        let member = session.number;
        for key in &session.shared {
            let owner = self.place.choose(key);
            if owner == self.place.index {
                self.groups.set_presence(key, member, online);
            } else {
                self.peers.send(owner, PeerItem::Presence { key: key.clone(), member, online });
            }
        }
    }

    pub(crate) fn set_presence(&mut self, key: &str, member: SessionNumber, online: bool) {
        self.groups.set_presence(key, member, online);
    }

    /// Whether a message of QoS 1 or 2 for this group may have to be stored. What members on other shards keep is not known here.
    pub(crate) fn may_keep_for_group(&self, id: u32) -> bool {
        let Some(group) = self.groups.groups.get(id as usize) else { return false };
        group.members.iter().any(|member| {
            let session = self.out.sessions.get(member.session as usize);
            member.options.qos != QoS::AtMostOnce
                && (member.shard != self.place.index || session.is_some_and(|session| session.is_durable()))
        })
    }

    /// Gives a message to one member of each group.
    pub(crate) fn deliver_to_groups(
        &mut self,
        now: u64,
        routed: &mut Routed<'_>,
        ids: &[u32],
        wait: &mut Wait,
    ) -> bool {
        let mut any = false;
        for id in ids {
            any |= self.deliver_to_group(now, routed, *id, wait);
        }
        any
    }

    fn deliver_to_group(&mut self, now: u64, routed: &mut Routed<'_>, id: u32, wait: &mut Wait) -> bool {
        let Some(group) = self.groups.groups.get_mut(id as usize) else { return false };
        if routed.again && self.out.spread.is_taken(routed.publication, &group.key) {
            return true;
        }
        let here = self.place.index;
        let sessions = &self.out.sessions;
        let links = &self.out.links;
        let has_room = |member: &Member| {
            let session = sessions.get(member.session as usize);
            let link = session.and_then(|session| links.get(session.link as usize));
            member.shard != here || link.is_some_and(|link| link.sent < link.sent_most)
        };
        let topic = routed.topic;
        let may = |member: &Member| {
            member.grant.as_ref().map_or(is_free(topic), |grant| grant.may(Action::Receive, topic))
        };
        let rank = |member: &Member| match (member.online, has_room(member)) {
            (true, true) => 0,
            (true, false) => 1,
            (false, _) => 2,
        };
        let count = group.members.len();
        let mut best: Option<(u8, usize)> = None;
        for step in 1..=count {
            let index = (group.cursor + step) % count;
            let member = &group.members[index];
            let rank = rank(member);
            if best.is_none_or(|(other, _)| rank < other) && !may(member) {
                continue;
            }
            if best.is_none_or(|(other, _)| rank < other) {
                best = Some((rank, index));
            }
            if rank == 0 {
                break;
            }
        }
        let Some((_, chosen)) = best else {
            if !group.members.is_empty() {
                let (drops, counters) = (&mut self.out.drops, &mut self.out.counters);
                drops.count(&group.key, topic, DropReason::Denied, counters);
            }
            return false;
        };
        group.cursor = chosen;
        let member = group.members[chosen].clone();
        let key = group.key.clone();
        let qos = routed.qos.min(member.options.qos);
        if qos == QoS::AtMostOnce && !member.online {
            self.out.drops.count(&key, routed.topic, DropReason::NoMember, &mut self.out.counters);
            return true;
        }
        let retain = routed.retain && member.options.retain_as_published;
        if member.shard == here {
            self.deliver_to_member(now, routed, &member, &key, qos, retain);
        } else {
            let (publication, again) = (routed.publication, routed.again);
            let to = DirectTo { member, key, qos, retain, publication, again };
            let message = routed.stored();
            match routed.wait {
                Some(kept) => self.out.hold(kept, Release::Direct { to, message }),
                None => self.peers.send_direct(to, message, wait),
            }
        }
        true
    }

    /// Delivers to a member that lives on this shard.
    pub(crate) fn deliver_to_member(
        &mut self,
        now: u64,
        routed: &mut Routed<'_>,
        member: &Member,
        key: &Arc<str>,
        qos: QoS,
        retain: bool,
    ) {
        let identifier = [member.identifier];
        let identifiers = if member.identifier == 0 { &[][..] } else { &identifier[..] };
        let to = Delivery { session: member.session, qos, retain, identifiers, group: Some(key) };
        self.out.deliver(now, routed, to);
    }

    /// A session ended that may have shared messages: reads its queue before it goes.
    pub(crate) fn depart(&mut self, session: SessionNumber, client: Arc<str>, end: u64) {
        let departed = Departed { client, end, wait: Wait::order(), elsewhere: false };
        self.groups.departed.insert(session, departed);
        self.load_departed(session, 0);
    }

    /// Asks for a page of an ended session's queue, which may be far larger than memory.
    fn load_departed(&mut self, session: SessionNumber, from: u64) {
        self.load(session, Load { slot: NONE, next: 0, unanswered: 0 }, from, DEPARTED_ROWS);
    }

    /// A page of the queue of an ended session: what it did not acknowledge of its shared subscriptions goes to other
    /// members, except QoS 2 that was sent already. False when the session has not ended.
    pub(crate) fn handle_departed_rows(
        &mut self,
        now: u64,
        session: SessionNumber,
        rows: &[(u64, QueueRow)],
        through: u64,
    ) -> bool {
        let Some(mut departed) = self.groups.departed.remove(&session) else { return false };
        for (_, row) in rows {
            let Some(key) = row.origin.as_ref().and_then(|origin| origin.group.as_ref()) else {
                if row.state == RowState::Waiting {
                    let (client, topic) = (&departed.client, row.message.topic());
                    self.out.drops.count(client, topic, DropReason::SessionEnded, &mut self.out.counters);
                }
                continue;
            };
            if row.qos == QoS::ExactlyOnce && row.state != RowState::Waiting {
                continue;
            }
            let owner = self.place.choose(key);
            if owner == self.place.index {
                departed.wait.join(self.give_to_group(now, key, row));
            } else {
                departed.elsewhere = true;
                let publication =
                    self.out.spread.open(row.origin.as_ref().and_then(|origin| origin.publication));
                let item = PeerItem::Reroute { key: key.clone(), message: row.message.clone(), publication };
                self.peers.send(owner, item);
            }
        }
        if through < departed.end {
            self.groups.departed.insert(session, departed);
            self.load_departed(session, through);
            return true;
        }
        let Departed { client, mut wait, elsewhere, .. } = departed;
        if elsewhere {
            self.peers.barrier(&mut wait);
        }
        if wait.is_remote() {
            // The store forgets them here when other shards have them: a crash may double them, and loses none.
            self.out.hold(wait, Release::Ended { session, client });
        } else {
            self.out.persist.push(Change::SessionEnded { session, client });
        }
        true
    }

    fn give_to_group(&mut self, now: u64, key: &str, row: &QueueRow) -> Wait {
        let publication = self.out.spread.open(row.origin.as_ref().and_then(|origin| origin.publication));
        self.reroute(now, key, &mut Routed { publication, ..Routed::from_message(&row.message) })
    }

    /// Gives a message that a member could not finish to another one. What it gives back is when that one's shard has it stored.
    pub(crate) fn reroute(&mut self, now: u64, key: &str, routed: &mut Routed<'_>) -> Wait {
        let mut wait = Wait::order();
        self.out.templates.clear();
        match self.groups.by_key.get(key).copied() {
            Some(id) => {
                self.deliver_to_group(now, routed, id, &mut wait);
            }
            None => {
                self.out.drops.count(&key.into(), routed.topic, DropReason::NoMember, &mut self.out.counters);
            }
        }
        wait
    }
}

//! CONNECT: from the first packet of a connection to its CONNACK (sections 3.1 and 3.2).

use crate::access::Identity;
use crate::effect::{Effect, LinkId};
use crate::event::{Ending, Event};
use crate::held::Release;
use crate::link::{LinkState, NONE};
use crate::login::{Decided, Login};
use crate::permit::NOT_YOURS;
use crate::session::{Session, Will};
use crate::shard::Shard;
use crate::timers::Timer;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use darter_codec::frame::PacketType;
use darter_codec::record::{Change, KeptWill};
use darter_codec::{
    ConnAck, Connect, DecodeError, Message, Packet, Properties, Property, ReasonCode, Version, topic,
};
use darter_session::{IncomingAliases, OutgoingAliases};

/// What must be remembered between the session's set-up and its CONNACK.
struct Opened {
    session: u32,
    present: bool,
    /// Something was stored that the CONNACK promises, be it by an earlier connection a moment ago.
    stored: bool,
    assigned: bool,
}

impl Shard {
    /// Takes the first packet of a connection. False when it stays unconsumed, because the socket moves.
    pub(crate) fn handle_first_packet(&mut self, now: u64, id: LinkId, first: u8, body: &[u8]) -> bool {
        if PacketType::of(first) != Some(PacketType::Connect) {
            let reason = ReasonCode::ProtocolError;
            self.refuse_silently(now, id, reason, "the first packet was not CONNECT");
            return true;
        }
        let connect = match Packet::decode(Version::V311, first, &Bytes::copy_from_slice(body)) {
            Ok(Packet::Connect(connect)) => connect,
            Ok(_) => return true,
            Err(error) => {
                self.refuse_undecoded(now, id, body, error);
                return true;
            }
        };
        let owner = self.owner(&connect.client_id);
        if owner != self.place.index && !connect.client_id.is_empty() {
            if let Some(link) = self.out.link_mut(id) {
                link.state = LinkState::Moving;
                self.closing.push(id.slot);
            }
            self.out.effects.push_back(Effect::Move { link: id, shard: owner });
            return false;
        }
        self.out.counters.packets_received += 1;
        if let Some(link) = self.out.link_mut(id) {
            link.version = connect.version;
            link.last_seen = now;
        }
        if let Err((reason, what)) = self.check_connect(&connect) {
            self.refuse(now, id, Some(&connect), reason, what);
            return true;
        }
        let connect = Arc::new(*connect);
        if let Some(link) = self.out.link_mut(id) {
            link.state = LinkState::Authenticating;
            link.login = Some(Box::new(Login::begin(connect.clone())));
        }
        self.out.effects.push_back(Effect::Authenticate { link: id, connect });
        true
    }

    fn check_connect(&self, connect: &Connect) -> Result<(), (ReasonCode, &'static str)> {
        if connect.client_id.is_empty()
            && (connect.version == Version::V31 || (connect.version == Version::V311 && !connect.clean_start))
        {
            // [MQTT-3.1.3-8]; version 3.1 has no empty identifiers at all.
            return Err((
                ReasonCode::ClientIdentifierNotValid,
                "an empty client identifier needs Clean Session",
            ));
        }
        if let Some(will) = &connect.will {
            if topic::check_depth(&will.topic, self.out.limits.topic_levels).is_err() {
                return Err((ReasonCode::TopicNameInvalid, "the will's topic name has too many levels"));
            }
            if will.topic.starts_with("$SYS/") {
                return Err((ReasonCode::NotAuthorized, "the will's topic is under $SYS"));
            }
        }
        Ok(())
    }

    /// Lets a client in. `data` is Authentication Data for one that named a method.
    pub(crate) fn admit(
        &mut self,
        now: u64,
        id: LinkId,
        connect: &Connect,
        identity: &Identity,
        data: Vec<u8>,
    ) {
        if !self.may_enter(now, id, connect, identity) {
            return;
        }
        if let Some(at) = self.fight_pause(now, id, connect) {
            self.decide_later(id, at, Decided::Admit { identity: identity.clone(), data });
            return;
        }
        self.let_in(now, id, connect, identity, data);
    }

    /// Refuses a client that may not come in at this time.
    pub(crate) fn may_enter(&mut self, now: u64, id: LinkId, connect: &Connect, identity: &Identity) -> bool {
        let objection = self.objection(connect, identity);
        if let Some((reason, what)) = objection {
            self.refuse(now, id, Some(connect), reason, what);
        }
        objection.is_none()
    }

    /// Lets a client in that need not wait, or not any more.
    pub(crate) fn let_in(
        &mut self,
        now: u64,
        id: LinkId,
        connect: &Connect,
        identity: &Identity,
        data: Vec<u8>,
    ) {
        self.open(now, id, connect, identity, data);
        self.out.effects.push_back(Effect::Resume { link: id });
    }

    /// Why a client that is known may not come in all the same.
    fn objection(&self, connect: &Connect, identity: &Identity) -> Option<(ReasonCode, &'static str)> {
        if self.is_of_another_user(&connect.client_id, identity) {
            return Some(NOT_YOURS);
        }
        let will = connect.will.as_ref();
        if will.is_some_and(|will| !self.may_have_will(identity, &connect.client_id, will)) {
            return Some((ReasonCode::NotAuthorized, "the rules do not let it publish its will"));
        }
        (self.full && self.makes_kept_session(connect))
            .then_some((ReasonCode::QuotaExceeded, "there is no room to store another session"))
    }

    fn open(&mut self, now: u64, id: LinkId, connect: &Connect, identity: &Identity, data: Vec<u8>) {
        let ends_at = identity.ends_at;
        let opened = self.open_session(now, id, connect, identity);
        let mut connack = self.connack(connect, &opened);
        if let Some(method) = connect.properties.authentication_method() {
            // [MQTT-4.12.0-5]
            connack.properties.push(Property::AuthenticationMethod(method.clone()));
            if !data.is_empty() {
                connack.properties.push(Property::AuthenticationData(data.into()));
            }
        }
        self.set_up_link(id, connect, opened.session);
        self.begin_pace(id);
        self.keep_login(id, opened.session, ends_at);
        self.out.counters.connected += 1;
        self.out.counters.connections += 1;
        let mut bytes = Vec::new();
        let most = connect.properties.maximum_packet_size().unwrap_or(u32::MAX);
        let encoded = Packet::from(connack).encode(connect.version, &mut bytes);
        if encoded.is_err() || bytes.len() > most as usize {
            let what = "the client takes no packet as large as its CONNACK";
            self.close(now, id.slot, Ending::Server { reason: ReasonCode::PacketTooLarge, what });
            return;
        }
        let session = &self.out.sessions[opened.session as usize];
        self.out.effects.push_back(Effect::Event(Event::Connected {
            link: id.slot,
            client: session.client.clone(),
            version: connect.version,
            clean_start: connect.clean_start,
            session_present: opened.present,
            keep_alive: connect.keep_alive,
        }));
        if opened.stored
            && let Some(wait) = self.session_kept(opened.session)
        {
            self.out.hold(wait, Release::Open { link: id, connack: bytes });
        } else {
            self.finish_open(now, id, &bytes);
        }
    }

    /// The session's state is safe: CONNACK leaves, and messages may follow it.
    pub(crate) fn finish_open(&mut self, now: u64, id: LinkId, connack: &[u8]) {
        let Some(link) = self.out.link_mut(id).filter(|link| link.state == LinkState::Opening) else {
            return;
        };
        link.state = LinkState::Open;
        let slot = link.session;
        let silence = u64::from(link.silence);
        if silence > 0 {
            let look_at = self.wheel.schedule(now + silence, id);
            if let Some(link) = self.out.link_mut(id) {
                link.look_at = look_at;
            }
        }
        self.out.reply(id.slot, connack, None);
        if let Some(session) = self.out.sessions.get_mut(slot as usize) {
            session.attached = true;
            self.timers.stop(Timer::Will, session.will_at, slot, session.number);
            self.timers.stop(Timer::Expiry, session.ends_at, slot, session.number);
            session.queue.rewind();
            if session.queue.next == 0 {
                session.queue.unread = 0;
            }
            self.group_presence(slot, true);
            self.pump(now, slot);
        }
        self.out.effects.push_back(Effect::Resume { link: id });
    }

    fn open_session(&mut self, now: u64, id: LinkId, connect: &Connect, identity: &Identity) -> Opened {
        let assigned = connect.client_id.is_empty();
        let client: Arc<str> =
            if assigned { self.assign_client_id().into() } else { (&*connect.client_id).into() };
        let expiry = self.session_expiry(connect);
        self.has_returned(&client);
        let mut ended = false;
        let mut existing = self.by_client.get(&client).copied();
        if let Some(slot) = existing {
            self.take_over(now, slot, id, connect.clean_start);
            existing = self.by_client.get(&client).copied();
        }
        if connect.clean_start
            && let Some(slot) = existing.take()
        {
            ended = self.out.sessions[slot as usize].is_durable();
            self.end_session(now, slot, false);
        }
        let present = existing.is_some();
        let slot = existing.unwrap_or_else(|| self.create_session(client, expiry));
        let session = &mut self.out.sessions[slot as usize];
        if ended || !present || session.expiry != expiry || !self.full {
            session.told_in = self.out.batch;
        }
        session.expiry = expiry;
        session.user.clone_from(&identity.user);
        session.link = id.slot;
        session.kept |= expiry > 0;
        if session.kept {
            // One that goes on changes too: its expiry counts no longer, and after a crash it begins anew.
            let change = session.told();
            self.out.persist.push(change);
        }
        let session = &mut self.out.sessions[slot as usize];
        let stored = ended || session.kept;
        session.will = connect.will.as_ref().map(|will| Box::new(self::will(will)));
        if let Some(will) = &session.will {
            let will = KeptWill {
                client: session.client.clone(),
                message: will.message.clone(),
                delay: will.delay,
                expiry: will.expiry,
            };
            self.out.persist.push(Change::Will { session: session.number, will });
        }
        self.give_permit(slot, identity);
        Opened { session: slot, present, stored, assigned }
    }

    /// Ends the connection that an existing session has [MQTT-3.1.4-3].
    fn take_over(&mut self, now: u64, slot: u32, id: LinkId, clean: bool) {
        let session = &mut self.out.sessions[slot as usize];
        if !clean && session.is_durable() && session.will.as_ref().is_some_and(|will| will.delay > 0) {
            // The session goes on before its will delay has passed [MQTT-3.1.3-9].
            session.will = None;
            let number = session.number;
            self.out.persist.push(Change::WillCleared { session: number });
        }
        let session = &mut self.out.sessions[slot as usize];
        if session.link != NONE {
            let (link, client) = (session.link, session.client.clone());
            self.count_takeover(now, &client, link, id.slot);
            let what = "another connection uses this client identifier";
            self.close(now, link, Ending::Server { reason: ReasonCode::SessionTakenOver, what });
        }
    }

    fn create_session(&mut self, client: Arc<str>, expiry: u32) -> u32 {
        let number = self.next_session;
        self.next_session += 1;
        self.add_session(Session::new(number, client, expiry))
    }

    fn set_up_link(&mut self, id: LinkId, connect: &Connect, session: u32) {
        let limits = &self.out.limits;
        let (inflight, alias_maximum) = (limits.inflight, limits.topic_alias_maximum);
        let keep_alive = self.keep_alive(connect);
        let carried = self.out.sessions[session as usize].incoming.len();
        let Some(link) = self.out.link_mut(id) else { return };
        link.session = session;
        link.carried = carried;
        link.state = LinkState::Opening;
        // One and a half times the keep alive [MQTT-3.1.2-22].
        link.silence = u32::from(keep_alive) * 1500;
        let properties = &connect.properties;
        link.sent_most = properties.receive_maximum().unwrap_or(u16::MAX).min(inflight);
        link.packet_most = properties.maximum_packet_size().unwrap_or(u32::MAX);
        if connect.version == Version::V5 {
            link.incoming_aliases =
                (alias_maximum > 0).then(|| Box::new(IncomingAliases::new(alias_maximum)));
            let theirs = properties.topic_alias_maximum().unwrap_or(0);
            link.outgoing_aliases = (theirs > 0).then(|| Box::new(OutgoingAliases::new(theirs)));
        }
    }

    fn connack(&self, connect: &Connect, opened: &Opened) -> ConnAck {
        let mut properties = Properties::default();
        if connect.version == Version::V5 {
            let limits = &self.out.limits;
            let session = &self.out.sessions[opened.session as usize];
            if connect.properties.session_expiry_interval().unwrap_or(0) != session.expiry {
                properties.push(Property::SessionExpiryInterval(session.expiry));
            }
            properties.push(Property::ReceiveMaximum(limits.receive_maximum));
            properties
                .push(Property::MaximumPacketSize(u32::try_from(limits.packet_size).unwrap_or(u32::MAX)));
            if opened.assigned {
                properties.push(Property::AssignedClientIdentifier((&*session.client).into()));
            }
            if limits.topic_alias_maximum > 0 {
                properties.push(Property::TopicAliasMaximum(limits.topic_alias_maximum));
            }
            if self.keep_alive(connect) != connect.keep_alive {
                properties.push(Property::ServerKeepAlive(self.keep_alive(connect)));
            }
            if connect.properties.request_response_information() == Some(true) {
                let prefix = format!("reply/{}/", session.client);
                properties.push(Property::ResponseInformation(prefix.into()));
            }
        }
        ConnAck { session_present: opened.present, reason: ReasonCode::Success, properties }
    }

    fn keep_alive(&self, connect: &Connect) -> u16 {
        match self.out.limits.keep_alive {
            Some(most)
                if connect.version == Version::V5
                    && (connect.keep_alive == 0 || connect.keep_alive > most) =>
            {
                most
            }
            _ => connect.keep_alive,
        }
    }

    pub(crate) fn session_expiry(&self, connect: &Connect) -> u32 {
        let most = self.out.limits.session_expiry;
        match (connect.version, connect.clean_start) {
            (Version::V5, _) => connect.properties.session_expiry_interval().unwrap_or(0).min(most),
            (_, true) => 0,
            (_, false) => most,
        }
    }

    /// An identifier that nobody can guess: who knows it could take over the session.
    fn assign_client_id(&mut self) -> String {
        loop {
            self.next_client += 1;
            let id = format!("darter-{:016x}", self.place.secret(self.next_client));
            if self.owner(&id) == self.place.index && !self.by_client.contains_key(id.as_str()) {
                return id;
            }
        }
    }

    fn refuse_undecoded(&mut self, now: u64, id: LinkId, body: &[u8], error: DecodeError) {
        let reason = error.reason_code();
        if let DecodeError::UnsupportedProtocolVersion { .. } = error {
            // [MQTT-3.1.2-2]: this answer can be read by a client of any version.
            self.out.reply(id.slot, &[0x20, 0x02, 0x00, 0x01], None);
        } else if Connect::peek_version(body) == Some(Version::V5) {
            let connack = ConnAck { session_present: false, reason, properties: Properties::default() };
            let mut bytes = Vec::new();
            if Packet::from(connack).encode(Version::V5, &mut bytes).is_ok() {
                self.out.reply(id.slot, &bytes, None);
            }
        }
        self.out.counters.bad_packets += 1;
        self.refuse_silently(now, id, reason, error.what());
    }

    pub(crate) fn refuse_silently(&mut self, now: u64, id: LinkId, reason: ReasonCode, what: &'static str) {
        self.out.counters.refused += 1;
        self.out.effects.push_back(Effect::Event(Event::Refused {
            link: id.slot,
            client: None,
            reason,
            what,
        }));
        self.close(now, id.slot, Ending::Server { reason, what });
    }

    /// Answers a CONNECT with an error, then closes the connection [MQTT-3.2.2-5].
    pub(crate) fn refuse(
        &mut self,
        now: u64,
        id: LinkId,
        connect: Option<&Connect>,
        reason: ReasonCode,
        what: &'static str,
    ) {
        let version = connect.map_or(Version::V311, |connect| connect.version);
        let mut properties = Properties::default();
        // Whoever guesses shall not learn what was wrong, such as whether there is a user of that name.
        let secret = matches!(reason, ReasonCode::BadUserNameOrPassword | ReasonCode::NotAuthorized);
        if version == Version::V5 && !secret {
            properties.push(Property::ReasonString(what.into()));
        }
        let mut bytes = Vec::new();
        let connack = ConnAck { session_present: false, reason, properties };
        if encode_within(connack, connect, &mut bytes) {
            self.out.reply(id.slot, &bytes, None);
        }
        self.out.counters.refused += 1;
        let client = connect.map(|connect| (&*connect.client_id).into());
        self.out.effects.push_back(Effect::Event(Event::Refused { link: id.slot, client, reason, what }));
        self.close(now, id.slot, Ending::Server { reason, what });
    }
}

/// Encodes a CONNACK; without its properties when the client takes no packet of that size [MQTT-3.2.2-19].
fn encode_within(mut connack: ConnAck, connect: Option<&Connect>, bytes: &mut Vec<u8>) -> bool {
    let version = connect.map_or(Version::V311, |connect| connect.version);
    let most = connect.and_then(|connect| connect.properties.maximum_packet_size()).unwrap_or(u32::MAX);
    for _ in 0..2 {
        bytes.clear();
        if Packet::from(connack.clone()).encode(version, bytes).is_ok() && bytes.len() <= most as usize {
            return true;
        }
        connack.properties = Properties::default();
    }
    false
}

fn will(will: &darter_codec::Will) -> Will {
    let mut forwarded = Vec::new();
    will.properties.encode_forwarded(&mut forwarded);
    Will {
        message: Message::new(will.qos, will.retain, &will.topic, [&forwarded[..]], &will.payload, None),
        delay: will.properties.will_delay_interval().unwrap_or(0),
        expiry: will.properties.message_expiry_interval(),
    }
}

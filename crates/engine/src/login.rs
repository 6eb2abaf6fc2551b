//! How a client shows who it is: the verdict on its CONNECT, enhanced authentication, and logins that end (section 4.12).

use crate::access::Identity;
use crate::effect::{Effect, LinkId};
use crate::event::{Ending, Event};
use crate::incoming::violation;
use crate::link::{LinkState, NONE};
use crate::pace::Allowance;
use crate::shard::{Fault, Shard};
use crate::timers::{Due, Timer};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use darter_codec::{Auth, Connect, Packet, Properties, Property, ReasonCode, Version};

/// Most clients of a shard that wait, beyond which refusals are told at once.
const MOST_DELAYED: usize = 4_096;

/// What an authenticator says of a CONNECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The client may connect.
    Accept(Identity),
    /// The client may not connect.
    Refuse {
        /// What it is told; version 3 clients get the return code that fits best (section 3.2.2.3).
        reason: ReasonCode,
        /// The cause in plain words, for the log.
        what: &'static str,
    },
}

/// The server's side of enhanced authentication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The client is sent this Authentication Data and has to answer it.
    Challenge(Vec<u8>),
    /// The client may connect, or stay connected.
    Accept {
        /// Who it is.
        identity: Identity,
        /// Authentication Data for the client, which may want to know whom it speaks to.
        data: Vec<u8>,
    },
    /// The client may not connect or stay; the cause in plain words, for the log.
    Refuse(&'static str),
}

/// What is remembered of a login until it is decided, and afterwards if it may end or begin anew.
#[derive(Debug)]
pub(crate) struct Login {
    connect: Arc<Connect>,
    /// Whose turn it is while a connected client authenticates anew.
    anew: Option<Turn>,
    /// When the client is disconnected unless it has authenticated anew.
    ends_at: Option<u64>,
    /// What a client that has to wait will learn.
    decided: Option<Decided>,
    /// What counts what it will publish, together with other clients of its user.
    pub(crate) allowance: Option<Arc<Allowance>>,
}

/// A decision that is told later.
#[derive(Debug)]
pub(crate) enum Decided {
    Admit { identity: Identity, data: Vec<u8> },
    Refuse { reason: ReasonCode, what: &'static str },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Client,
    Server,
}

impl Login {
    pub(crate) fn begin(connect: Arc<Connect>) -> Self {
        Self { connect, anew: None, ends_at: None, decided: None, allowance: None }
    }

    pub(crate) fn connect(&self) -> &Arc<Connect> {
        &self.connect
    }
}

impl Shard {
    /// The authenticator's answer to [`Effect::Authenticate`]. A connection that is gone needs none any more.
    pub fn handle_verdict(&mut self, now: u64, id: LinkId, verdict: Verdict) {
        let Some(connect) = self.undecided(id) else { return };
        match verdict {
            Verdict::Refuse { reason, what } => self.refuse(now, id, Some(&connect), reason, what),
            Verdict::Accept(_) if connect.properties.authentication_method().is_some() => {
                let reason = ReasonCode::BadAuthenticationMethod;
                self.refuse(
                    now,
                    id,
                    Some(&connect),
                    reason,
                    "there is no authentication method of this name",
                );
            }
            Verdict::Accept(identity) => self.admit(now, id, &connect, &identity, Vec::new()),
        }
    }

    /// The server's next step in enhanced authentication: the answer to [`Effect::Authenticate`],
    /// [`Effect::AuthenticateAnew`] and [`Effect::Continue`]. A connection that is gone needs none any more.
    pub fn handle_step(&mut self, now: u64, id: LinkId, step: Step) {
        let Some(connect) = self.undecided(id) else {
            self.handle_step_anew(now, id, step);
            return;
        };
        if connect.properties.authentication_method().is_none() {
            let reason = ReasonCode::ImplementationSpecificError;
            self.refuse(now, id, Some(&connect), reason, "it named no authentication method");
            return;
        }
        match step {
            Step::Refuse(what) => self.refuse(now, id, Some(&connect), ReasonCode::NotAuthorized, what),
            Step::Accept { identity, data } => self.admit(now, id, &connect, &identity, data),
            Step::Challenge(data) => {
                let most = connect.properties.maximum_packet_size().unwrap_or(u32::MAX);
                if !self.send_auth(id.slot, ReasonCode::ContinueAuthentication, &connect, data, most) {
                    let what = "the client takes no packet as large as its challenge";
                    self.refuse(now, id, Some(&connect), ReasonCode::PacketTooLarge, what);
                    return;
                }
                if let Some(link) = self.out.link_mut(id) {
                    link.state = LinkState::Challenged;
                    link.last_seen = now;
                }
                self.out.effects.push_back(Effect::Resume { link: id });
            }
        }
    }

    /// The answer to [`Effect::Authenticate`] or [`Effect::Continue`] is that the client may not connect, and it learns that at
    /// `at`. If too many wait already it learns it now.
    pub fn refuse_later(&mut self, now: u64, id: LinkId, at: u64, reason: ReasonCode, what: &'static str) {
        let Some(connect) = self.undecided(id) else { return };
        if at <= now || self.waking.len() >= MOST_DELAYED {
            self.refuse(now, id, Some(&connect), reason, what);
        } else {
            self.decide_later(id, at, Decided::Refuse { reason, what });
        }
    }

    /// The client waits until `at`.
    pub(crate) fn decide_later(&mut self, id: LinkId, at: u64, decided: Decided) {
        let Some(link) = self.out.link_mut(id) else { return };
        let Some(login) = link.login.as_mut() else { return };
        login.decided = Some(decided);
        link.state = LinkState::Delayed;
        link.waits_until = at;
        self.waking.insert((at, id));
    }

    /// Goes on with connections that have waited for this moment.
    pub(crate) fn wake(&mut self, now: u64) {
        while let Some(&(at, id)) = self.waking.first()
            && at <= now
        {
            self.waking.pop_first();
            if !self.tell_decided(now, id) {
                self.end_pause(now, at, id);
            }
        }
    }

    /// Tells a client what was decided, if it waits for that.
    fn tell_decided(&mut self, now: u64, id: LinkId) -> bool {
        let Some(link) = self.out.link_mut(id).filter(|link| link.state == LinkState::Delayed) else {
            return false;
        };
        link.state = LinkState::Authenticating;
        link.waits_until = 0;
        let Some(login) = link.login.as_mut() else { return true };
        let connect = login.connect.clone();
        match login.decided.take() {
            Some(Decided::Admit { identity, data }) if self.may_enter(now, id, &connect, &identity) => {
                self.let_in(now, id, &connect, &identity, data);
            }
            Some(Decided::Refuse { reason, what }) => self.refuse(now, id, Some(&connect), reason, what),
            Some(Decided::Admit { .. }) | None => {}
        }
        true
    }

    /// What a client asks for whose login the server has to decide now.
    fn undecided(&mut self, id: LinkId) -> Option<Arc<Connect>> {
        let link = self.out.link_mut(id).filter(|link| link.state == LinkState::Authenticating)?;
        link.login.as_ref().map(|login| login.connect.clone())
    }

    /// A packet from a client that has a challenge to answer.
    pub(crate) fn handle_challenged(&mut self, now: u64, id: LinkId, first: u8, body: &[u8]) {
        self.out.counters.packets_received += 1;
        let Some(login) = self.out.link_mut(id).and_then(|link| link.login.as_ref()) else { return };
        let connect = login.connect.clone();
        let answer = match Packet::decode(Version::V5, first, &Bytes::copy_from_slice(body)) {
            Ok(Packet::Auth(packet)) => answer(&packet, &connect),
            Ok(Packet::Disconnect(packet)) => {
                self.close(now, id.slot, Ending::Client(packet.reason));
                return;
            }
            Ok(_) => Err(violation("a packet other than AUTH before CONNACK")),
            Err(error) => Err(error.into()),
        };
        match answer {
            Ok(data) => {
                if let Some(link) = self.out.link_mut(id) {
                    link.state = LinkState::Authenticating;
                }
                self.out.effects.push_back(Effect::Continue { link: id, data });
            }
            Err(Fault { reason, what }) => {
                self.out.counters.bad_packets += 1;
                self.refuse(now, id, Some(&connect), reason, what);
            }
        }
    }

    /// AUTH on an open connection: the client authenticates anew, or goes on with it.
    pub(crate) fn handle_auth(&mut self, slot: u32, packet: &Auth) -> Result<(), Fault> {
        let link = &mut self.out.links[slot as usize];
        let id = link.id(slot);
        let login = link.login.as_mut().filter(|login| method(&login.connect).is_some());
        let login =
            login.ok_or_else(|| violation("AUTH from a client that named no authentication method"))?;
        if packet.reason == ReasonCode::ReAuthenticate {
            if login.anew.is_some() {
                return Err(violation("re-authentication that begins before the last one is over"));
            }
            let data = data(packet, &login.connect)?;
            login.anew = Some(Turn::Server);
            let connect = login.connect.clone();
            self.out.effects.push_back(Effect::AuthenticateAnew { link: id, connect, data });
            return Ok(());
        }
        if login.anew != Some(Turn::Client) {
            return Err(violation("AUTH that answers no challenge"));
        }
        let data = answer(packet, &login.connect)?;
        login.anew = Some(Turn::Server);
        self.out.effects.push_back(Effect::Continue { link: id, data });
        Ok(())
    }

    /// The server's step for a client that authenticates anew.
    fn handle_step_anew(&mut self, now: u64, id: LinkId, step: Step) {
        let Some(link) = self.out.link_mut(id).filter(|link| link.state == LinkState::Open) else { return };
        let (session, most) = (link.session, link.packet_most);
        let Some(login) = link.login.as_mut().filter(|login| login.anew == Some(Turn::Server)) else {
            return;
        };
        let connect = login.connect.clone();
        let sent = match step {
            Step::Challenge(data) => {
                login.anew = Some(Turn::Client);
                self.send_auth(id.slot, ReasonCode::ContinueAuthentication, &connect, data, most)
            }
            Step::Refuse(what) => {
                self.end_after_failure(now, id, what);
                return;
            }
            Step::Accept { identity, data } => {
                login.anew = None;
                let ends_at = identity.ends_at;
                if !self.identify_anew(session, &identity) {
                    self.end_after_failure(now, id, "it is another user than the one that connected");
                    return;
                }
                self.let_login_end(id, session, ends_at);
                self.send_auth(id.slot, ReasonCode::Success, &connect, data, most)
            }
        };
        if !sent {
            let what = "the client takes no packet as large as its AUTH";
            self.close(now, id.slot, Ending::Server { reason: ReasonCode::PacketTooLarge, what });
        }
    }

    /// A connected client could not show anew who it is [MQTT-4.12.1-2]. Only the log learns why.
    fn end_after_failure(&mut self, now: u64, id: LinkId, what: &'static str) {
        let reason = ReasonCode::NotAuthorized;
        let session = self.out.links.get(id.slot as usize).map_or(NONE, |link| link.session);
        let client = self.out.sessions.get(session as usize).map(|session| (&*session.client).into());
        self.out.effects.push_back(Effect::Event(Event::Refused { link: id.slot, client, reason, what }));
        let what = "it did not show anew who it is";
        self.close(now, id.slot, Ending::Server { reason, what });
    }

    /// A connected client has shown anew who it is. False when it is somebody else now.
    fn identify_anew(&mut self, session: u32, identity: &Identity) -> bool {
        let known = self.out.sessions.get(session as usize);
        let same = known.is_some_and(|session| session.user == identity.user);
        if same {
            self.give_permit(session, identity);
        }
        same
    }

    /// Sends AUTH; false when the client takes no packet of its size.
    fn send_auth(
        &mut self,
        slot: u32,
        reason: ReasonCode,
        connect: &Connect,
        data: Vec<u8>,
        most: u32,
    ) -> bool {
        let mut properties = Properties::default();
        if let Some(method) = method(connect) {
            properties.push(Property::AuthenticationMethod(method.into()));
        }
        if !data.is_empty() {
            properties.push(Property::AuthenticationData(data.into()));
        }
        let mut bytes = Vec::new();
        let encoded = Packet::from(Auth { reason, properties }).encode(Version::V5, &mut bytes);
        let fits = encoded.is_ok() && bytes.len() <= most as usize;
        if fits {
            self.out.reply(slot, &bytes, None);
        }
        fits
    }

    /// The client is in: what may still be needed of its login stays.
    pub(crate) fn keep_login(&mut self, id: LinkId, session: u32, ends_at: Option<u64>) {
        let Some(link) = self.out.link_mut(id) else { return };
        let Some(login) = link.login.take() else { return };
        if method(&login.connect).is_none() && ends_at.is_none() {
            return;
        }
        let connect = Arc::new(without_secrets(&login.connect));
        link.login = Some(Box::new(Login::begin(connect)));
        self.let_login_end(id, session, ends_at);
    }

    /// The client is disconnected at this moment, and no more at an earlier one.
    fn let_login_end(&mut self, id: LinkId, session: u32, ends_at: Option<u64>) {
        let Some(number) = self.out.sessions.get(session as usize).map(|session| session.number) else {
            return;
        };
        let Some(login) = self.out.link_mut(id).and_then(|link| link.login.as_mut()) else { return };
        if let Some(at) = core::mem::replace(&mut login.ends_at, ends_at) {
            self.timers.stop(Timer::Login, at, session, number);
        }
        if let Some(at) = ends_at {
            self.timers.start(at, Timer::Login, session, number);
        }
    }

    /// A connection of this session is closed, and nobody waits for the end of its login.
    pub(crate) fn forget_login(&mut self, session: u32, login: Option<Box<Login>>) {
        if let Some(at) = login.and_then(|login| login.ends_at)
            && let Some(number) = self.out.sessions.get(session as usize).map(|session| session.number)
        {
            self.timers.stop(Timer::Login, at, session, number);
        }
    }

    /// What a client has shown of itself holds no longer.
    pub(crate) fn end_login(&mut self, now: u64, due: Due) {
        let Some(session) = self.out.sessions.get(due.session as usize) else { return };
        if session.number != due.number || session.link == NONE {
            return;
        }
        let slot = session.link;
        let login = self.out.links.get(slot as usize).and_then(|link| link.login.as_ref());
        if login.is_some_and(|login| login.ends_at == Some(due.at)) {
            let what = "its login has ended";
            self.close(now, slot, Ending::Server { reason: ReasonCode::NotAuthorized, what });
        }
    }
}

/// The name of the way in which the client shows who it is.
fn method(connect: &Connect) -> Option<&str> {
    connect.properties.authentication_method().map(|method| &**method)
}

/// The data in the client's answer to a challenge [MQTT-4.12.0-3].
fn answer(packet: &Auth, connect: &Connect) -> Result<Bytes, Fault> {
    if packet.reason != ReasonCode::ContinueAuthentication {
        return Err(violation("AUTH that does not go on with the authentication"));
    }
    data(packet, connect)
}

/// The data in an AUTH, which names the method of CONNECT [MQTT-4.12.0-5].
fn data(packet: &Auth, connect: &Connect) -> Result<Bytes, Fault> {
    if packet.properties.authentication_method() != connect.properties.authentication_method() {
        return Err(violation("AUTH without the authentication method of CONNECT"));
    }
    Ok(packet.properties.authentication_data().cloned().unwrap_or_default())
}

/// What a CONNECT says of its client, without what only the login or the session needed. Copied, because otherwise all of
/// the packet would stay in memory.
fn without_secrets(connect: &Connect) -> Connect {
    let mut properties = Properties::default();
    if let Some(method) = method(connect) {
        properties.push(Property::AuthenticationMethod(method.into()));
    }
    Connect {
        client_id: (&*connect.client_id).into(),
        username: connect.username.as_ref().map(|name| (&**name).into()),
        will: None,
        password: None,
        properties,
        ..connect.clone()
    }
}

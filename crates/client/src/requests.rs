//! Subscribes and unsubscribes: sent, answered, and made again on the next network connection.

use crate::{Error, SubAck, Subscribe, UnsubAck, Unsubscribe};
use darter_session::client::{CommandError, Connection, Token};
use std::collections::{BTreeMap, VecDeque};
use tokio::sync::oneshot;

/// What was asked for, and who waits for the answer.
#[derive(Debug)]
pub(crate) enum Request {
    Subscribe(Subscribe, Option<oneshot::Sender<Result<SubAck, Error>>>),
    Unsubscribe(Unsubscribe, Option<oneshot::Sender<Result<UnsubAck, Error>>>),
}

/// The requests of a client, and the subscriptions that stand.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    unsent: VecDeque<Request>,
    unanswered: BTreeMap<Token, Request>,
    /// What the server accepted, to be asked for again when it lost the session.
    standing: Vec<Subscribe>,
}

impl Requests {
    pub(crate) fn push(&mut self, request: Request) {
        self.unsent.push_back(request);
    }

    /// Sends what the connection takes now.
    pub(crate) fn send(&mut self, connection: &mut Connection) {
        while let Some(request) = self.unsent.pop_front() {
            let sent = match &request {
                Request::Subscribe(subscribe, _) => connection.subscribe(subscribe.clone()),
                Request::Unsubscribe(unsubscribe, _) => connection.unsubscribe(unsubscribe.clone()),
            };
            match sent {
                Ok(token) => {
                    self.unanswered.insert(token, request);
                }
                Err(CommandError::NotConnected | CommandError::NoPacketId) => {
                    self.unsent.push_front(request);
                    return;
                }
                Err(error) => request.refuse(error.into()),
            }
        }
    }

    /// SUBACK.
    pub(crate) fn subscribed(&mut self, token: Token, suback: SubAck) {
        let Some(Request::Subscribe(mut subscribe, reply)) = self.unanswered.remove(&token) else {
            return;
        };
        let mut reasons = suback.reasons.iter();
        subscribe.filters.retain(|_| reasons.next().is_some_and(|reason| !reason.is_error()));
        if !subscribe.filters.is_empty() {
            self.standing.push(subscribe);
        }
        if let Some(reply) = reply {
            // Nobody waits for the answer of a cancelled request.
            let _ = reply.send(Ok(suback));
        }
    }

    /// UNSUBACK.
    pub(crate) fn unsubscribed(&mut self, token: Token, unsuback: UnsubAck) {
        let Some(Request::Unsubscribe(unsubscribe, reply)) = self.unanswered.remove(&token) else {
            return;
        };
        for standing in &mut self.standing {
            standing.filters.retain(|standing| !unsubscribe.filters.contains(&standing.filter));
        }
        self.standing.retain(|standing| !standing.filters.is_empty());
        if let Some(reply) = reply {
            // Nobody waits for the answer of a cancelled request.
            let _ = reply.send(Ok(unsuback));
        }
    }

    /// What was not answered is asked again on the next network connection.
    pub(crate) fn connection_closed(&mut self) {
        for (_, request) in std::mem::take(&mut self.unanswered).into_iter().rev() {
            self.unsent.push_front(request);
        }
    }

    /// The subscriptions that stood are asked for again, before anything else.
    pub(crate) fn subscribe_again(&mut self) {
        for subscribe in std::mem::take(&mut self.standing).into_iter().rev() {
            self.unsent.push_front(Request::Subscribe(subscribe, None));
        }
    }
}

impl Request {
    fn refuse(self, error: Error) {
        // Nobody waits for the answer of a cancelled request.
        match self {
            Self::Subscribe(_, Some(reply)) => drop(reply.send(Err(error))),
            Self::Unsubscribe(_, Some(reply)) => drop(reply.send(Err(error))),
            Self::Subscribe(_, None) | Self::Unsubscribe(_, None) => {}
        }
    }
}

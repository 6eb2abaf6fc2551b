//! Which stream gets which message.

use crate::Message;
use crate::messages::{AcknowledgeOnDrop, Incoming};
use darter_codec::{ByteString, SharedFilter, topic};
use darter_session::client::Delivery;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::mpsc;

/// The streams of a client, and the messages that found them full.
#[derive(Debug)]
pub(crate) struct Routes {
    routes: Vec<Route>,
    inbox: Option<mpsc::Sender<Incoming>>,
    /// In the order of arrival. Nothing more is read from the network while there are any.
    undelivered: VecDeque<(mpsc::Sender<Incoming>, Incoming)>,
    acknowledgements: mpsc::UnboundedSender<Delivery>,
}

#[derive(Debug)]
struct Route {
    filters: Vec<ByteString>,
    stream: mpsc::Sender<Incoming>,
}

impl Routes {
    pub(crate) fn new(
        inbox: Option<mpsc::Sender<Incoming>>,
        acknowledgements: mpsc::UnboundedSender<Delivery>,
    ) -> Self {
        Self { routes: Vec::new(), inbox, undelivered: VecDeque::new(), acknowledgements }
    }

    /// From now on messages that one of the filters matches go to `stream`.
    pub(crate) fn add(&mut self, filters: Vec<ByteString>, stream: mpsc::Sender<Incoming>) {
        self.routes.push(Route { filters, stream });
    }

    /// These topic filters are unsubscribed; a stream without any other one ends.
    pub(crate) fn remove(&mut self, filters: &[ByteString]) {
        for route in &mut self.routes {
            route.filters.retain(|filter| !filters.contains(filter));
        }
        self.routes.retain(|route| !route.filters.is_empty());
    }

    /// Hands a message to every stream that asked for it; without one it is dropped.
    pub(crate) fn deliver(&mut self, message: Message) {
        let acknowledgement = message.delivery.map(|delivery| {
            Arc::new(AcknowledgeOnDrop { delivery, acknowledgements: self.acknowledgements.clone() })
        });
        let mut streams: Vec<_> = self
            .routes
            .iter()
            .filter(|route| route.wants(&message.topic))
            .map(|route| route.stream.clone())
            .collect();
        if streams.is_empty() {
            streams.extend(self.inbox.clone());
        }
        let incoming = Incoming { message, acknowledgement };
        for stream in streams {
            self.undelivered.push_back((stream, incoming.clone()));
        }
        self.deliver_what_fits();
    }

    /// A stream is full: nothing more is to be read.
    pub(crate) fn is_full(&self) -> bool {
        !self.undelivered.is_empty()
    }

    /// Waits until a full stream has room again, and uses it. Never complete while no stream is full.
    pub(crate) async fn room(&mut self) {
        let Some((stream, _)) = self.undelivered.front() else {
            return std::future::pending().await;
        };
        let permit = stream.clone().reserve_owned().await;
        if let (Some((_, incoming)), Ok(permit)) = (self.undelivered.pop_front(), permit) {
            permit.send(incoming);
        }
        self.deliver_what_fits();
    }

    /// Ends the routes of dropped streams and returns the topic filters that nobody wants any more.
    pub(crate) fn take_abandoned(&mut self) -> Vec<ByteString> {
        let (gone, kept): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.routes).into_iter().partition(|route| route.stream.is_closed());
        self.routes = kept;
        let mut filters: Vec<_> = gone.into_iter().flat_map(|route| route.filters).collect();
        filters.retain(|filter| !self.routes.iter().any(|route| route.filters.contains(filter)));
        filters
    }

    fn deliver_what_fits(&mut self) {
        while let Some((stream, incoming)) = self.undelivered.pop_front() {
            if let Err(mpsc::error::TrySendError::Full(incoming)) = stream.try_send(incoming) {
                self.undelivered.push_front((stream, incoming));
                return;
            }
        }
    }
}

impl Route {
    fn wants(&self, name: &str) -> bool {
        self.filters.iter().any(|filter| {
            let plain = match SharedFilter::parse(filter) {
                Ok(Some(shared)) => shared.filter,
                _ => filter,
            };
            topic::matches(plain, name)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Messages, Properties, QoS};

    fn message(topic: &str) -> Message {
        Message {
            topic: topic.into(),
            payload: bytes::Bytes::new(),
            qos: QoS::AtMostOnce,
            retain: false,
            dup: false,
            packet_id: None,
            properties: Properties::default(),
            delivery: None,
        }
    }

    fn routes(inbox: bool) -> (Routes, Messages) {
        let (sender, messages) = Messages::new(2);
        let (acknowledgements, _) = mpsc::unbounded_channel();
        (Routes::new(inbox.then_some(sender), acknowledgements), messages)
    }

    #[test]
    fn a_message_goes_to_every_stream_that_asked_for_it_and_else_to_the_inbox() {
        let (mut routes, mut inbox) = routes(true);
        let (one, mut a) = Messages::new(2);
        let (two, mut shared) = Messages::new(2);
        routes.add(vec!["a/+".into()], one);
        routes.add(vec!["$share/g/a/#".into()], two);
        routes.deliver(message("a/b"));
        routes.deliver(message("c"));
        assert_eq!(a.try_recv().map(|message| message.topic.to_string()), Some("a/b".to_owned()));
        assert_eq!(shared.try_recv().map(|message| message.topic.to_string()), Some("a/b".to_owned()));
        assert_eq!(inbox.try_recv().map(|message| message.topic.to_string()), Some("c".to_owned()));
        assert!(a.try_recv().is_none() && shared.try_recv().is_none() && inbox.try_recv().is_none());
    }

    #[test]
    fn a_full_stream_keeps_the_order() {
        let (mut routes, mut inbox) = routes(true);
        for topic in ["1", "2", "3", "4"] {
            routes.deliver(message(topic));
        }
        assert!(routes.is_full());
        assert!(inbox.try_recv().is_some_and(|message| message.topic == "1"));
        routes.deliver(message("5"));
        for topic in ["2", "3"] {
            assert!(inbox.try_recv().is_some_and(|message| message.topic == topic));
        }
        routes.deliver_what_fits();
        for topic in ["4", "5"] {
            assert!(inbox.try_recv().is_some_and(|message| message.topic == topic));
        }
        assert!(!routes.is_full());
    }

    #[test]
    fn a_dropped_stream_gives_back_the_filters_that_nobody_else_uses() {
        let (mut routes, _inbox) = routes(false);
        let (one, kept) = Messages::new(1);
        let (two, dropped) = Messages::new(1);
        routes.add(vec!["a".into()], one);
        routes.add(vec!["a".into(), "b".into()], two);
        drop(dropped);
        assert_eq!(routes.take_abandoned(), [ByteString::from("b")]);
        drop(kept);
        assert_eq!(routes.take_abandoned(), [ByteString::from("a")]);
    }
}

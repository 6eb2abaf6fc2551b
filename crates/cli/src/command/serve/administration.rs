//! The socket through which `darter status` and the like reach this server.

use darter_broker::Broker;
use darter_broker::admin::explain::Doors;
use darter_broker::admin::{Socket, Subject};
use std::path::Path;
use std::sync::Arc;

/// Opens the socket. A server that cannot have one serves its clients all the same.
pub(super) fn open(folder: Option<&Path>, broker: &Broker, doors: Arc<Doors>) -> Option<Socket> {
    let subject = Subject::new(broker.view()).with_doors(doors);
    match Socket::open(folder, subject) {
        Ok(socket) => {
            tracing::debug!(socket = %socket.path().display(), "open for live administration");
            Some(socket)
        }
        Err(error) => {
            tracing::warn!(%error, "no live administration: 'darter status' and the like cannot find this server");
            None
        }
    }
}

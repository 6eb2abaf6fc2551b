//! Opens the network connection.

use crate::{ClientOptions, Lost};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::timeout;

/// Tries every address of the host in turn.
pub(crate) async fn open(options: &ClientOptions) -> Result<TcpStream, Lost> {
    let addresses = lookup(&options.host, options.port).await?;
    let local = match &options.bind_address {
        Some(host) => lookup(host, 0).await?,
        None => Vec::new(),
    };
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in addresses {
        let attempt = timeout(options.connect_timeout, connect(address, &local)).await;
        match attempt.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(stream) => {
                // Some systems refuse the option on a connection that is gone already; the next write tells.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(Lost::Open { host: options.host.clone(), port: options.port, error: Arc::new(last) })
}

async fn connect(address: SocketAddr, local: &[SocketAddr]) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(local) = local.iter().find(|local| local.is_ipv4() == address.is_ipv4()) {
        socket.bind(*local)?;
    } else if !local.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the local address is of the other IP version",
        ));
    }
    socket.connect(address).await
}

async fn lookup(host: &str, port: u16) -> Result<Vec<SocketAddr>, Lost> {
    match lookup_host((host, port)).await {
        Ok(addresses) => Ok(addresses.collect()),
        Err(error) => Err(Lost::Lookup { host: host.to_owned(), error: Arc::new(error) }),
    }
}

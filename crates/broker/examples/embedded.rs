#![allow(clippy::print_stdout, reason = "an example talks to its reader")]
//! A server inside another program: `cargo run -p darter-broker --example embedded`.

use darter_broker::{Broker, Options};
use std::io::Read;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let broker = Broker::start(&Options::default())?;
    for address in broker.addresses() {
        println!("MQTT on {address}; end of input stops it");
    }
    std::io::stdin().read_to_end(&mut Vec::new())?;
    broker.shutdown();
    Ok(())
}

//! `darter cert`: certificates of one's own.

use super::plain::print;
use anyhow::Context;
use clap::{Args, Subcommand};
use darter_config::DataDir;
use darter_config::certificates::{Authority, KeyKind, Machine, Made};
use std::fmt::Write;
use std::net::IpAddr;
use std::path::{self, PathBuf};
use std::process::ExitCode;

const NOTES: &str = "\
Makes a private authority, and under it a certificate for this computer's names and addresses and one for each client that is \
named. Run again, it keeps the authority and the server's key and makes the server's certificate anew: do that when the \
computer's name or address has changed, or when the certificate is about to end. Clients and boards need ca.crt and nothing else; \
the keys stay secret.

Examples:
  darter cert make                              the authority and the server's certificate
  darter cert make --name mqtt.example.org      with another name of the server
  darter cert make --client board-7             also a certificate with which board-7 can log in
  darter cert make --rsa --out certs            RSA keys, in a folder of your own";

/// What about certificates.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make a private authority, a certificate for this computer, and certificates for clients
    Make(MakeArguments),
}

#[derive(Debug, Args)]
#[command(after_help = NOTES)]
struct MakeArguments {
    /// Folder for the files [default: tls in the data folder]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Another name of the server, may be repeated
    #[arg(long, value_name = "NAME")]
    name: Vec<String>,

    /// Another address of the server, may be repeated
    #[arg(long, value_name = "ADDR")]
    ip: Vec<IpAddr>,

    /// Also a certificate and a key for this client, may be repeated
    #[arg(long, value_name = "NAME")]
    client: Vec<String>,

    /// Make RSA keys, for boards that know no ECDSA
    #[arg(long)]
    rsa: bool,

    /// Replace a client's certificate and key that are there
    #[arg(long)]
    force: bool,
}

/// Does it.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let What::Make(arguments) = &arguments.what;
    make(arguments)?;
    Ok(ExitCode::SUCCESS)
}

fn make(arguments: &MakeArguments) -> anyhow::Result<()> {
    let folder = match &arguments.out {
        Some(folder) => path::absolute(folder).context("--out does not name a folder")?,
        None => {
            let data =
                DataDir::Auto.folder()?.context("no folder for the data is known; name one with --out")?;
            data.join("tls")
        }
    };
    let kind = if arguments.rsa { KeyKind::Rsa } else { KeyKind::Ecdsa };
    let machine = Machine::here();
    let mut names = arguments.name.clone();
    names.extend(machine.names().into_iter().filter(|name| !arguments.name.contains(name)));
    let mut addresses = arguments.ip.clone();
    addresses.extend(machine.all_addresses().into_iter().filter(|address| !arguments.ip.contains(address)));
    let authority = Authority::open(&folder, kind)?;
    let server = authority.server(&names, &addresses, kind)?;
    let mut text = String::new();
    let state = if authority.is_new() { "made" } else { "kept" };
    let _ = writeln!(
        text,
        "Authority   {} ({state}): clients and boards trust this file",
        authority.certificate().display()
    );
    tell(&mut text, "Server", &server);
    let listed: Vec<_> = names.iter().cloned().chain(addresses.iter().map(ToString::to_string)).collect();
    let _ = writeln!(text, "            for {}", listed.join(", "));
    for name in &arguments.client {
        let client = authority.client(name, kind, arguments.force);
        // What was made before it is told all the same.
        match client {
            Ok(client) => tell(&mut text, "Client", &client),
            Err(error) => {
                print(&text)?;
                return Err(error.into());
            }
        }
    }
    let host = machine.address_in_network().map_or("localhost".to_owned(), |address| address.to_string());
    let ca = authority.certificate();
    let _ = write!(
        text,
        "\nA client then connects like this, once a listener uses the server's certificate:\n\n  \
         mosquitto_sub -h {host} -p 8883 --cafile {ca} -t '#' -v\n",
        ca = ca.display()
    );
    print(&text)?;
    Ok(())
}

fn tell(text: &mut String, whose: &str, made: &Made) {
    let Made { certificate, key, until } = made;
    let _ = writeln!(
        text,
        "{whose:<11} {} until {until}, with its key in {}",
        certificate.display(),
        key.display()
    );
}

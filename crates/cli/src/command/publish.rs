//! `darter pub`: publishes messages, as mosquitto_pub does.

use super::connection_flags::{ConnectionFlags, Plan};
use super::outcome::{self, complain, words};
use anyhow::{Context, bail};
use clap::Args;
use darter_client::{
    Acknowledgement, Client, Disconnect, Error, Properties, Publication, Publish, PublishError, ReasonCode,
    topic,
};
use std::collections::VecDeque;
use std::io::{self, BufRead, Read};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tokio::sync::mpsc;

const NOTES: &str = "\
Exit codes: 0 when everything was sent (QoS 0) or answered (QoS 1, 2); the code of CONNACK when the server refuses the \
connection; 7 when the connection is lost; 1 for everything else.

Examples:
  darter pub -t hello -m world             one message
  darter pub -t door/state -m open -r -q 1 one that the server keeps and acknowledges
  dmesg -w | darter pub -t log -l          every line is a message";

/// The options of `darter pub`.
#[derive(Debug, Args)]
#[command(disable_help_flag = true, args_override_self = true, after_help = NOTES)]
pub(crate) struct Arguments {
    /// Topic to publish to
    #[arg(short, long, value_name = "TOPIC", allow_hyphen_values = true, help_heading = "Message")]
    topic: Option<String>,

    #[command(flatten)]
    source: Source,

    /// The message becomes the retained message of its topic
    #[arg(short, long, help_heading = "Message")]
    retain: bool,

    /// Publish the message so many times
    #[arg(
        long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..),
        help_heading = "Message"
    )]
    repeat: u32,

    /// Seconds between repetitions
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = seconds, help_heading = "Message")]
    repeat_delay: Duration,

    #[command(flatten)]
    connection: ConnectionFlags,
}

/// Where the payload comes from: exactly one of these.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct Source {
    /// The message itself
    #[arg(short, long, value_name = "TEXT", allow_hyphen_values = true, help_heading = "Message")]
    message: Option<String>,

    /// Send the content of a file
    #[arg(short, long, value_name = "FILE", allow_hyphen_values = true, help_heading = "Message")]
    file: Option<PathBuf>,

    /// Send everything that comes from standard input as one message
    #[arg(short, long, help_heading = "Message")]
    stdin_file: bool,

    /// Send every line that comes from standard input as a message
    #[arg(short = 'l', long, help_heading = "Message")]
    stdin_line: bool,

    /// Send an empty message
    #[arg(short, long, help_heading = "Message")]
    null_message: bool,
}

/// Publishes.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let plan = arguments.connection.plan(None)?;
    let Some(topic) = arguments.topic.clone().or_else(|| plan.url_topic.clone()) else {
        bail!("There is no topic: add -t TOPIC.");
    };
    topic::check_name(&topic)
        .with_context(|| format!("'{topic}' is no topic to publish to; '+' and '#' are for subscribing"))?;
    let payload = arguments.source.read()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    runtime.block_on(publish(arguments, plan, topic, payload))
}

impl Source {
    /// The payload; none when lines are to be read from standard input.
    fn read(&self) -> anyhow::Result<Option<Vec<u8>>> {
        let payload = if let Some(message) = &self.message {
            message.clone().into_bytes()
        } else if let Some(file) = &self.file {
            std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?
        } else if self.stdin_file {
            let mut payload = Vec::new();
            io::stdin().read_to_end(&mut payload).context("cannot read standard input")?;
            if payload.is_empty() {
                bail!("Standard input was empty; -n sends an empty message.");
            }
            payload
        } else if self.null_message {
            Vec::new()
        } else if self.stdin_line {
            return Ok(None);
        } else {
            bail!("There is no message: add -m TEXT, -f FILE, -s, -l or -n.");
        };
        if payload.len() > LARGEST_PAYLOAD {
            bail!("The message has {} bytes, and MQTT allows at most {LARGEST_PAYLOAD}.", payload.len());
        }
        Ok(Some(payload))
    }
}

async fn publish(
    arguments: &Arguments,
    mut plan: Plan,
    topic: String,
    payload: Option<Vec<u8>>,
) -> anyhow::Result<ExitCode> {
    let (quiet, version) = (arguments.connection.quiet, plan.client.session.version);
    if payload.is_some() {
        plan.client.reconnect = None;
    }
    let client = match Client::connect(plan.client).await {
        Ok(client) => client,
        Err(lost) => return Ok(outcome::lost(&lost, version, quiet)),
    };
    let mut publisher = Publisher { client, quiet, first: true, message: Publish::default() };
    publisher.message = Publish {
        qos: arguments.connection.qos,
        retain: arguments.retain,
        topic: topic.into(),
        properties: std::mem::take(&mut plan.properties.publish),
        ..Publish::default()
    };
    let sent = match payload {
        Some(payload) => publisher.repeat(payload, arguments.repeat, arguments.repeat_delay).await,
        None => publisher.lines().await,
    };
    match sent {
        Err(Error::Closed) => {
            let lost = publisher.client.closed().await;
            Ok(outcome::lost(&lost, version, quiet))
        }
        sent => {
            // mosquitto_pub also leaves with 0 when the server's limits forbid the message.
            if let Err(error) = &sent {
                complain(quiet, &format!("Error: {error}."));
            }
            publisher.leave(plan.properties.disconnect).await;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// A connected client and the message it sends.
struct Publisher {
    client: Client,
    quiet: bool,
    first: bool,
    message: Publish,
}

impl Publisher {
    /// One payload, so many times; each repetition waits for the answer to the one before.
    async fn repeat(&mut self, payload: Vec<u8>, count: u32, delay: Duration) -> Result<(), Error> {
        let payload = bytes::Bytes::from(payload);
        for turn in 0..count {
            if turn > 0 && !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            let publication = self.start(payload.clone()).await?;
            self.finish(publication.await)?;
        }
        Ok(())
    }

    /// Every line of standard input, as fast as the server takes them.
    async fn lines(&mut self) -> Result<(), Error> {
        let mut lines = read_lines();
        let mut unanswered: VecDeque<Publication> = VecDeque::new();
        while let Some(line) = lines.recv().await {
            let publication = self.start(line.into()).await?;
            unanswered.push_back(publication);
            if unanswered.len() >= MOST_UNANSWERED
                && let Some(oldest) = unanswered.pop_front()
            {
                self.finish(oldest.await)?;
            }
        }
        for publication in unanswered {
            self.finish(publication.await)?;
        }
        Ok(())
    }

    async fn start(&mut self, payload: bytes::Bytes) -> Result<Publication, Error> {
        let mut message = Publish { payload, ..self.message.clone() };
        // With an alias the topic name is sent once.
        if !std::mem::take(&mut self.first) && message.properties.topic_alias().is_some() {
            message.topic = "".into();
        }
        self.client.start_publish(message).await
    }

    /// A refusal by the server is worth a warning and no more.
    fn finish(&self, outcome: Result<Acknowledgement, Error>) -> Result<(), Error> {
        match outcome {
            Ok(_) => Ok(()),
            Err(Error::Publish(PublishError::Refused(refusal))) => {
                let id = refusal.packet_id.map_or(0, |id| id.get());
                complain(self.quiet, &format!("Warning: Publish {id} failed: {}.", words(refusal.reason)));
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    async fn leave(self, properties: Properties) {
        self.client.disconnect_with(Disconnect { reason: ReasonCode::Success, properties }).await;
    }
}

/// Lines of standard input without their ends, read by a thread of their own: reading blocks.
fn read_lines() -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel(LINES_AHEAD);
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        loop {
            let mut line = Vec::new();
            match input.read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) => {
                    if line.last() == Some(&b'\n') {
                        line.pop();
                    }
                    if sender.blocking_send(line).is_err() {
                        return;
                    }
                }
            }
        }
    });
    receiver
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "it must be a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|_| "it must be a number of seconds from 0 on".to_owned())
}

/// The largest remaining length, in bytes.
const LARGEST_PAYLOAD: usize = 268_435_455;

/// Lines read before they are sent.
const LINES_AHEAD: usize = 16;

/// Messages whose answer is waited for at the same time.
const MOST_UNANSWERED: usize = 256;

//! `darter sub`: subscribes and prints messages, as mosquitto_sub does.

use super::connection_flags::{ConnectionFlags, Plan};
use super::format::{Format, Layout, Printer};
use super::outcome::{self, TIMED_OUT, complain};
use super::property_flags::PacketProperties;
use anyhow::{Context, bail};
use clap::Args;
use darter_client::{
    Client, Disconnect, Error, Lost, Message, Messages, Publication, Publish, QoS, ReasonCode,
    RetainHandling, SubscribeFilter, SubscriptionOptions, topic,
};
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

const NOTES: &str = "\
Exit codes: 0 when everything asked for was done, or on ctrl-C; the code of CONNACK when the server refuses the \
connection; 27 when the time of -W is over; 1 for everything else.

Examples:
  darter sub -t '#' -v                 every message with its topic
  darter sub -t 'home/+/temp' -F '@H:@M:@S %t %p'
  darter sub -t door/state -C 1 -W 5   the first message, waiting 5 seconds at most";

/// The options of `darter sub`.
#[derive(Debug, Args)]
#[command(disable_help_flag = true, args_override_self = true, after_help = NOTES)]
pub(crate) struct Arguments {
    /// Topic filter to subscribe to; may be repeated
    #[arg(short, long, value_name = "FILTER", allow_hyphen_values = true, help_heading = "Messages")]
    topic: Vec<String>,

    /// Topic filter to unsubscribe from; may be repeated
    #[arg(short = 'U', long, value_name = "FILTER", allow_hyphen_values = true, help_heading = "Messages")]
    unsubscribe: Vec<String>,

    /// Leave out messages whose topic matches; may be repeated
    #[arg(short = 'T', long, value_name = "FILTER", allow_hyphen_values = true, help_heading = "Messages")]
    filter_out: Vec<String>,

    /// End after so many messages
    #[arg(short = 'C', value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Messages")]
    count: Option<u32>,

    /// End after so many seconds, with exit code 27
    #[arg(short = 'W', value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Messages")]
    timeout: Option<u32>,

    /// End when the server has acknowledged the subscriptions
    #[arg(short = 'E', help_heading = "Messages")]
    exit_after_subscribing: bool,

    /// Leave out retained messages
    #[arg(short = 'R', conflicts_with = "retained_only", help_heading = "Messages")]
    no_retained: bool,

    /// End at the first message that is not a retained one
    #[arg(long, help_heading = "Messages")]
    retained_only: bool,

    /// Have the retained messages that arrive removed at the server
    #[arg(long, help_heading = "Messages")]
    remove_retained: bool,

    /// See whether a message was published as a retained one (version 5)
    #[arg(long, help_heading = "Messages")]
    retain_as_published: bool,

    /// Print the topic before the message
    #[arg(short, long, help_heading = "Output")]
    verbose: bool,

    /// Print messages in this format; see mosquitto_sub(1) for its language
    #[arg(short = 'F', value_name = "FORMAT", allow_hyphen_values = true, help_heading = "Output")]
    format: Option<String>,

    /// Print no new line after a message
    #[arg(short = 'N', help_heading = "Output")]
    no_end_of_line: bool,

    /// Spread the JSON of %j and %J over several lines
    #[arg(long, help_heading = "Output")]
    pretty: bool,

    #[command(flatten)]
    connection: ConnectionFlags,
}

/// Subscribes and prints.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let plan = arguments.plan()?;
    let mut filters: Vec<&str> = plan.url_topic.iter().map(String::as_str).collect();
    filters.extend(arguments.topic.iter().map(String::as_str));
    if filters.is_empty() && arguments.unsubscribe.is_empty() {
        bail!("There is no topic: add -t TOPIC, or -U TOPIC to unsubscribe.");
    }
    for filter in filters.iter().copied().chain(arguments.others()) {
        topic::check_filter(filter).with_context(|| {
            format!("'{filter}' is no topic filter; '+' and '#' stand for whole levels, '#' at the end only")
        })?;
    }
    let layout = match (&arguments.format, arguments.verbose) {
        (Some(format), _) => Layout::Format(Format::parse(format)?),
        (None, true) => Layout::TopicAndPayload,
        (None, false) => Layout::Payload,
    };
    let subscriber = Subscriber {
        arguments,
        printer: Printer { layout, end_of_line: !arguments.no_end_of_line, pretty: arguments.pretty },
        filters: filters.iter().map(|filter| SubscribeFilter::new(*filter, arguments.options())).collect(),
        printed: 0,
        removals: Vec::new(),
    };
    let stop = Arc::new(Notify::new());
    let handler = Arc::clone(&stop);
    ctrlc::set_handler(move || handler.notify_one()).context("cannot listen for signals")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    runtime.block_on(subscriber.run(&stop))
}

impl Arguments {
    fn others(&self) -> impl Iterator<Item = &str> {
        self.filter_out.iter().chain(&self.unsubscribe).map(String::as_str)
    }

    fn options(&self) -> SubscriptionOptions {
        SubscriptionOptions {
            qos: self.connection.qos,
            no_local: false,
            retain_as_published: self.retain_as_published,
            retain_handling: if self.no_retained { RetainHandling::DoNotSend } else { RetainHandling::Send },
        }
    }

    /// With a count the server is not to send more than are printed.
    fn plan(&self) -> anyhow::Result<Plan> {
        self.connection.plan(self.count.and_then(|count| u16::try_from(count).ok()))
    }
}

/// Why printing ends.
enum End {
    Done,
    TimedOut,
    Stopped,
    Lost(Lost),
}

struct Subscriber<'a> {
    arguments: &'a Arguments,
    printer: Printer,
    filters: Vec<SubscribeFilter>,
    printed: u32,
    /// Removals of retained messages that the server has not acknowledged.
    removals: Vec<Publication>,
}

impl Subscriber<'_> {
    async fn run(mut self, stop: &Notify) -> anyhow::Result<ExitCode> {
        let quiet = self.arguments.connection.quiet;
        let version = self.arguments.connection.version();
        let deadline =
            self.arguments.timeout.map(|seconds| Instant::now() + Duration::from_secs(seconds.into()));
        let (client, mut messages, properties) = tokio::select! {
            connected = self.connect() => match connected? {
                Ok(connected) => connected,
                Err(lost) => return Ok(outcome::lost(&lost, version, quiet)),
            },
            () = until(deadline) => return Ok(timed_out(quiet)),
            () = stop.notified() => return Ok(ExitCode::SUCCESS),
        };
        let end = {
            let setup = set_up(&client, std::mem::take(&mut self.filters), self.arguments, &properties);
            tokio::select! {
                end = self.print_all(&client, &mut messages, setup) => end?,
                () = until(deadline) => End::TimedOut,
                () = stop.notified() => End::Stopped,
            }
        };
        let reason = match end {
            End::Lost(lost) => return Ok(outcome::lost(&lost, version, quiet)),
            End::Done => {
                for removal in self.removals {
                    // A refused removal leaves the retained message; it was printed, and shows up next time.
                    let _ = removal.await;
                }
                ReasonCode::Success
            }
            End::TimedOut | End::Stopped => ReasonCode::DisconnectWithWillMessage,
        };
        client.disconnect_with(Disconnect { reason, properties: properties.disconnect }).await;
        Ok(if matches!(end, End::TimedOut) { timed_out(quiet) } else { ExitCode::SUCCESS })
    }

    /// Tries again when the server ends the connection before it has answered.
    async fn connect(&self) -> anyhow::Result<Result<(Client, Messages, PacketProperties), Lost>> {
        loop {
            let plan = self.arguments.plan()?;
            match Client::connect_with_inbox(plan.client).await {
                Ok((client, messages)) => return Ok(Ok((client, messages, plan.properties))),
                Err(Lost::Io(_) | Lost::ServerClosed) => sleep(RECONNECT_DELAY).await,
                Err(lost) => return Ok(Err(lost)),
            }
        }
    }

    /// Prints until everything asked for is done.
    async fn print_all(
        &mut self,
        client: &Client,
        messages: &mut Messages,
        setup: impl Future<Output = Result<bool, Error>>,
    ) -> anyhow::Result<End> {
        let mut setup = std::pin::pin!(setup);
        let mut set_up = false;
        loop {
            tokio::select! {
                outcome = &mut setup, if !set_up => match outcome {
                    Ok(true) => set_up = true,
                    Ok(false) => return Ok(End::Done),
                    Err(Error::Closed) => return Ok(End::Lost(client.closed().await)),
                    Err(error) => bail!("cannot subscribe: {error}"),
                },
                message = messages.recv() => {
                    let Some(message) = message else {
                        return Ok(End::Lost(client.closed().await));
                    };
                    if self.arguments.connection.debug {
                        // The acknowledgement is shown before the message.
                        tokio::task::yield_now().await;
                    }
                    if !self.handle(client, &message).await? {
                        return Ok(End::Done);
                    }
                }
            }
        }
    }

    /// Prints one message, if it is to be printed. False when it was the last one.
    async fn handle(&mut self, client: &Client, message: &Message) -> anyhow::Result<bool> {
        let arguments = self.arguments;
        if arguments.retained_only && !message.retain {
            return Ok(false);
        }
        let left_out = arguments.filter_out.iter().any(|filter| topic::matches(filter, &message.topic));
        if left_out || arguments.no_retained && message.retain {
            return Ok(true);
        }
        if arguments.remove_retained && message.retain {
            let removal = Publish {
                qos: QoS::AtLeastOnce,
                retain: true,
                topic: message.topic.clone(),
                ..Publish::default()
            };
            self.removals.extend(client.start_publish(removal).await);
        }
        let mut complaints = Vec::new();
        let text = self.printer.print(message, &mut complaints);
        let mut output = io::stdout().lock();
        output.write_all(&text).and_then(|()| output.flush()).context("cannot write to standard output")?;
        for complaint in complaints {
            complain(arguments.connection.quiet, &complaint);
        }
        self.printed += 1;
        Ok(arguments.count != Some(self.printed))
    }
}

/// Subscribes and unsubscribes. False when there is nothing to wait for after that.
async fn set_up(
    client: &Client,
    filters: Vec<SubscribeFilter>,
    arguments: &Arguments,
    properties: &PacketProperties,
) -> Result<bool, Error> {
    let subscribed = if filters.is_empty() {
        None
    } else {
        Some(client.start_subscribe_to_inbox(filters, properties.subscribe.clone()).await?)
    };
    let mut unsubscribed = Vec::new();
    for filter in &arguments.unsubscribe {
        let filters = vec![filter.as_str().into()];
        unsubscribed.push(client.start_unsubscribe(filters, properties.unsubscribe.clone()).await?);
    }
    if let Some(answer) = subscribed {
        if answer.await?.reasons.iter().all(|reason| reason.is_error()) {
            complain(arguments.connection.quiet, "Error: The server refused every subscription.");
            return Ok(false);
        }
        if arguments.exit_after_subscribing {
            return Ok(false);
        }
    }
    for answer in unsubscribed {
        answer.await?;
    }
    Ok(true)
}

fn timed_out(quiet: bool) -> ExitCode {
    complain(quiet, "Timed out");
    ExitCode::from(TIMED_OUT)
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// mosquitto_sub waits this long before it tries again.
const RECONNECT_DELAY: Duration = Duration::from_secs(1);

//! Starting and stopping a server.

use crate::auth::LoginPool;
use crate::clock::Clock;
use crate::driver::{Door, Driver, WAKER};
use crate::entrance::Entrance;
use crate::event;
use crate::failure::{LastWords, Watch};
use crate::file_watch::FileWatch;
use crate::inbox::{Inbox, Item};
use crate::options::{ListenerOptions, Options};
use crate::recorder::Recorder;
use crate::refusals::Refusals;
use crate::restoring;
use crate::rules::Rules;
use crate::status::{ShardStatus, Status, StatusTopics};
use crate::view::View;
use darter_codec::record::Kept;
use darter_codec::{Message, ReasonCode};
use darter_engine::access::Policy;
use darter_engine::{Place, Shard};
use darter_net::{Address, BindError, FileError, Listener};
use darter_store::history::History;
use darter_store::{Keeper, OpenError, Report, Store};
use mio::Poll;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use thiserror::Error;

/// So long a stop waits for the history. A disk that hangs longer shall not keep messages from being stored, nor the server
/// from ending; the system ends the history's thread with the process.
const LAST_WORDS_OF_HISTORY: Duration = Duration::from_secs(5);

/// A running server. Dropping it stops it as [`shutdown`](Self::shutdown) does.
#[derive(Debug)]
pub struct Broker {
    listening: Arc<[Listening]>,
    addresses: Vec<SocketAddr>,
    inboxes: Vec<Inbox>,
    status: Vec<Arc<ShardStatus>>,
    threads: Vec<JoinHandle<()>>,
    watch: Watch,
    keeper: Arc<dyn Keeper>,
    clock: Clock,
    history: Option<Arc<History>>,
    entrances: Vec<Arc<Entrance>>,
    /// Only where a listener may have files.
    files: Option<FileWatch>,
    rules: Rules,
    refusals: Refusals,
}

/// One place where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listening {
    /// The listener's name.
    pub listener: Arc<str>,
    /// Where, with the port that the system chose.
    pub address: Address,
    /// What is spoken there: `mqtt`, `mqtts`, `ws` or `wss`.
    pub scheme: &'static str,
    /// Whether clients have to say who they are.
    pub asks_for_logins: bool,
}

/// Why a server cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The system gave no poller, thread or socket.
    #[error("the system refuses what the server needs to start: {0}")]
    System(#[from] io::Error),
}

impl Broker {
    /// Opens the listeners and starts the threads. Clients are served when it returns.
    ///
    /// # Errors
    /// When an address cannot be listened on, the system has no resources left, or the store cannot be opened: another server
    /// uses its folder, a newer version made it, or the system does not let it be used.
    pub fn start(options: &Options) -> Result<Self, StartError> {
        let entrances: Vec<_> = options.listeners.iter().map(Entrance::new).map(Arc::new).collect();
        let mut doors = Vec::new();
        for (listener, entrance) in options.listeners.iter().zip(&entrances) {
            open(listener, entrance, &mut doors)?;
        }
        let listening: Arc<[Listening]> = doors.iter().map(listening).collect();
        for open in listening.iter().filter(|open| !open.asks_for_logins && !open.address.is_here()) {
            event::OpenToEverybody { address: &open.address }.emit();
        }
        let shards = options.shard_count();
        let status: Vec<_> = (0..shards).map(|_| Arc::new(ShardStatus::default())).collect();
        let polls = (0..shards).map(|_| Poll::new()).collect::<Result<Vec<_>, _>>()?;
        let mut inboxes = Vec::new();
        for poll in &polls {
            inboxes.push(Inbox::new(mio::Waker::new(poll.registry(), WAKER)?));
        }
        let opened = (options.store)(shards)?;
        let clock = Clock::new(opened.clock);
        let keeper: Arc<dyn Keeper> = opened.keeper.into();
        event::StateLost { report: &keeper.report() }.emit();
        let mut stores = opened.stores;
        for (store, inbox) in stores.iter_mut().zip(&inboxes) {
            store.start(inbox.store_waker());
        }
        let brains = restored_shards(options, shards, clock, opened.kept, &mut stores);
        // Opened last: the folder is this server's, now that the store has its lock.
        let history = options.history.clone().map(History::open).map(Arc::new);
        let pool = Arc::new(LoginPool::new(options.logins));
        let watch = Watch::default();
        let (rules, refusals) = (Rules::new(options.policy.clone()), Refusals::default());
        let mut drivers = Vec::new();
        for (((poll, store), shard), index) in polls.into_iter().zip(stores).zip(brains).zip(0..) {
            let topics = (index == 0 && !options.status_interval.is_zero()).then(|| {
                StatusTopics::new(status.clone(), keeper.clone(), history.clone(), options.status_interval)
            });
            drivers.push(Driver {
                index,
                poll,
                shard,
                store,
                keeper: keeper.clone(),
                doors: doors.iter().map(Door::try_clone).collect::<Result<_, _>>()?,
                inboxes: inboxes.clone(),
                pool: pool.clone(),
                status: status[usize::from(index)].clone(),
                topics,
                recorder: Recorder::new(history.clone()),
                refusals: refusals.clone(),
                clock,
            });
        }
        // From here on an error stops the threads that run already: they are this value's.
        let addresses = listening.iter().filter_map(|open| open.address.inet()).collect();
        let with_files: Vec<_> = entrances.iter().filter(|one| one.has_layers()).cloned().collect();
        let files = if with_files.is_empty() { None } else { Some(FileWatch::start(with_files)?) };
        let mut broker = Self {
            listening,
            addresses,
            inboxes,
            status,
            threads: Vec::new(),
            watch,
            keeper,
            clock,
            history,
            entrances,
            files,
            rules,
            refusals,
        };
        for driver in drivers {
            broker.spawn(driver)?;
        }
        Ok(broker)
    }

    fn spawn(&mut self, driver: Driver) -> io::Result<()> {
        let index = driver.index;
        let last_words = LastWords::new(index, self.inboxes[usize::from(index)].clone(), self.watch.clone());
        let thread = std::thread::Builder::new().name(format!("darter-shard-{index}"));
        self.threads.push(thread.spawn(move || {
            let outcome = driver.run();
            last_words.end(outcome.err().map(|error| error.to_string()));
        })?);
        Ok(())
    }

    /// Everywhere it listens, in the order of the listeners.
    #[must_use]
    pub fn listening(&self) -> &[Listening] {
        &self.listening
    }

    /// The TCP addresses it listens on, with the ports that the system chose.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The server's numbers, summed over its shards; at most 100 milliseconds old while the server is busy.
    #[must_use]
    pub fn status(&self) -> Status {
        Status::of(&self.status)
    }

    /// How the store is, and what it could not bring back.
    #[must_use]
    pub fn store_report(&self) -> Report {
        self.keeper.report()
    }

    /// Tells when a shard's thread ends by itself. A program that serves others should end with it: the server
    /// would look alive and serve only some of its clients.
    #[must_use]
    pub fn watch(&self) -> Watch {
        self.watch.clone()
    }

    /// The server as other threads can look at it, and go on looking at it when it has stopped.
    #[must_use]
    pub fn view(&self) -> View {
        View {
            listening: self.listening.clone(),
            addresses: self.addresses.clone(),
            inboxes: self.inboxes.clone(),
            status: self.status.clone(),
            keeper: self.keeper.clone(),
            history: self.history.clone(),
            clock: self.clock,
            rules: self.rules.clone(),
            refusals: self.refusals.clone(),
        }
    }

    /// Gives the server other rules. Sessions go on; what they may not do any more stops.
    pub fn set_policy(&self, policy: &Arc<Policy>) {
        self.rules.set(policy.clone());
        for inbox in &self.inboxes {
            inbox.send(&mut vec![Item::Policy(policy.clone())]);
        }
    }

    /// Reads again what listeners have in files, such as certificates, whether they have changed or not. Connections that are there
    /// go on as they began. Files that cannot be used are told in the log and given back; what they said before goes on to
    /// count. Without this call, files that change are noticed within a few seconds.
    pub fn reload(&self) -> Vec<FileError> {
        self.entrances.iter().flat_map(|entrance| entrance.reload(true)).collect()
    }

    /// Publishes a message of the server itself.
    pub fn publish(&self, message: Message) {
        if let Some(inbox) = self.inboxes.first() {
            inbox.send(&mut vec![Item::Publish(message)]);
        }
    }

    /// Disconnects every client, version 5 clients with reason 0x8B (Server shutting down), and ends the threads.
    pub fn shutdown(mut self) {
        self.stop();
    }

    fn stop(&mut self) {
        self.watch.stop();
        self.files = None;
        for inbox in &self.inboxes {
            inbox.send(&mut vec![Item::Shutdown { reason: ReasonCode::ServerShuttingDown }]);
        }
        for thread in self.threads.drain(..) {
            // A panic was told when it happened.
            let _ = thread.join();
        }
        // Before the store gives the folder back: another server may open it then.
        if let Some(history) = &self.history
            && !history.finish(LAST_WORDS_OF_HISTORY)
        {
            event::HistoryHangs.emit();
        }
        self.keeper.finish();
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The shards with everything that was kept.
fn restored_shards(
    options: &Options,
    shards: u8,
    clock: Clock,
    kept: Kept,
    stores: &mut [Box<dyn Store>],
) -> Vec<Shard> {
    let key = RandomState::new().hash_one(std::process::id());
    let now = clock.now();
    let mut limits = options.limits.clone();
    if options.history.is_none() {
        limits.history_points = 0;
    }
    let shard = |index| {
        let place = Place { index, shards, key };
        Shard::new(place, limits.clone(), RandomState::new().hash_one(index), now)
    };
    let mut brains: Vec<Shard> = (0..shards).map(shard).collect();
    for brain in &mut brains {
        brain.set_policy(options.policy.clone());
    }
    restoring::restore(now, kept, &mut brains, stores);
    brains
}

/// Opens every address of a listener; those with port 0 share the first port that the system gave.
fn open(
    options: &ListenerOptions,
    entrance: &Arc<Entrance>,
    doors: &mut Vec<Door>,
) -> Result<(), StartError> {
    let mut chosen = 0;
    for address in &options.addresses {
        let mut wanted = address.clone();
        if let Address::Inet(inet) = &mut wanted
            && inet.port() == 0
        {
            inet.set_port(chosen);
        }
        match Listener::bind(&wanted) {
            Ok(listener) => {
                if address.inet().is_some_and(|inet| inet.port() == 0) {
                    chosen = listener.address().inet().map_or(0, |inet| inet.port());
                }
                doors.push(Door { listener, entrance: entrance.clone() });
            }
            Err(BindError::NotHere(_) | BindError::Other { .. })
                if address.inet().is_some_and(|inet| options.optional.contains(&inet.ip())) =>
            {
                tracing::debug!(%wanted, "not listening there: this computer does not have the address");
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn listening(door: &Door) -> Listening {
    let Door { listener, entrance } = door;
    Listening {
        listener: entrance.name().clone(),
        address: listener.address().clone(),
        scheme: entrance.scheme(),
        asks_for_logins: entrance.asks_for_logins(),
    }
}

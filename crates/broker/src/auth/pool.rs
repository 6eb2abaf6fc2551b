//! Threads for logins whose check takes time. They start when they are first needed.

use crate::origin::Origin;
use darter_codec::ReasonCode;
use darter_engine::Verdict;
use std::collections::{HashMap, VecDeque};
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How much may be done for logins beside serving clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoginPoolOptions {
    /// Threads, at least 1. They start when there is work for them. `None`: as many as there are processors, 2 to 4.
    pub threads: Option<usize>,
    /// Most logins that wait for a thread. Beyond it a client of the address with most of them is refused as one that comes
    /// while the server is busy (reason 0x89, or return code 3).
    pub waiting: usize,
    /// How long a login may wait for a thread; then it is refused in the same way, because its client has given up by now.
    pub patience: Duration,
}

impl Default for LoginPoolOptions {
    fn default() -> Self {
        Self { threads: None, waiting: 4_096, patience: Duration::from_secs(8) }
    }
}

impl LoginPoolOptions {
    fn thread_count(&self) -> usize {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        self.threads.unwrap_or(processors.clamp(2, 4)).max(1)
    }
}

/// One login to check.
pub(crate) struct Job {
    /// Where it comes from: those that wait take turns by it, so that one cannot fill the time of all.
    pub(crate) origin: Origin,
    pub(crate) check: Box<dyn FnOnce() -> Verdict + Send>,
    pub(crate) reply: Box<dyn FnOnce(Verdict) + Send>,
}

/// The threads and what waits for them. When the last pool is dropped the threads end, and what waits is forgotten.
pub(crate) struct LoginPool {
    shared: Arc<Shared>,
}

struct Shared {
    options: LoginPoolOptions,
    most_threads: usize,
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    waiting: HashMap<Origin, VecDeque<(Instant, Job)>>,
    /// Every origin of which something waits, in the order of their turns.
    turns: VecDeque<Origin>,
    count: usize,
    threads: usize,
    idle: usize,
    closed: bool,
}

impl LoginPool {
    pub(crate) fn new(options: LoginPoolOptions) -> Self {
        let most_threads = options.thread_count();
        let (state, work) = (Mutex::default(), Condvar::new());
        Self { shared: Arc::new(Shared { options, most_threads, state, work }) }
    }

    /// Checks a login on another thread. The reply comes from there, or from this call when there is no room.
    pub(crate) fn submit(&self, job: Job) {
        let mut state = self.shared.lock();
        state.push(job);
        let surplus = if state.count > self.shared.options.waiting { state.pop_surplus() } else { None };
        let short_of_threads = state.count > state.idle && state.threads < self.shared.most_threads;
        if short_of_threads && self.start_thread().is_ok() {
            state.threads += 1;
        }
        let nobody = if state.threads == 0 { state.pop() } else { None };
        drop(state);
        self.shared.work.notify_one();
        for (_, job) in surplus.into_iter().chain(nobody) {
            (job.reply)(busy("too many logins wait for their check"));
        }
    }

    fn start_thread(&self) -> std::io::Result<()> {
        let shared = self.shared.clone();
        std::thread::Builder::new().name("darter-login".into()).spawn(move || shared.serve()).map(drop)
    }
}

impl Drop for LoginPool {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closed = true;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        self.shared.work.notify_all();
        drop(waiting);
    }
}

impl Shared {
    fn serve(&self) {
        let mut state = self.lock();
        while !state.closed {
            let Some((since, job)) = state.pop() else {
                state.idle += 1;
                state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
                continue;
            };
            drop(state);
            self.check(since, job);
            state = self.lock();
        }
    }

    fn check(&self, since: Instant, Job { check, reply, .. }: Job) {
        let verdict = if since.elapsed() > self.options.patience {
            busy("it waited too long for its check")
        } else {
            // A check that panics must not cost a thread, nor leave a client without an answer.
            panic::catch_unwind(AssertUnwindSafe(check)).unwrap_or(Verdict::Refuse {
                reason: ReasonCode::UnspecifiedError,
                what: "the check of its login failed",
            })
        };
        reply(verdict);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn push(&mut self, job: Job) {
        let origin = job.origin;
        let queue = self.waiting.entry(origin).or_default();
        if queue.is_empty() {
            self.turns.push_back(origin);
        }
        queue.push_back((Instant::now(), job));
        self.count += 1;
    }

    fn pop(&mut self) -> Option<(Instant, Job)> {
        let origin = self.turns.pop_front()?;
        let queue = self.waiting.get_mut(&origin)?;
        let job = queue.pop_front();
        if queue.is_empty() {
            self.waiting.remove(&origin);
        } else {
            self.turns.push_back(origin);
        }
        self.count -= 1;
        job
    }

    /// The newest of the origin of which most wait.
    fn pop_surplus(&mut self) -> Option<(Instant, Job)> {
        let origin = *self.waiting.iter().max_by_key(|(_, queue)| queue.len())?.0;
        let queue = self.waiting.get_mut(&origin)?;
        let job = queue.pop_back();
        if queue.is_empty() {
            self.waiting.remove(&origin);
            self.turns.retain(|one| *one != origin);
        }
        self.count -= 1;
        job
    }
}

fn busy(what: &'static str) -> Verdict {
    Verdict::Refuse { reason: ReasonCode::ServerBusy, what }
}

#[cfg(test)]
mod tests {
    use super::*;
    use darter_engine::access::Identity;
    use darter_net::Peer;
    use std::net::{Ipv4Addr, SocketAddr};
    use std::sync::mpsc::{Receiver, Sender, channel};

    fn origin(last: u8) -> Origin {
        Peer::Inet(SocketAddr::new(Ipv4Addr::new(10, 0, 0, last).into(), 1)).into()
    }

    fn options(threads: usize, waiting: usize) -> LoginPoolOptions {
        LoginPoolOptions { threads: Some(threads), waiting, patience: Duration::from_secs(600) }
    }

    /// A pool whose answers are told in their order, by the number of the job.
    struct Scene {
        pool: LoginPool,
        answers: Receiver<(u32, Verdict)>,
        tell: Sender<(u32, Verdict)>,
    }

    impl Scene {
        fn new(options: LoginPoolOptions) -> Self {
            let (tell, answers) = channel();
            Self { pool: LoginPool::new(options), answers, tell }
        }

        fn submit(&self, from: u8, number: u32, check: impl FnOnce() -> Verdict + Send + 'static) {
            let tell = self.tell.clone();
            self.pool.submit(Job {
                origin: origin(from),
                check: Box::new(check),
                reply: Box::new(move |verdict| drop(tell.send((number, verdict)))),
            });
        }

        /// Keeps one thread busy until the sender is dropped; returns when it is.
        fn block(&self) -> Sender<()> {
            let (begun, has_begun) = channel();
            let (end, ended) = channel::<()>();
            self.submit(99, 0, move || {
                begun.send(()).unwrap();
                let _ = ended.recv();
                accept()
            });
            has_begun.recv().unwrap();
            end
        }

        fn answer(&self) -> (u32, Verdict) {
            self.answers.recv_timeout(Duration::from_secs(20)).unwrap()
        }
    }

    fn accept() -> Verdict {
        Verdict::Accept(Identity::default())
    }

    fn is_busy(verdict: &Verdict) -> bool {
        matches!(verdict, Verdict::Refuse { reason: ReasonCode::ServerBusy, .. })
    }

    #[test]
    fn no_thread_runs_before_there_is_work() {
        let scene = Scene::new(options(3, 10));
        assert_eq!(scene.pool.shared.lock().threads, 0);
        for number in 1..=5 {
            scene.submit(1, number, accept);
            assert_eq!(scene.answer(), (number, accept()));
        }
        assert!(scene.pool.shared.lock().threads <= 3);
    }

    #[test]
    fn origins_take_turns() {
        let scene = Scene::new(options(1, 100));
        let end = scene.block();
        for number in 1..=3 {
            scene.submit(1, number, accept);
        }
        scene.submit(2, 4, accept);
        drop(end);
        let order: Vec<u32> = (0..5).map(|_| scene.answer().0).collect();
        assert_eq!(order, [0, 1, 4, 2, 3]);
    }

    #[test]
    fn a_full_pool_refuses_the_newest_of_who_has_most() {
        let scene = Scene::new(options(1, 3));
        let end = scene.block();
        for number in 1..=3 {
            scene.submit(1, number, accept);
        }
        scene.submit(2, 4, accept);
        let (number, verdict) = scene.answer();
        assert!(is_busy(&verdict));
        assert_eq!(number, 3);
        drop(end);
        let order: Vec<u32> = (0..4).map(|_| scene.answer().0).collect();
        assert_eq!(order, [0, 1, 4, 2]);
    }

    #[test]
    fn who_waited_too_long_is_not_checked_any_more() {
        let scene = Scene::new(LoginPoolOptions { patience: Duration::ZERO, ..options(1, 3) });
        scene.submit(1, 1, || panic!("it is not to be checked"));
        let (number, verdict) = scene.answer();
        assert!(is_busy(&verdict));
        assert_eq!(number, 1);
    }

    #[test]
    fn a_check_that_panics_is_a_refusal_and_costs_no_thread() {
        let scene = Scene::new(options(1, 3));
        scene.submit(1, 1, || panic!("a defect"));
        let (_, verdict) = scene.answer();
        assert!(matches!(verdict, Verdict::Refuse { reason: ReasonCode::UnspecifiedError, .. }));
        scene.submit(1, 2, accept);
        assert_eq!(scene.answer(), (2, accept()));
    }

    #[test]
    fn a_pool_that_is_dropped_forgets_what_waits() {
        let scene = Scene::new(options(1, 3));
        let end = scene.block();
        scene.submit(1, 1, accept);
        let Scene { pool, answers, tell } = scene;
        drop((pool, tell));
        drop(end);
        assert_eq!(answers.recv_timeout(Duration::from_secs(20)).unwrap().0, 0);
        assert!(answers.recv_timeout(Duration::from_secs(20)).is_err(), "its sender is gone");
    }
}

//! The run: cycle after cycle of start, load, kill and check.

use std::fs;
use std::mem::discriminant;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::fleet::{Fleet, STALL};
use crate::ledger::{Counts, Fault};
use crate::options::Options;
use crate::plan::{Ending, Kill, Plan, Trouble};
use crate::power::Power;
use crate::server::{Launch, READY, Server, Start};
use crate::trace::Trace;

/// After so many cycles everybody drains, and the books are balanced.
const DRAIN_EVERY: u32 = 4;
/// One subscriber in so many stays away until then.
const AWAY_ONE_IN: u64 = 4;
/// How long QoS 0 may take while the disk is at fault.
const PROBE_PATIENCE: Duration = Duration::from_secs(5);
/// How long the server may take to answer everybody again after a fault of the disk.
const RECOVERY: Duration = Duration::from_secs(10);
/// How long a server that is asked to stop may take.
const STOPPING: Duration = Duration::from_secs(10);
/// Violations of each kind that are printed; the others are counted.
const PRINTED: usize = 5;

/// One run of the laboratory.
pub(crate) struct Lab {
    options: Options,
    launch: Launch,
    data: PathBuf,
    power: Option<Power>,
    fleet: Fleet,
    /// The server that is never killed, of a run with `--spare`.
    spared: Option<(Server, SocketAddr)>,
    /// How long the last start took.
    ready: Duration,
    slowest: Duration,
    kills: u32,
    stops: u32,
    away: usize,
}

/// What is told about one cycle.
struct Line {
    what: String,
    before: Counts,
}

impl Lab {
    /// Makes the folder and everything in it.
    ///
    /// # Errors
    /// What went wrong with the system.
    pub(crate) fn new(options: Options) -> Result<Self, String> {
        let folder = &options.folder;
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let folder = folder.canonicalize().map_err(|error| format!("{}: {error}", folder.display()))?;
        let data = folder.join("data");
        fs::create_dir(&data).map_err(|error| format!("{}: {error}; name a new folder", data.display()))?;
        let kept = (!options.memory).then_some(data.as_path());
        let mut launch = Launch::new(&options.server, &folder, kept, options.shards)?;
        let power =
            if options.power { Some(Power::new(&folder, &data, options.seed, options.lie)?) } else { None };
        if let Some(power) = &power {
            launch.set_environment(power.environment());
        }
        let mut fleet = Fleet::new(options.seed).map_err(|error| error.to_string())?;
        if let Some(clients) = &options.trace {
            let trace = Trace::create(&folder.join("trace.log"), clients);
            fleet.set_trace(trace.map_err(|error| error.to_string())?);
        }
        let options = Options { folder, ..options };
        let ready = Duration::from_millis(50);
        let (spared, slowest, kills, stops, away) = (None, Duration::ZERO, 0, 0, 0);
        Ok(Self { options, launch, data, power, fleet, spared, ready, slowest, kills, stops, away })
    }

    /// Runs all cycles, or as many as hold; true when everything held.
    ///
    /// # Errors
    /// What went wrong with the laboratory itself, also that it has seen too little to say that everything held.
    pub(crate) fn run(&mut self) -> Result<bool, String> {
        let started = Instant::now();
        let mut run = 0;
        for cycle in 1..=self.options.cycles {
            run = cycle;
            self.fleet.ledger.begin_cycle(cycle);
            let line = self.cycle(cycle)?;
            self.tell(cycle, &line);
            let broken = !self.fleet.ledger.violations().is_empty();
            if broken || cycle.is_multiple_of(DRAIN_EVERY) || cycle == self.options.cycles {
                let line = self.drain(cycle)?;
                self.tell(cycle, &line);
            }
            if !self.fleet.ledger.violations().is_empty() {
                break;
            }
        }
        self.spared = None;
        let missing = self.fleet.ledger.counts().missing();
        if self.fleet.ledger.violations().is_empty() && !missing.is_empty() {
            return Err(format!("the run proves nothing: {}; ask for more cycles", missing.join(", ")));
        }
        Ok(self.sum_up(run, started.elapsed()))
    }

    /// Start, load, kill.
    fn cycle(&mut self, cycle: u32) -> Result<Line, String> {
        let before = self.fleet.ledger.counts();
        let mut plan = Plan::roll(&mut self.fleet.dice, self.ready, self.power.is_some());
        if cycle.is_multiple_of(DRAIN_EVERY) {
            plan = plan.lengthened();
        }
        if cycle % DRAIN_EVERY == 1 {
            self.away = self.fleet.send_away(AWAY_ONE_IN);
        }
        let (mut server, address) = match (self.spared.take(), plan.kill) {
            (Some(spared), _) => spared,
            (None, Kill::AfterStart(delay)) if !self.options.spare => {
                let mut server = self.launch.start(cycle)?;
                match server.wait(delay) {
                    Start::Ready(address, took) => {
                        self.note_ready(took);
                        (server, address)
                    }
                    Start::NotYet => {
                        self.kill(server)?;
                        let what = format!("killed {} ms after its start", delay.as_millis());
                        return Ok(Line { what, before });
                    }
                    Start::Failed(why) => return Ok(self.not_ready(&why, before)),
                }
            }
            _ => match self.start(cycle)? {
                Ok(started) => started,
                Err(why) => return Ok(self.not_ready(&why, before)),
            },
        };
        let lives = match plan.kill {
            Kill::AfterStart(_) => Duration::ZERO,
            Kill::AfterReady(lives) => lives,
        };
        self.fleet.set_load(true);
        self.fleet.arrive(address);
        let mut what = String::new();
        if let Some(trouble) = plan.trouble {
            self.serve(&mut server, trouble.after)?;
            what = format!("{}, ", self.suffer(&mut server, trouble)?);
        }
        self.serve(&mut server, lives)?;
        if self.options.spare {
            self.fleet.cut();
            self.spared = Some((server, address));
            what.push_str(&format!("connections cut after {} ms", lives.as_millis()));
        } else {
            let ended = self.end(server, plan.ending)?;
            what.push_str(&format!("{ended} {} ms after ready", lives.as_millis()));
        }
        Ok(Line { what, before })
    }

    /// Everybody comes, sends and gets what is left; then the books must balance.
    fn drain(&mut self, cycle: u32) -> Result<Line, String> {
        let before = self.fleet.ledger.counts();
        let owed = self.fleet.ledger.owed_in_all();
        self.fleet.set_load(false);
        self.fleet.call_back();
        let (mut server, address) = match self.spared.take() {
            Some(spared) => spared,
            None => match self.start(cycle)? {
                Ok(started) => started,
                Err(why) => return Ok(self.not_ready(&why, before)),
            },
        };
        let started = Instant::now();
        self.fleet.arrive(address);
        let settled = |fleet: &mut Fleet| fleet.is_quiet() && fleet.ledger.is_settled();
        if self.serve_until(&mut server, settled)? {
            self.fleet.mark();
            if self.serve_until(&mut server, settled)? {
                self.fleet.inspect();
                if !self.serve_until(&mut server, Fleet::is_inspected)? {
                    let waiting_for = "all retained messages".to_owned();
                    self.fleet.ledger.blame("inspector", Fault::Stalled { waiting_for });
                }
            }
        }
        if !self.fleet.is_quiet() {
            let waiting_for = self.fleet.who_waits();
            self.fleet.ledger.blame("everybody", Fault::Stalled { waiting_for });
        }
        self.fleet.ledger.settle();
        if self.options.spare {
            self.fleet.cut();
            self.spared = Some((server, address));
        } else {
            self.kill(server)?;
        }
        let what = format!("drained {owed} owed messages in {} ms", started.elapsed().as_millis());
        Ok(Line { what, before })
    }

    /// Starts the server and waits until it is ready; why not, else.
    fn start(&mut self, cycle: u32) -> Result<Result<(Server, SocketAddr), String>, String> {
        let mut server = self.launch.start(cycle)?;
        Ok(match server.wait(READY) {
            Start::Ready(address, took) => {
                self.note_ready(took);
                Ok((server, address))
            }
            Start::NotYet => Err(format!("not within {} s", READY.as_secs())),
            Start::Failed(why) => Err(why),
        })
    }

    fn note_ready(&mut self, took: Duration) {
        self.ready = took;
        self.slowest = self.slowest.max(took);
    }

    fn not_ready(&mut self, why: &str, before: Counts) -> Line {
        self.fleet.ledger.blame("server", Fault::NotReady { why: why.to_owned() });
        Line { what: format!("not ready: {why}"), before }
    }

    /// Brings the server to its end; says how.
    fn end(&mut self, mut server: Server, ending: Ending) -> Result<String, String> {
        let patience = match ending {
            Ending::Kill => {
                self.kill(server)?;
                return Ok("killed".to_owned());
            }
            Ending::Stop => STOPPING,
            Ending::KillInStop(after) => after,
        };
        server.ask_to_stop()?;
        self.fleet.part();
        let asked = Instant::now();
        let mut ended = server.ended();
        while ended.is_none() && asked.elapsed() < patience {
            self.fleet.turn().map_err(|error| error.to_string())?;
            ended = server.ended();
        }
        let took = asked.elapsed().as_millis();
        let why = match (ending, ended) {
            (_, Some(status)) if !status.success() => Some(format!("it ended with {status}")),
            (Ending::Stop, None) => Some(format!("not within {} s", STOPPING.as_secs())),
            _ => None,
        };
        if let Some(why) = why {
            self.fleet.ledger.blame("server", Fault::NotStopped { why });
        }
        if ended.is_none() {
            self.kill(server)?;
            return Ok(format!("killed {took} ms into a stop"));
        }
        self.stops += 1;
        self.lose(server)?;
        Ok(format!("stopped within {took} ms"))
    }

    /// `kill -9`; what the server had sent counts. With `--power`, what it had not synced is gone.
    fn kill(&mut self, server: Server) -> Result<(), String> {
        self.kills += 1;
        self.lose(server)
    }

    /// The server is gone, by itself or by force.
    fn lose(&mut self, server: Server) -> Result<(), String> {
        server.kill();
        self.fleet.read_out().map_err(|error| error.to_string())?;
        let counts = self.fleet.ledger.counts();
        let Some(power) = &mut self.power else { return Ok(()) };
        // Without this a server that goes past the shim would look as if it never lost anything.
        if counts.once + counts.exactly > 0 && power.syncs()? == 0 {
            return Err("the server acknowledges messages, and the shim has seen no sync".to_owned());
        }
        power.cut()
    }

    /// Serves everybody for so long.
    fn serve(&mut self, server: &mut Server, time: Duration) -> Result<(), String> {
        let end = Instant::now() + time;
        while Instant::now() < end && self.lives(server) {
            self.fleet.turn().map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Serves everybody until it is `done`; false when nothing has moved for too long before that.
    fn serve_until(
        &mut self,
        server: &mut Server,
        mut done: impl FnMut(&mut Fleet) -> bool,
    ) -> Result<bool, String> {
        let (mut moved, mut counts) = (Instant::now(), self.fleet.ledger.counts());
        while !done(&mut self.fleet) {
            if moved.elapsed() > STALL || !self.lives(server) {
                return Ok(false);
            }
            self.fleet.turn().map_err(|error| error.to_string())?;
            if self.fleet.ledger.counts() != counts {
                (moved, counts) = (Instant::now(), self.fleet.ledger.counts());
            }
        }
        Ok(true)
    }

    /// A fault of the disk, and the time until it is overcome.
    fn suffer(&mut self, server: &mut Server, trouble: Trouble) -> Result<String, String> {
        let Some(power) = &mut self.power else { return Ok(String::new()) };
        power.begin(trouble.fault)?;
        self.fleet.set_fault(true, false);
        self.fleet.ask_probe();
        let begun = Instant::now();
        while self.lives(server)
            && (begun.elapsed() < trouble.lasts
                || !self.fleet.probe_is_answered() && begun.elapsed() < PROBE_PATIENCE)
        {
            self.fleet.turn().map_err(|error| error.to_string())?;
        }
        if !self.fleet.probe_is_answered() {
            let waiting_for = format!("QoS 0 during {}", trouble.fault.name());
            self.fleet.ledger.blame("probe", Fault::Stalled { waiting_for });
        }
        let injected = match &mut self.power {
            Some(power) => power.end()?,
            None => 0,
        };
        self.fleet.ledger.forgive_order_of_open();
        self.fleet.set_fault(true, true);
        let ended = Instant::now();
        while self.lives(server) && !self.fleet.has_recovered() && ended.elapsed() < RECOVERY {
            self.fleet.turn().map_err(|error| error.to_string())?;
        }
        if !self.fleet.has_recovered() {
            let waiting_for =
                format!("acknowledgements after {}: {}", trouble.fault.name(), self.fleet.who_waits());
            self.fleet.ledger.blame("everybody", Fault::Stalled { waiting_for });
        }
        self.fleet.ledger.forgive_order_of_open();
        self.fleet.set_fault(false, true);
        let (lasted, recovered) = (trouble.lasts.as_millis(), ended.elapsed().as_millis());
        Ok(format!(
            "{} ({injected} times) for {lasted} ms, overcome {recovered} ms later",
            trouble.fault.name()
        ))
    }

    /// Whether the server runs; if not, that is a violation.
    fn lives(&mut self, server: &mut Server) -> bool {
        let Some(status) = server.ended() else { return true };
        let known = self.fleet.ledger.violations().iter().any(|found| found.client == "server");
        if !known {
            self.fleet
                .ledger
                .blame("server", Fault::Closed { why: format!("it ended by itself ({status})") });
        }
        false
    }

    fn tell(&self, cycle: u32, line: &Line) {
        let (now, before) = (self.fleet.ledger.counts(), line.before);
        let acknowledged = now.once + now.exactly - before.once - before.exactly;
        println!(
            "cycle {cycle:>3}: {}; sent {}, acknowledged {acknowledged} ({} of QoS 2), refused {}, delivered {} ({} again), \
             {} away, owed {}, {} sessions resumed, data {} KiB, ready in {} ms",
            line.what,
            now.sent - before.sent,
            now.exactly - before.exactly,
            now.refused - before.refused,
            now.delivered - before.delivered,
            now.repeated - before.repeated,
            self.away,
            self.fleet.ledger.owed_in_all(),
            now.resumed - before.resumed,
            size_of(&self.data) >> 10,
            self.ready.as_millis(),
        );
    }

    fn sum_up(&self, cycles: u32, took: Duration) -> bool {
        let (counts, violations) = (self.fleet.ledger.counts(), self.fleet.ledger.violations());
        let mut printed = Vec::new();
        for violation in violations {
            let kind = discriminant(&violation.fault);
            if printed.iter().filter(|other| **other == kind).count() < PRINTED {
                println!("VIOLATION {violation}");
                printed.push(kind);
            }
        }
        if violations.len() > printed.len() {
            println!("... and {} more of the same kinds", violations.len() - printed.len());
        }
        let verdict = if violations.is_empty() { "all of it held" } else { "BROKEN" };
        println!(
            "{verdict}: {cycles} cycles, {} kills and {} stops{}, {} messages acknowledged ({} of QoS 2), {} deliveries ({} again, \
             {} shared), {} wills that had to come, {} sessions resumed, {} retained messages seen, slowest start {} ms, {} violations, {:.1} s, seed {}",
            self.kills,
            self.stops,
            if self.power.is_some() { " with power loss" } else { "" },
            counts.once + counts.exactly,
            counts.exactly,
            counts.delivered,
            counts.repeated,
            counts.shared,
            counts.wills,
            counts.resumed,
            counts.retained,
            self.slowest.as_millis(),
            violations.len(),
            took.as_secs_f64(),
            self.options.seed,
        );
        let held = violations.is_empty();
        if held && !self.options.keep {
            // What is left behind after a good run is only untidy.
            let _ = fs::remove_dir_all(&self.options.folder);
        } else {
            println!("kept: {} and {}", self.data.display(), self.launch.log().display());
        }
        held
    }
}

/// Bytes in the files of a folder and those below it.
fn size_of(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(about) if about.is_dir() => size_of(&entry.path()),
            Ok(about) => about.len(),
            Err(_) => 0,
        })
        .sum()
}

//! Plays the runs in turn and keeps what they report.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value as Json};

use super::data::DataFolder;
use super::restart;
use super::rows::{Part, RESTART, Run, Value};
use super::server::{Kind, Launch, Server, bounded};

/// How much is asked of a run.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    seconds: f64,
    divide: u32,
}

impl Effort {
    /// What the page's figures are measured with.
    pub(crate) fn full() -> Self {
        Self { seconds: 2.0, divide: 1 }
    }

    /// Enough to see that everything works.
    pub(crate) fn quick() -> Self {
        Self { seconds: 0.1, divide: 50 }
    }
}

/// The figures of one run.
pub(crate) type Report = Map<String, Json>;

/// All results so far.
pub(crate) struct Laboratory {
    binaries: PathBuf,
    effort: Effort,
    nice: i32,
    shards: Option<usize>,
    older: Option<PathBuf>,
    results: BTreeMap<(Run, Kind), Vec<Result<Report, String>>>,
}

impl Laboratory {
    /// A laboratory that has measured nothing.
    pub(crate) fn new(binaries: PathBuf, effort: Effort, nice: i32, shards: Option<usize>) -> Self {
        Self { binaries, effort, nice, shards, older: None, results: BTreeMap::new() }
    }

    /// Names the other version of Darter.
    pub(crate) fn beside(&mut self, older: PathBuf) {
        self.older = Some(older);
    }

    /// The runs of one round for these parts of the page, each server after the other within a scenario.
    pub(crate) fn plan(
        &self,
        parts: &[Part],
        servers: &[Kind],
        scenarios: &[String],
    ) -> Result<Vec<(Run, Kind)>, String> {
        let wanted = |run: &Run| scenarios.is_empty() || scenarios.iter().any(|name| name == run.scenario);
        let runs: Vec<Run> = parts.iter().flat_map(|part| part.runs()).filter(wanted).collect();
        if let Some(unknown) =
            scenarios.iter().find(|name| runs.iter().all(|run| run.scenario != name.as_str()))
        {
            return Err(format!("no scenario is called {unknown:?}"));
        }
        let servers: Vec<Kind> = [Kind::Older].into_iter().chain(servers.iter().copied()).collect();
        let pairs = runs.iter().flat_map(|run| servers.iter().map(|kind| (*run, *kind)));
        Ok(pairs.filter(|(run, kind)| can_play(*kind, *run)).collect())
    }

    /// Plays every run once; a run that fails is noted and the round goes on.
    pub(crate) fn round(&mut self, round: usize, runs: &[(Run, Kind)]) {
        for (run, kind) in runs {
            let shards = run.shards.map(|shards| format!(" with {shards} shards")).unwrap_or_default();
            print!("run {round}: {}, {}{shards} ... ", run.scenario, kind.name());
            let _ = std::io::stdout().flush();
            let outcome = self.play(*run, *kind);
            match &outcome {
                Ok(report) => println!("{}", summary(report)),
                Err(reason) => println!("FAILED: {reason}"),
            }
            self.results.entry((*run, *kind)).or_default().push(outcome);
        }
    }

    fn play(&self, run: Run, kind: Kind) -> Result<Report, String> {
        let (shards, cores) = match run.shards {
            Some(shards) => (Some(shards), "0,1"),
            None => (self.shards, "0"),
        };
        let on_disk = match run.part {
            Part::Memory => false,
            Part::Disk => true,
            Part::Beside => kind != Kind::Older,
        };
        let folder = if on_disk { Some(DataFolder::fresh()?) } else { None };
        let launch = Launch {
            kind,
            binaries: &self.binaries,
            older: self.older.as_deref(),
            part: run.part,
            folder: folder.as_ref(),
            shards,
            cores,
            nice: self.nice,
        };
        let start = || Server::start(&launch);
        match &folder {
            Some(folder) if run.scenario == RESTART => {
                restart::play(kind, folder, start, |scenario, server| self.generate(scenario, server))
            }
            _ => self.generate(run.scenario, &start()?),
        }
    }

    /// Lets the generator play a scenario against this server.
    fn generate(&self, scenario: &str, server: &Server) -> Result<Report, String> {
        let mut generator = bounded(&self.binaries.join("darter-perf"), None, self.nice);
        generator.args(["--scenario", scenario, "--address", &server.address.to_string()]);
        generator.args(["--pid", &server.id().to_string(), "--seconds", &self.effort.seconds.to_string()]);
        generator.args(["--divide", &self.effort.divide.to_string()]);
        let output = generator.output().map_err(|error| format!("darter-perf: {error}"))?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
        }
        match serde_json::from_slice(&output.stdout) {
            Ok(Json::Object(report)) => Ok(report),
            _ => Err("darter-perf printed no report".to_owned()),
        }
    }

    /// A row's number: the median of all runs that worked.
    pub(crate) fn value(&self, value: Value, kind: Kind) -> Option<f64> {
        match value {
            Value::Figure(run, figure) => median(self.figures(run, kind, figure)),
            Value::Quotient(above, below, figure) => {
                let above = median(self.figures(above, kind, figure))?;
                Some(above / median(self.figures(below, kind, figure))?)
            }
        }
    }

    /// One figure of every run that worked.
    pub(crate) fn figures(&self, run: Run, kind: Kind, figure: &str) -> Vec<f64> {
        let outcomes = self.results.get(&(run, kind)).map(Vec::as_slice).unwrap_or_default();
        outcomes.iter().filter_map(|outcome| outcome.as_ref().ok()?.get(figure)?.as_f64()).collect()
    }

    /// A figure of one server divided by another's of the same round, the median of all rounds in which both worked.
    pub(crate) fn ratio(&self, run: Run, above: Kind, below: Kind, figure: &str) -> Option<f64> {
        let of = |kind| self.results.get(&(run, kind)).map(Vec::as_slice).unwrap_or_default();
        let number = |outcome: &Result<Report, String>| outcome.as_ref().ok()?.get(figure)?.as_f64();
        let pairs = of(above).iter().zip(of(below));
        median(pairs.filter_map(|(above, below)| Some(number(above)? / number(below)?)).collect())
    }

    /// Every run and server of this part that was measured.
    pub(crate) fn measured(&self, part: Part) -> impl Iterator<Item = (Run, Kind)> {
        self.results.keys().copied().filter(move |(run, _)| run.part == part)
    }

    /// Where the programs under test are.
    pub(crate) fn binaries(&self) -> &Path {
        &self.binaries
    }

    /// The other version of Darter.
    pub(crate) fn older(&self) -> Option<&Path> {
        self.older.as_deref()
    }

    /// The priority everything ran with.
    pub(crate) fn nice(&self) -> i32 {
        self.nice
    }

    /// Runs of this part that failed, lost something or got it in the wrong order, in words.
    pub(crate) fn complaints(&self, part: Part) -> Vec<String> {
        let mut complaints = Vec::new();
        for ((run, kind), outcomes) in self.results.iter().filter(|((run, _), _)| run.part == part) {
            for (index, outcome) in outcomes.iter().enumerate() {
                let what = match outcome {
                    Ok(report) => fault(report),
                    Err(reason) => Some(reason.clone()),
                };
                if let Some(what) = what {
                    let shards = run.shards.map(|shards| format!(", {shards} shards")).unwrap_or_default();
                    complaints.push(format!(
                        "{} ({}{shards}), run {}: {what}",
                        run.scenario,
                        kind.name(),
                        index + 1
                    ));
                }
            }
        }
        complaints
    }
}

/// Shards are Darter's alone, as is the comparison with an older version, and the server that only copies has nothing but
/// QoS 0, exact topics and memory.
fn can_play(kind: Kind, run: Run) -> bool {
    const COPIED: [&str; 11] = [
        "p2p-w1",
        "p2p-w10",
        "p2p-w100",
        "fan-out-w1",
        "fan-out-w10",
        "fan-in-1",
        "fan-in-5",
        "large",
        "connect",
        "idle",
        "paced",
    ];
    match (kind, run.part) {
        (Kind::Darter, _) | (Kind::Older, Part::Beside) => true,
        (Kind::Older, _) | (_, Part::Beside) | (Kind::KernelLimit, Part::Disk) => false,
        (Kind::Mosquitto, _) => run.shards.is_none(),
        (Kind::KernelLimit, Part::Memory) => run.shards.is_none() && COPIED.contains(&run.scenario),
    }
}

fn fault(report: &Report) -> Option<String> {
    let faults: Vec<_> = ["lost", "misordered", "strange"]
        .iter()
        .filter_map(|name| Some((name, report.get(*name)?.as_f64()?)))
        .filter(|(_, count)| *count > 0.0)
        .map(|(name, count)| format!("{count} {name}"))
        .collect();
    (!faults.is_empty()).then(|| faults.join(", "))
}

/// A report in a few words, for who watches.
fn summary(report: &Report) -> String {
    let shown = |name: &&String| {
        [
            "cpu_us",
            "bytes",
            "p50_us",
            "p99_us",
            "lost",
            "server_share",
            "generator_share",
            "others_share",
            "ready_ms",
            "peak_mb",
            "disk",
            "per_second_drain",
        ]
        .iter()
        .any(|prefix| name.starts_with(prefix))
    };
    let words: Vec<_> = report.keys().filter(shown).map(|name| format!("{name} {}", report[name])).collect();
    words.join(", ")
}

/// The middle one; of an even number the lower of the two.
pub(crate) fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len().saturating_sub(1) / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0]), Some(1.0));
        assert_eq!(median(Vec::new()), None);
    }

    #[test]
    fn rows_about_shards_are_never_played_with_another_server() {
        let laboratory = Laboratory::new(PathBuf::new(), Effort::quick(), 0, None);
        let plan = laboratory.plan(&[Part::Memory], &[Kind::Darter, Kind::Mosquitto], &[]).unwrap();
        assert!(plan.iter().any(|(run, _)| run.shards.is_some()));
        assert!(plan.iter().all(|(run, kind)| run.shards.is_none() || *kind == Kind::Darter));
    }

    #[test]
    fn a_scenario_that_is_not_known_is_refused() {
        let laboratory = Laboratory::new(PathBuf::new(), Effort::quick(), 0, None);
        assert!(laboratory.plan(&[Part::Memory], &[Kind::Darter], &["p2p-w3".to_owned()]).is_err());
        assert!(laboratory.plan(&[Part::Disk], &[Kind::Darter], &["p2p-w1".to_owned()]).is_err());
    }

    #[test]
    fn an_older_version_is_compared_with_darter_alone() {
        let laboratory = Laboratory::new(PathBuf::new(), Effort::quick(), 0, None);
        let servers = [Kind::Darter, Kind::Mosquitto, Kind::KernelLimit];
        let plan = laboratory.plan(&[Part::Beside], &servers, &[]).unwrap();
        assert!(plan.iter().all(|(_, kind)| matches!(kind, Kind::Older | Kind::Darter)));
        let plan = laboratory.plan(&[Part::Memory, Part::Disk], &servers, &[]).unwrap();
        assert!(plan.iter().all(|(_, kind)| *kind != Kind::Older));
    }

    #[test]
    fn a_ratio_is_taken_within_each_round() {
        let mut laboratory = Laboratory::new(PathBuf::new(), Effort::quick(), 0, None);
        let run = Part::Beside.runs()[0];
        let report = |cpu: f64| Ok(Report::from_iter([("cpu_us".to_owned(), cpu.into())]));
        let broken = || Err("broken".to_owned());
        laboratory.results.insert((run, Kind::Darter), vec![report(3.0), broken(), report(12.0)]);
        laboratory.results.insert((run, Kind::Older), vec![report(2.0), report(1.0), report(4.0)]);
        assert_eq!(laboratory.ratio(run, Kind::Darter, Kind::Older, "cpu_us"), Some(1.5));
    }
}

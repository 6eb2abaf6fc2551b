//! The command line.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) const USAGE: &str = "\
usage: darter-crash --server PATH --folder DIR [options]

  --server PATH  the darter binary
  --folder DIR   where the run keeps its data folder, configuration and log; must not exist
  --cycles N     how often the server is started and brought to its end (25)
  --seed S       everything left to chance follows from it; without it a new one is taken and printed
  --shards K     shards of the server; its own choice if not given
  --power        the power fails as well: what was not synced is thrown away, and the disk has faults
  --keep         keep the folder, also after a good run
  --trace NAMES  write what these clients send and receive into trace.log there, such as subscriber-0,publisher-2

  Controls, which show that the laboratory itself can be believed:
  --memory       start the server with --memory: everything is lost at the first kill, and the run must fail
  --spare        never kill the server, only cut every connection: must succeed even with --memory
  --lie          with --power: the disk says that it has synced and has not, and the run must fail
";

/// What a run is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) server: PathBuf,
    pub(crate) folder: PathBuf,
    pub(crate) cycles: u32,
    pub(crate) seed: u64,
    pub(crate) shards: Option<u8>,
    pub(crate) power: bool,
    pub(crate) keep: bool,
    pub(crate) trace: Option<String>,
    pub(crate) memory: bool,
    pub(crate) spare: bool,
    pub(crate) lie: bool,
}

impl Options {
    /// Reads the command line.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, String> {
        let (mut server, mut folder) = (None, None);
        let mut options = Self {
            server: PathBuf::new(),
            folder: PathBuf::new(),
            cycles: 25,
            seed: seed_of_the_moment(),
            shards: None,
            power: false,
            keep: false,
            trace: None,
            memory: false,
            spare: false,
            lie: false,
        };
        let mut rest = arguments.iter();
        while let Some(option) = rest.next() {
            let mut value = || rest.next().ok_or_else(|| format!("{option} needs a value\n\n{USAGE}"));
            match option.as_str() {
                "--server" => server = Some(PathBuf::from(value()?)),
                "--folder" => folder = Some(PathBuf::from(value()?)),
                "--cycles" => options.cycles = number(option, value()?)?,
                "--seed" => options.seed = number(option, value()?)?,
                "--shards" => options.shards = Some(number(option, value()?)?),
                "--trace" => options.trace = Some(value()?.clone()),
                "--power" => options.power = true,
                "--keep" => options.keep = true,
                "--memory" => options.memory = true,
                "--spare" => options.spare = true,
                "--lie" => options.lie = true,
                other => return Err(format!("no option is called {other:?}\n\n{USAGE}")),
            }
        }
        let (Some(server), Some(folder)) = (server, folder) else { return Err(USAGE.to_owned()) };
        if options.cycles == 0 {
            return Err(format!("--cycles 0 would prove nothing\n\n{USAGE}"));
        }
        if options.power && (options.memory || options.spare) {
            return Err(format!("--power goes with neither --memory nor --spare\n\n{USAGE}"));
        }
        if options.lie && !options.power {
            return Err(format!("--lie goes only with --power\n\n{USAGE}"));
        }
        Ok(Self { server, folder, ..options })
    }
}

fn number<T: std::str::FromStr>(option: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{option} cannot be {value:?}\n\n{USAGE}"))
}

fn seed_of_the_moment() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::from(since.subsec_nanos()) ^ since.as_secs() << 20 & 0xFFFF_FFFF
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(&line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn a_command_line_is_read() {
        let options = parse("--server d --folder f --cycles 3 --seed 7 --shards 4 --power --keep").unwrap();
        let expected = Options {
            server: "d".into(),
            folder: "f".into(),
            cycles: 3,
            seed: 7,
            shards: Some(4),
            power: true,
            keep: true,
            trace: None,
            memory: false,
            spare: false,
            lie: false,
        };
        assert_eq!(options, expected);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let lines = [
            "--server d",
            "--server d --folder f --what",
            "--server d --folder f --cycles x",
            "--server d --folder f --cycles 0",
            "--server d --folder f --power --spare",
            "--server d --folder f --lie",
        ];
        for line in lines {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}

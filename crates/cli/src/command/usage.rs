//! Command lines that cannot be understood.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::io::{self, Write};
use std::process::ExitCode;

/// Prints help where it was asked for, and otherwise what is wrong with the command line.
///
/// `command` is the first word of the command line. `pub` and `sub` end with mosquitto's exit code.
pub(crate) fn report(error: &clap::Error, command: Option<&str>) -> ExitCode {
    if !matches!(command, Some("pub" | "sub")) {
        error.exit();
    }
    if !error.use_stderr() {
        // Nobody is left to tell when standard output is closed.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let line = missing_feature(error).or_else(|| one_line(error));
    // Nobody is left to tell when standard error is closed.
    let _ = match line {
        Some(line) => writeln!(io::stderr(), "darter: {line}"),
        None => error.print(),
    };
    ExitCode::FAILURE
}

/// What is wrong, without the usage that clap puts below it.
fn one_line(error: &clap::Error) -> Option<String> {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return None;
    }
    let text = error.render().to_string();
    let lines = text.lines().take_while(|line| !line.is_empty()).map(str::trim);
    let line = lines.collect::<Vec<_>>().join(" ");
    Some(format!("{}; --help explains the options", line.strip_prefix("error: ")?))
}

/// One line for an option of mosquitto's clients that is not there yet.
fn missing_feature(error: &clap::Error) -> Option<String> {
    if error.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    let Some(ContextValue::String(option)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    let (_, what) = NOT_YET.iter().find(|(options, _)| options.contains(&option.as_str()))?;
    Some(format!("{option} is not accepted yet: {what}."))
}

/// Options by the feature they need.
const NOT_YET: &[(&[&str], &str)] = &[
    (
        &[
            "--cafile",
            "--capath",
            "--cert",
            "--key",
            "--keyform",
            "--ciphers",
            "--insecure",
            "--tls-alpn",
            "--tls-engine",
            "--tls-engine-kpass-sha1",
            "--tls-use-os-certs",
            "--tls-version",
            "--tls-keylog",
        ],
        "connections are without TLS so far",
    ),
    (&["--psk", "--psk-identity"], "there is no TLS so far, and pre-shared keys are not planned"),
    (&["--proxy"], "connect to the server directly"),
    (&["--unix"], "connect by TCP with -h and -p"),
    (&["-S"], "name the server with -h"),
    (&["-o"], "write the options on the command line"),
    (&["--random-filter"], "every message is printed"),
    (&["-w", "--watch"], "messages are printed one below the other"),
    (&["--ws"], "connect by plain TCP"),
];

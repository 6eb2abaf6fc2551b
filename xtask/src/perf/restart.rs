//! A queue that outlives its server: filled, the server ended and started again, drained.

use std::time::{Duration, Instant};

use super::data::DataFolder;
use super::laboratory::Report;
use super::server::{Kind, Server};

/// Plays all of it. Darter is killed; mosquitto is asked to end, because only then does it save.
pub(crate) fn play(
    kind: Kind,
    folder: &DataFolder,
    start: impl Fn() -> Result<Server, String>,
    generate: impl Fn(&str, &Server) -> Result<Report, String>,
) -> Result<Report, String> {
    let server = start()?;
    let empty = folder.bytes();
    let more = || folder.bytes().saturating_sub(empty) as f64 / 1e6;
    let mut report = generate("durable-fill", &server)?;
    let ending = Instant::now();
    match kind {
        Kind::Mosquitto => server.stop()?,
        _ => server.kill()?,
    }
    report.insert("end_ms".to_owned(), milliseconds(ending.elapsed()).into());
    report.insert("disk_mb".to_owned(), more().into());
    let server = start()?;
    report.insert("ready_ms".to_owned(), milliseconds(server.ready_after).into());
    report.extend(generate("durable-drain", &server)?);
    report.insert("disk_after_mb".to_owned(), more().into());
    Ok(report)
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

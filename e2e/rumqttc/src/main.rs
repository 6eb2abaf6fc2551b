//! Drives rumqttc, versions 3.1.1 and 5, for the suite; `../drivers/wire.py` describes the commands and events.

mod v4;
mod v5;
mod wire;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::mpsc;

use wire::{Command, report_failure};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let (commands, mut queue) = mpsc::unbounded_channel::<Command>();
    let driver = tokio::task::LocalSet::new();
    driver.spawn_local(async move {
        let Some(first) = queue.recv().await else { return };
        if first.number("version") == 5 {
            v5::run(&first, queue).await;
        } else {
            v4::run(&first, queue).await;
        }
    });
    driver
        .run_until(async move {
            let mut lines = BufReader::new(tokio::io::stdin()).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                match Command::parse(&line) {
                    Ok(command) => drop(commands.send(command)),
                    Err(error) => report_failure(&format!("a command that is no JSON: {error}")),
                }
            }
        })
        .await;
    // The suite has closed stdin: whatever still waits is of no interest.
    std::process::exit(0);
}

//! Reading files again while the server runs: at SIGHUP, and when they change.

use super::Arguments;
use super::changes::Changes;
use darter_broker::Broker;
use darter_broker::admin::explain::Doors;
use darter_config::{Reloaded, Running};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How long it takes at most that a change is seen, and half of it that it has settled.
const TICK: Duration = Duration::from_secs(1);

/// What is read again, and for whom.
pub(super) struct Reloading<'s> {
    arguments: &'s Arguments,
    running: Running,
    broker: &'s Broker,
    /// What explanations come from.
    doors: Arc<Doors>,
    changes: Changes,
}

impl<'s> Reloading<'s> {
    pub(super) fn new(
        arguments: &'s Arguments,
        running: Running,
        broker: &'s Broker,
        doors: Arc<Doors>,
        changes: Changes,
    ) -> Self {
        Self { arguments, running, broker, doors, changes }
    }

    /// How long to wait before the next look; for ever when there is nothing to look at.
    pub(super) fn patience(&self) -> Option<Duration> {
        (!self.changes.is_empty()).then_some(TICK)
    }

    /// Looks whether files have changed, and reads them again if they have.
    pub(super) fn look(&mut self) {
        if self.changes.look() {
            tracing::info!("a file has changed; it is read again");
            self.read();
        }
    }

    /// Reads everything again.
    pub(super) fn reload(&mut self) {
        tracing::info!("all files are read again");
        self.read();
        // The log has what came of it.
        let _ = self.broker.reload();
    }

    /// Rules and ways to log in: all of it, or nothing if a part cannot be used.
    fn read(&mut self) {
        self.changes = Changes::of(files(self.arguments, &self.running));
        let outcome = self.arguments.effective_config().and_then(|config| {
            // It may name other files.
            self.changes.also(config.files());
            self.running.reload(&config).map_err(anyhow::Error::from)
        });
        match outcome {
            Ok(Reloaded { policy, needs_restart }) => {
                let rules: usize = policy.rules().map(|(_, rules)| rules.len()).sum();
                self.broker.set_policy(&policy);
                self.doors.replace(self.running.doors().to_vec());
                tracing::info!(rules, "the new rules and ways to log in count");
                if needs_restart {
                    tracing::warn!(
                        "other settings have changed too, and count when the server is started again"
                    );
                }
            }
            Err(error) => {
                for line in crate::whole(&error).lines() {
                    tracing::error!("{line}");
                }
                tracing::error!("the rules and ways to log in from before go on to count");
            }
        }
    }
}

fn files(arguments: &Arguments, running: &Running) -> impl Iterator<Item = PathBuf> {
    arguments.config.clone().into_iter().chain(running.files())
}

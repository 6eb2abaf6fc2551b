//! Power loss: a shim in the server's process keeps a copy of what the disk would have, and obeys orders for faults of the
//! disk. `shim/powerfail.c` says how.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use darter_crash::shim::{Control, Field, build_shim};

use crate::dice::Dice;
use crate::plan::DiskFault;

/// The power of the server's machine.
pub(crate) struct Power {
    library: PathBuf,
    data: PathBuf,
    shadow: PathBuf,
    control_file: PathBuf,
    control: Control,
    dice: Dice,
    faults: u64,
}

impl Power {
    /// Builds the shim, and makes an empty disk beside the empty folder `data`. A disk that lies keeps nothing for good.
    ///
    /// # Errors
    /// What went wrong.
    pub(crate) fn new(folder: &Path, data: &Path, seed: u64, lie: bool) -> Result<Self, String> {
        let library = folder.join("powerfail.so");
        build_shim(&library)?;
        let (shadow, control_file) = (folder.join("disk"), folder.join("orders"));
        fs::create_dir(&shadow).map_err(|error| format!("{}: {error}", shadow.display()))?;
        let control = Control::create(&control_file).map_err(|error| error.to_string())?;
        control.set(Field::Lie, u64::from(lie)).map_err(|error| error.to_string())?;
        let (data, dice) = (data.to_owned(), Dice::new(!seed));
        let mut power = Self { library, data, shadow, control_file, control, dice, faults: 0 };
        power.roll_luck().map_err(|error| error.to_string())?;
        Ok(power)
    }

    /// What the server is started with.
    pub(crate) fn environment(&self) -> Vec<(&'static str, PathBuf)> {
        vec![
            ("LD_PRELOAD", self.library.clone()),
            ("POWERFAIL_DIR", self.data.clone()),
            ("POWERFAIL_SHADOW", self.shadow.clone()),
            ("POWERFAIL_CONTROL", self.control_file.clone()),
        ]
    }

    /// The power is gone, and the server with it: its folder becomes what the disk has.
    ///
    /// # Errors
    /// What went wrong.
    pub(crate) fn cut(&mut self) -> Result<(), String> {
        self.stop_faults()
            .and_then(|()| fs::remove_dir_all(&self.data))
            .and_then(|()| copy_folder(&self.shadow, &self.data))
            .and_then(|()| self.roll_luck())
            .map_err(|error| format!("cannot put the disk in the place of the data folder: {error}"))
    }

    /// How often the server has asked for something to be kept.
    ///
    /// # Errors
    /// When the answer cannot be read.
    pub(crate) fn syncs(&self) -> Result<u64, String> {
        self.control.get(Field::Syncs).map_err(|error| error.to_string())
    }

    /// A fault begins.
    ///
    /// # Errors
    /// When the order cannot be given.
    pub(crate) fn begin(&mut self, fault: DiskFault) -> Result<(), String> {
        self.faults = self.control.get(Field::Faults).map_err(|error| error.to_string())?;
        let orders: &[(Field, u64)] = match fault {
            DiskFault::Full { bytes } => &[(Field::Room, bytes), (Field::Full, 1)],
            DiskFault::FailedWrites { skip } => &[(Field::SkipWrites, skip), (Field::FailWrites, u64::MAX)],
            DiskFault::FailedSyncs { skip } => &[(Field::SkipSyncs, skip), (Field::FailSyncs, u64::MAX)],
            DiskFault::ShortWrites => &[(Field::ShortWrites, 1)],
            DiskFault::Slow { millis } => &[(Field::SlowMillis, millis)],
        };
        orders
            .iter()
            .try_for_each(|(field, value)| self.control.set(*field, *value))
            .map_err(|error| error.to_string())
    }

    /// The fault ends; returns how often it was felt.
    ///
    /// # Errors
    /// When the order cannot be given.
    pub(crate) fn end(&mut self) -> Result<u64, String> {
        self.stop_faults().map_err(|error| error.to_string())?;
        Ok(self.control.get(Field::Faults).map_err(|error| error.to_string())?.saturating_sub(self.faults))
    }

    fn stop_faults(&self) -> io::Result<()> {
        let orders = [
            Field::Full,
            Field::Room,
            Field::FailWrites,
            Field::SkipWrites,
            Field::FailSyncs,
            Field::SkipSyncs,
            Field::ShortWrites,
            Field::SlowMillis,
        ];
        orders.iter().try_for_each(|field| self.control.set(*field, 0))
    }

    /// How much of what is not synced reaches the next disk all the same: nothing, a little or most of it.
    fn roll_luck(&mut self) -> io::Result<()> {
        self.control.set(Field::Luck, self.dice.pick([0, 0, 100, 500, 900]))?;
        self.control.set(Field::Seed, self.dice.roll())
    }
}

/// Copies a folder with its files and folders; whatever else stands in it does not outlive a process anyway.
fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, copy) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            copy_folder(&entry.path(), &copy)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), &copy)?;
        }
    }
    Ok(())
}

//! The design's table of layers as data: which crate may import which of ours.

/// One crate under `crates/`, by the folder's name.
pub(super) struct Layer {
    /// Folder under `crates/`.
    pub(super) name: &'static str,
    /// L0 to L5, or `dev` for what only tests import.
    pub(super) level: &'static str,
    /// Our crates it may import as normal or build dependencies.
    pub(super) may_import: MayImport,
    /// Whether it lives without sockets, clocks, files and random sources.
    pub(super) sans_io: bool,
}

/// What a crate may import of ours.
pub(super) enum MayImport {
    /// Only these folders.
    Only(&'static [&'static str]),
    /// Every crate except those that are for tests.
    Everything,
}

const fn layer(level: &'static str, name: &'static str, may_import: &'static [&'static str]) -> Layer {
    Layer { name, level, may_import: MayImport::Only(may_import), sans_io: false }
}

const fn sans_io(level: &'static str, name: &'static str, may_import: &'static [&'static str]) -> Layer {
    Layer { name, level, may_import: MayImport::Only(may_import), sans_io: true }
}

const fn everything(level: &'static str, name: &'static str) -> Layer {
    Layer { name, level, may_import: MayImport::Everything, sans_io: false }
}

/// Every layer, also of crates that are not written yet.
pub(super) const LAYERS: &[Layer] = &[
    sans_io("L0", "codec", &[]),
    sans_io("L1", "session", &["codec"]),
    sans_io("L1", "engine", &["codec", "session"]),
    layer("L1", "store", &["codec"]),
    layer("L1", "net", &[]),
    layer("L2", "client", &["codec", "session", "net"]),
    layer("L2", "broker", &["codec", "session", "engine", "store", "net"]),
    layer("L3", "maker", &["broker", "codec"]),
    layer("L3", "recorder", &["codec", "client"]),
    layer("L3", "bridge", &["broker", "client", "codec"]),
    layer("L3", "cluster", &["broker", "codec"]),
    layer("L3", "registry", &["broker", "codec"]),
    layer("L3", "automation", &["broker", "codec"]),
    layer("L3", "console", &["broker", "registry", "automation", "net", "codec"]),
    layer(
        "L4",
        "config",
        &["client", "broker", "maker", "recorder", "bridge", "cluster", "registry", "automation", "console"],
    ),
    everything("L5", "cli"),
    everything("dev", "testkit"),
];

/// Crates that a crate without IO must not reach, not even through others, with what they would bring in.
pub(super) const BANNED_BELOW_IO: &[(&str, &str)] = &[
    ("async-io", "sockets"),
    ("async-std", "sockets"),
    ("chrono", "clocks"),
    ("coarsetime", "clocks"),
    ("crossbeam-channel", "threads"),
    ("fastrand", "random numbers"),
    ("fjall", "files"),
    ("getrandom", "random numbers"),
    ("instant", "clocks"),
    ("jiff", "clocks"),
    ("mio", "sockets"),
    ("polling", "sockets"),
    ("quanta", "clocks"),
    ("rand", "random numbers"),
    ("rayon", "threads"),
    ("smol", "sockets"),
    ("socket2", "sockets"),
    ("tempfile", "files"),
    ("time", "clocks"),
    ("tokio", "sockets, clocks and files"),
    ("web-time", "clocks"),
];

/// Paths of the standard library that a crate without IO must not name outside its tests.
pub(super) const BANNED_PATHS: &[(&str, &str)] = &[
    ("std::time::Instant", "clocks"),
    ("std::time::SystemTime", "clocks"),
    ("std::net::Tcp", "sockets"),
    ("std::net::Udp", "sockets"),
    ("std::os", "sockets and files"),
    ("std::fs", "files"),
    ("std::io", "files"),
    ("std::env", "the environment"),
    ("std::process", "processes"),
    ("std::thread", "threads"),
    ("std::hash::RandomState", "random numbers"),
    ("std::collections::hash_map::RandomState", "random numbers"),
];

/// The layer of a folder under `crates/`.
pub(super) fn layer_of(folder: &str) -> Option<&'static Layer> {
    LAYERS.iter().find(|layer| layer.name == folder)
}

//! What stands in a file arrives in the server's options.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use darter_broker::RatePolicy;
use darter_broker::net::Address;
use darter_broker::store::history::{HistoryOptions, Place};
use darter_config::{Config, DataDir, Durability, FileError, History, Level, Limits, QueuePolicy, Storage};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

fn config(text: &str) -> Config {
    text.parse().unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn an_empty_file_is_the_defaults() {
    let options = config("").options().unwrap();
    let defaults = darter_broker::Options::default();
    assert_eq!(format!("{options:?}"), format!("{defaults:?}"));
    assert_eq!(options.listeners[0].optional, defaults.listeners[0].optional);
}

#[test]
fn the_sample_with_every_key_is_the_defaults() {
    let sample = config(&darter_config::reference::sample());
    assert_eq!(format!("{sample:?}"), format!("{:?}", Config::default()));
}

#[test]
fn every_limit_of_the_engine_has_a_key() {
    let shown = format!("{:#?}", Limits::default());
    let fields: BTreeSet<_> =
        shown.lines().filter_map(|line| line.trim().split_once(": ")).map(|(name, _)| name).collect();
    let sample = darter_config::reference::sample();
    let keys_of = |section: &str| -> BTreeSet<String> {
        let lines = sample.split(&format!("\n[{section}]\n")).nth(1).unwrap().split("\n[").next().unwrap();
        lines.lines().filter_map(|line| line.split_once(" = ")).map(|(name, _)| name.to_owned()).collect()
    };
    let (storage, history) = (keys_of("storage"), keys_of("history"));
    let mut keys = keys_of("limits");
    keys.extend(storage.into_iter().filter(|key| key.starts_with("durability")));
    let points = ["points", "payload"].into_iter().filter(|key| history.contains(*key));
    keys.extend(points.map(|key| format!("history_{key}")));
    let fields: BTreeSet<String> = fields.into_iter().map(Into::into).collect();
    assert_eq!(fields, keys);
}

#[test]
fn every_value_arrives() {
    let config = config(
        "[listener]\nbind = \"::1\"\nport = 7\n[server]\nshards = 3\nstatus_interval = \"1 min\"\n[limits]\n\
         connect_size = \"1 KiB\"\npacket_size = \"2 KiB\"\nconnect_timeout = 3\nreceive_maximum = 4\ninflight = 5\n\
         topic_alias_maximum = 6\nkeep_alive = \"7 s\"\nsession_expiry = \"8 min\"\nqueue_messages = 9\n\
         queue_bytes = \"10 KiB\"\noutput_bytes = \"1 MiB\"\ntopic_levels = 12\nsubscriptions = 13\n\
         queues_messages = 14\nqueues_bytes = \"15 MiB\"\nqueue_policy = \"disconnect\"\n\
         publish_messages = 20\npublish_bytes = \"21 KiB\"\nuser_publish_messages = 22\nuser_publish_bytes = \"23 KiB\"\n\
         publish_burst = \"24 s\"\nrate_policy = \"disconnect\"\ntakeovers = 25\ntakeover_window = \"26 s\"\n\
         takeover_delay = \"27 s\"\n\
         [storage]\ndata_dir = \"memory\"\ndurability = \"interval\"\nsync_interval = \"20 ms\"\n\
         segment_size = \"2 MiB\"\nballast = 0\n[storage.durability_for]\n\"z/#\" = \"memory\"\n\"a/+\" = \"always\"\n\
         [history]\nrecord = \"off\"\ninterval = \"5 s\"\npoints = 16\npayload = 17\ndisk = \"18 MiB\"\nmemory = \"19 MiB\"\n\
         retention = \"2 d\"\nrollup_retention = \"3 d\"\n\
         [log]\nlevel = \"warn\"\n",
    );
    assert_eq!(config.log.level, Level::Warn);
    let Storage { data_dir, sync_interval, segment_size, ballast } = config.storage.clone();
    assert_eq!(data_dir, DataDir::Memory);
    assert_eq!((sync_interval, segment_size, ballast), (Duration::from_millis(20), 2 << 20, 0));
    let day = Duration::from_secs(86_400);
    let history = History {
        record: false,
        interval: Duration::from_secs(5),
        disk: 18 << 20,
        memory: 19 << 20,
        retention: 2 * day,
        rollup_retention: 3 * day,
    };
    assert_eq!(config.history, history);
    let options = config.options().unwrap();
    let [listener] = &options.listeners[..] else { panic!("{options:?}") };
    assert_eq!(listener.addresses, [Address::Inet("[::1]:7".parse().unwrap())]);
    assert_eq!(listener.optional, Vec::<std::net::IpAddr>::new());
    assert_eq!((options.shards, options.status_interval), (Some(3), Duration::from_secs(60)));
    let l = options.limits;
    assert_eq!((l.connect_size, l.packet_size, l.connect_timeout), (1024, 2048, 3000));
    assert_eq!((l.receive_maximum, l.inflight, l.topic_alias_maximum), (4, 5, 6));
    assert_eq!((l.keep_alive, l.session_expiry), (Some(7), 480));
    assert_eq!((l.queue_messages, l.queue_bytes, l.output_bytes), (9, 10 << 10, 1 << 20));
    assert_eq!((l.topic_levels, l.subscriptions), (12, 13));
    assert_eq!((l.queues_messages, l.queues_bytes, l.queue_policy), (14, 15 << 20, QueuePolicy::Disconnect));
    assert_eq!((l.publish_messages, l.publish_bytes), (20, 21 << 10));
    assert_eq!((l.user_publish_messages, l.user_publish_bytes), (22, 23 << 10));
    assert_eq!((l.publish_burst, l.rate_policy), (24_000, RatePolicy::Disconnect));
    assert_eq!((l.takeovers, l.takeover_window, l.takeover_delay), (25, 26_000, 27_000));
    assert_eq!((l.history_points, l.history_payload), (16, 17));
    assert_eq!(l.durability, Durability::Interval);
    let filters = [("z/#".to_owned(), Durability::Memory), ("a/+".to_owned(), Durability::Always)];
    assert_eq!(l.durability_for, filters, "in the order of the file");
}

#[test]
fn the_words_instead_of_numbers_are_understood() {
    let config = config(
        "[server]\nshards = \"auto\"\nstatus_interval = \"off\"\n[limits]\nkeep_alive = \"any\"\nsession_expiry = \"never\"\n",
    );
    assert_eq!((config.server.shards, config.server.status_interval), (None, Duration::ZERO));
    assert_eq!((config.limits.keep_alive, config.limits.session_expiry), (None, u32::MAX));
}

#[test]
fn every_durability_and_policy_has_its_word() {
    let durabilities =
        [("always", Durability::Always), ("interval", Durability::Interval), ("memory", Durability::Memory)];
    for (word, durability) in durabilities {
        let config = config(&format!("[storage]\ndurability = \"{word}\"\n"));
        assert_eq!(config.limits.durability, durability);
    }
    let policies = [
        ("drop-oldest", QueuePolicy::DropOldest),
        ("drop-newest", QueuePolicy::DropNewest),
        ("disconnect", QueuePolicy::Disconnect),
    ];
    for (word, policy) in policies {
        let config = config(&format!("[limits]\nqueue_policy = \"{word}\"\n"));
        assert_eq!(config.limits.queue_policy, policy);
    }
}

#[test]
fn the_history_is_beside_the_store_or_in_memory_or_off() {
    let history = |text: &str| config(text).options().unwrap().history;
    let sizes = "disk = \"5 MiB\"\nmemory = \"6 MiB\"\ninterval = 7\nretention = 3601\nrollup_retention = 86401\npayload = 8\n";
    let kept = history(&format!("[storage]\ndata_dir = \"/data\"\n[history]\n{sizes}")).unwrap();
    let expected = HistoryOptions {
        disk_cap: 5 << 20,
        memory_cap: 6 << 20,
        interval_ms: 7_000,
        keep_points_ms: 3_601_000,
        keep_rollups_ms: 86_401_000,
        max_payload: 8,
        ..HistoryOptions::in_folder("/data/history")
    };
    assert_eq!(kept, expected);
    let in_memory = history(&format!("[storage]\ndata_dir = \"memory\"\n[history]\n{sizes}")).unwrap();
    assert_eq!(in_memory, HistoryOptions { place: Place::Memory, ..expected });
    assert_eq!(history("[history]\nrecord = \"off\"\n"), None);
}

#[test]
fn the_data_folder_is_opened_by_the_store() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("opened-by-the-store");
    let config = config(&format!("[storage]\ndata_dir = '{}'\n", folder.display()));
    assert_eq!(config.storage.data_dir.folder().unwrap().as_deref(), Some(folder.as_path()));
    let opened = (config.options().unwrap().store)(1).unwrap();
    assert!(folder.is_dir());
    drop(opened.stores);
    opened.keeper.finish();
    drop(opened.keeper);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn both_ends_of_every_range_arrive_as_they_are_written() {
    let reference = darter_config::reference::markdown();
    let mut section = "";
    let mut ranges = 0;
    for line in reference.lines() {
        if let Some(name) = line.strip_prefix("## `[") {
            section = name.trim_end_matches("]`");
        }
        let cells: Vec<_> = line.split(" | ").collect();
        let Some((_, range)) = cells.get(2).and_then(|takes| takes.split_once(" from ")) else { continue };
        let (low, high) = range.split(", or").next().unwrap().split_once(" to ").unwrap();
        let key = cells[0].trim_start_matches("| ").trim_matches('`');
        for value in [low, high] {
            let quoted = if value.contains(' ') { format!("\"{value}\"") } else { value.to_string() };
            // These sections say nothing without a key.
            let needed = match section {
                "auth.jwt" => "[auth.jwt]\nkey_file = \"key\"\n".to_owned(),
                "auth.http" => "[auth.http]\nurl = \"http://host\"\n".to_owned(),
                section => format!("[{section}]\n"),
            };
            let read = config(&format!("{needed}{key} = {quoted}\n"));
            let defaults = format!("{:?}", config(&needed));
            // An end of the range may be the default.
            let is_default = cells[1].trim_matches('`') == quoted;
            assert_eq!(format!("{read:?}") == defaults, is_default, "{section}.{key} = {value}");
            ranges += 1;
        }
    }
    assert!(ranges >= 30, "{ranges}");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let error = Config::load(Path::new("/no/such/darter.toml")).unwrap_err();
    assert!(matches!(error, FileError::Unreadable { .. }));
    assert!(error.to_string().contains("/no/such/darter.toml"), "{error}");
}

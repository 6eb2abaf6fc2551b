//! The whole suite against Darter, with its state in memory, on one shard and on four.

use darter_conformance::packet::Version;
use darter_conformance::runner::{self, Plan};
use darter_testkit::BrokerFixture;

fn no_test_fails(shards: u8) {
    let fixture = BrokerFixture::new(shards);
    let plan = Plan { address: fixture.address(), versions: Version::ALL.to_vec(), filter: None };
    let reports = runner::run(&plan, |_| {});
    assert!(reports.len() > 250, "only {} tests ran", reports.len());
    let failures: Vec<String> = reports
        .iter()
        .filter(|report| report.word() == "FAIL")
        .map(|report| format!("{} {}: {:?}", report.version.name(), report.test.name, report.outcome))
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn darter_conforms_on_one_shard() {
    no_test_fails(1);
}

#[test]
fn darter_conforms_on_four_shards() {
    no_test_fails(4);
}

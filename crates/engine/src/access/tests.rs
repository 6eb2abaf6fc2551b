use super::*;
use alloc::format;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;

fn rule(effect: Effect, actions: Actions, filter: &str) -> Rule {
    let origin = Origin { file: "rules".into(), line: 7, text: format!("{filter} {actions:?}") };
    Rule { effect, actions, filter: filter.into(), origin: Arc::new(origin) }
}

fn allow(actions: Actions, filter: &str) -> Rule {
    rule(Effect::Allow, actions, filter)
}

fn deny(actions: Actions, filter: &str) -> Rule {
    rule(Effect::Deny, actions, filter)
}

fn user(name: &str) -> Identity {
    Identity::of_user(name)
}

fn grant(rules: &[Rule], name: &str, client: &str) -> Arc<Grant> {
    let mut policy = Policy::closed();
    for rule in rules {
        policy.add(Who::Everyone, rule.clone());
    }
    policy.grant(&user(name), client).unwrap()
}

#[test]
fn without_rules_there_is_no_grant_and_only_events_are_denied() {
    assert_eq!(Policy::open().grant(&user("ann"), "c"), None);
    let decide = |action, name| Decision::without_rules(action, name).allowed;
    assert!(
        decide(Action::Publish, "a") && decide(Action::Subscribe, "#") && decide(Action::Receive, "$SYS/x")
    );
    assert!(decide(Action::Subscribe, "$SYS/#"), "the rest of it may be received");
    assert!(!decide(Action::Subscribe, "$SYS/broker/events/refused"));
    assert!(!decide(Action::Receive, "$SYS/broker/events/refused"));
}

#[test]
fn a_policy_that_names_nobody_denies_everything() {
    let grant = Policy::closed().grant(&user("ann"), "c").unwrap();
    for action in [Action::Publish, Action::Retain, Action::Subscribe, Action::Receive] {
        assert_eq!(grant.decide(action, "a"), Decision { allowed: false, why: Why::Unnamed });
    }
}

#[test]
fn a_denying_rule_goes_first_wherever_it_stands() {
    for rules in [
        [allow(Actions::ALL, "#"), deny(Actions::READ, "secret/#")],
        [deny(Actions::READ, "secret/#"), allow(Actions::ALL, "#")],
    ] {
        let grant = grant(&rules, "ann", "c");
        assert!(grant.may(Action::Receive, "open"));
        assert!(!grant.may(Action::Receive, "secret/x"));
        assert!(grant.may(Action::Publish, "secret/x"), "only reading is denied");
        assert!(!grant.may_subscribe("secret/+"));
        assert!(grant.may_subscribe("#"), "it matches more; what is secret is not delivered");
        assert_eq!(grant.reach("#"), Reach::Part);
        assert_eq!(grant.reach("open/#"), Reach::Whole);
        let Why::Rule(origin) = grant.decide(Action::Receive, "secret/x").why else { panic!() };
        assert_eq!(origin.to_string(), "rules:7");
        assert!(origin.text.starts_with("secret/#"));
    }
}

#[test]
fn a_filter_that_reaches_beyond_the_rule_is_refused_or_filtered() {
    let strict = grant(&[allow(Actions::READ, "home/+/light")], "ann", "c");
    assert!(strict.may_subscribe("home/kitchen/light") && strict.may_subscribe("home/+/light"));
    assert!(!strict.may_subscribe("home/#") && !strict.may_subscribe("#"));
    let mosquitto = grant(&[allow(Actions::RECEIVE | Actions::OVERLAP, "home/+/light")], "ann", "c");
    assert!(mosquitto.may_subscribe("home/#") && mosquitto.may_subscribe("#"));
    assert!(!mosquitto.may_subscribe("garden/#"), "nothing would ever come");
    assert_eq!(mosquitto.reach("#"), Reach::Part);
    assert!(
        mosquitto.may(Action::Receive, "home/kitchen/light") && !mosquitto.may(Action::Receive, "home/door")
    );
}

#[test]
fn rules_are_for_everyone_for_anonymous_clients_for_users_and_for_roles() {
    let mut policy = Policy::open();
    policy.add(Who::Everyone, allow(Actions::WRITE, "all"));
    policy.add(Who::Anonymous, allow(Actions::WRITE, "nobody"));
    policy.add(Who::User("ann".into()), allow(Actions::WRITE, "ann"));
    policy.add(Who::Role("staff".into()), allow(Actions::WRITE, "staff"));
    policy.add(Who::Role("token".into()), allow(Actions::WRITE, "token"));
    policy.add_member("ann".into(), "staff".into());
    let topics = ["all", "nobody", "ann", "staff", "token", "own"];
    let may = |identity: &Identity| {
        let grant = policy.grant(identity, "c").unwrap();
        topics.into_iter().filter(|topic| grant.may(Action::Publish, topic)).collect::<Vec<_>>()
    };
    assert_eq!(may(&Identity::default()), ["all", "nobody"]);
    assert_eq!(may(&user("bob")), ["all"]);
    assert_eq!(may(&user("ann")), ["all", "ann", "staff"]);
    let rules = Arc::from([allow(Actions::WRITE, "own")]);
    let brought = Identity { roles: Arc::from(["token".into()]), rules, ..user("bob") };
    assert_eq!(may(&brought), ["all", "token", "own"]);
}

#[test]
fn names_are_put_into_filters() {
    let grant = grant(&[allow(Actions::ALL, "u/%u/c/%c/x-%c-%u/%d/100%/#")], "ann", "dev");
    assert!(grant.may(Action::Publish, "u/ann/c/dev/x-dev-ann/%d/100%/1"));
    assert!(!grant.may(Action::Publish, "u/bob/c/dev/x-dev-ann/%d/100%/1"));
}

#[test]
fn a_percent_sign_can_be_itself() {
    let rules = ["%%u/%u", "%%%u/x", "a%%b/100%", "%%/%c%%"].map(|filter| allow(Actions::ALL, filter));
    let grant = grant(&rules, "ann", "dev");
    for topic in ["%u/ann", "%ann/x", "a%b/100%", "%/dev%"] {
        assert!(grant.may(Action::Publish, topic), "{topic}");
    }
    assert!(!grant.may(Action::Publish, "ann/ann"));
    assert_eq!(rules.each_ref().map(Rule::is_personal), [true, true, false, true]);
    let mut policy = Policy::closed();
    policy.add(Who::Everyone, rules[2].clone());
    policy.add(Who::Everyone, allow(Actions::ALL, "%%u/#"));
    let anonymous = policy.grant(&Identity::default(), "").unwrap();
    assert!(anonymous.may(Action::Publish, "a%b/100%") && anonymous.may(Action::Publish, "%u/x"));
}

#[test]
fn a_name_never_widens_a_rule() {
    for odd in ["+", "#", "a/b", "a+", "$SYS", "%", "", "%c", "/"] {
        let rules =
            [allow(Actions::ALL, "%u/#"), allow(Actions::ALL, "x/%u/y"), deny(Actions::ALL, "no/%u/#")];
        let grant = grant(&rules, odd, "c");
        for topic in ["a/b", "other/x", "x/other/y", "$SYS/x", "a", "b", "x/a/b/y", "c/1"] {
            assert!(!grant.may(Action::Publish, topic), "user {odd:?}, topic {topic}");
            assert!(!grant.may_subscribe(topic), "user {odd:?}, filter {topic}");
        }
        assert!(!grant.may_subscribe("#") && !grant.may_subscribe("+/#"));
        let rules = [allow(Actions::ALL, "#"), deny(Actions::ALL, "no/%u/#")];
        let wide = self::grant(&rules, odd, "c");
        let plain = ["%", "%c"].contains(&odd);
        assert_eq!(wide.may(Action::Publish, "no/other/x"), plain, "user {odd:?}");
        assert!(!wide.may(Action::Publish, &format!("no/{odd}/x")) || odd == "a/b", "user {odd:?}");
    }
    let anonymous = Policy::clone(&{
        let mut policy = Policy::closed();
        policy.add(Who::Everyone, allow(Actions::ALL, "%u/#"));
        policy.add(Who::Everyone, allow(Actions::ALL, "c/%c/#"));
        policy
    });
    let grant = anonymous.grant(&Identity::default(), "dev").unwrap();
    assert!(!grant.may(Action::Publish, "/x") && grant.may(Action::Publish, "c/dev/x"));
}

#[test]
fn events_are_for_those_whom_a_rule_of_its_own_names() {
    let wide = grant(&[allow(Actions::READ, "$SYS/#"), allow(Actions::READ, "#")], "ann", "c");
    assert!(wide.may(Action::Receive, "$SYS/broker/uptime") && wide.may_subscribe("$SYS/#"));
    assert!(!wide.may(Action::Receive, "$SYS/broker/events/refused"));
    assert!(!wide.may_subscribe("$SYS/broker/events/#"));
    assert_eq!(wide.reach("$SYS/#"), Reach::Part);
    assert_eq!(wide.decide(Action::Receive, "$SYS/broker/events/refused").why, Why::Events);
    let named = grant(&[allow(Actions::READ, "$SYS/broker/events/#")], "ann", "c");
    assert!(named.may(Action::Receive, "$SYS/broker/events/refused"));
    assert!(named.may_subscribe("$SYS/broker/events/#"));
}

#[test]
fn wildcards_of_rules_leave_out_what_starts_with_a_dollar() {
    let grant = grant(&[allow(Actions::ALL, "#")], "ann", "c");
    assert!(!grant.may(Action::Publish, "$app/x") && !grant.may_subscribe("$SYS/#"));
}

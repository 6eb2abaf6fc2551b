//! Rules as people write them: `ACTIONS FILTER`, such as `publish,retain home/+/light`.

use super::{Actions, Effect, Origin, Rule};
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::sync::Arc;
use darter_codec::{SharedFilter, TopicError, topic};
use thiserror::Error;

/// The words for actions. `read` is what a subscriber needs, `write` what a publisher needs.
const WORDS: &[(&str, Actions)] = &[
    ("publish", Actions::PUBLISH),
    ("retain", Actions::RETAIN),
    ("subscribe", Actions::SUBSCRIBE),
    ("receive", Actions::RECEIVE),
    ("read", Actions::READ),
    ("write", Actions::WRITE),
    ("all", Actions::ALL),
];

/// Why a text is no rule.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BadRule {
    /// There are no actions, or no filter behind them.
    #[error(
        "a rule is what may be done and a topic filter with a space between them, such as \"publish home/+/light\""
    )]
    Incomplete,
    /// A space in the list of actions.
    #[error("there are no spaces around the commas between actions: \"publish,subscribe home/#\"")]
    SpacedComma,
    /// No action is called so.
    #[error(
        "{0:?} is no action; there are publish, retain, subscribe, receive, read (subscribe and receive), write (publish \
         and retain) and all"
    )]
    Action(String),
    /// The filter is none.
    #[error("{filter:?} is no topic filter: {why}")]
    Filter {
        /// What stands there.
        filter: String,
        /// What is wrong with it.
        why: TopicError,
    },
    /// The filter is that of a shared subscription.
    #[error(
        "a rule names topics; what it allows may also be subscribed to as {filter:?}: leave out $share and the name"
    )]
    Shared {
        /// What stands there.
        filter: String,
    },
}

impl Rule {
    /// Reads `ACTIONS FILTER`. The actions are one or more of `publish`, `retain`, `subscribe`, `receive`, `read` (subscribe
    /// and receive), `write` (publish and retain) and `all`, with commas and no spaces between them. The filter is all that
    /// follows, without the spaces around it; [`filter`](Self::filter) says what stands for names in it.
    ///
    /// `file` and `line` say where it is written, as in [`Origin`].
    ///
    /// # Errors
    /// When it is anything else; the filter is checked too.
    pub fn read(effect: Effect, text: &str, file: Arc<str>, line: u32) -> Result<Self, BadRule> {
        let text = text.trim();
        let (words, filter) = text.split_once(char::is_whitespace).ok_or(BadRule::Incomplete)?;
        let filter = filter.trim_start();
        if words.ends_with(',') || filter.starts_with(',') {
            return Err(BadRule::SpacedComma);
        }
        let mut actions = Actions::default();
        for word in words.split(',') {
            let known = WORDS.iter().find(|(name, _)| *name == word);
            let (_, action) = known.ok_or_else(|| BadRule::Action(word.to_owned()))?;
            actions = actions | *action;
        }
        check(filter)?;
        let origin = Arc::new(Origin { file, line, text: text.to_owned() });
        Ok(Self { effect, actions, filter: filter.into(), origin })
    }
}

fn check(filter: &str) -> Result<(), BadRule> {
    topic::check_filter(filter).map_err(|why| BadRule::Filter { filter: filter.to_owned(), why })?;
    match SharedFilter::parse(filter) {
        Ok(None) => Ok(()),
        _ => Err(BadRule::Shared { filter: filter.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn read(text: &str) -> Result<Rule, BadRule> {
        Rule::read(Effect::Allow, text, "darter.toml".into(), 3)
    }

    #[test]
    fn actions_and_a_filter_are_a_rule() {
        let rules = [
            ("publish a/b", Actions::PUBLISH, "a/b"),
            ("retain,publish  +/%u/#", Actions::WRITE, "+/%u/#"),
            ("read $SYS/#", Actions::READ, "$SYS/#"),
            (" write home/living room ", Actions::WRITE, "home/living room"),
            ("all\t#", Actions::ALL, "#"),
            ("subscribe,receive,all %c-%u", Actions::ALL, "%c-%u"),
            ("receive $shared/x", Actions::RECEIVE, "$shared/x"),
        ];
        for (text, actions, filter) in rules {
            let rule = read(text).unwrap();
            assert_eq!(
                (rule.actions, &*rule.filter, rule.effect),
                (actions, filter, Effect::Allow),
                "{text}"
            );
            assert_eq!(
                (rule.origin.to_string().as_str(), rule.origin.text.as_str()),
                ("darter.toml:3", text.trim())
            );
        }
        assert_eq!(Rule::read(Effect::Deny, "all #", "x".into(), 0).unwrap().effect, Effect::Deny);
    }

    #[test]
    fn what_is_wrong_with_a_text_is_said() {
        for text in ["", "publish", "a/b", "publish "] {
            assert_eq!(read(text), Err(BadRule::Incomplete), "{text:?}");
        }
        for text in ["publish, retain a", "publish ,retain a", "publish , retain a"] {
            assert_eq!(read(text), Err(BadRule::SpacedComma), "{text:?}");
        }
        for (text, word) in [
            ("Publish a", "Publish"),
            ("publish,reed a", "reed"),
            (",publish a", ""),
            ("publish,,read a", ""),
        ] {
            assert_eq!(read(text), Err(BadRule::Action(word.into())), "{text:?}");
        }
        for (text, filter) in [("read a/#/b", "a/#/b"), ("read a+/b", "a+/b"), ("read a\0", "a\0")] {
            assert!(
                matches!(read(text), Err(BadRule::Filter { filter: bad, .. }) if bad == filter),
                "{text:?}"
            );
        }
        for text in ["read $share/g/a", "read $share/g"] {
            assert!(matches!(read(text), Err(BadRule::Shared { .. })), "{text:?}");
        }
        let said = read("reed home/#").unwrap_err().to_string();
        assert!(said.starts_with("\"reed\" is no action; there are publish, retain, "), "{said}");
    }
}

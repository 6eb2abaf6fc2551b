//! One line of a file of expectations.
//!
//! `allow|deny WHO [as client ID] [with role NAME]... ACTION TOPIC`, or `allow|deny WHO connect [to LISTENER] [from ADDRESS]`.
//! `WHO` is a user name, or `anonymous`; names with spaces stand in quotes, and so does a user who is called anonymous. The topic
//! is the rest of the line.

use crate::command::rules::Question;
use darter_broker::admin::explain::{ConnectRequest, Connecting, ExplainRequest, Wish};

/// What is expected of the rules.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Expectation {
    /// Its line, counted from 1.
    pub(super) line: usize,
    pub(super) allowed: bool,
    pub(super) question: Question,
}

/// A word, or what stands between quotes.
struct Word {
    text: String,
    is_quoted: bool,
}

impl Word {
    /// A word of the language, and no name.
    fn is(&self, word: &str) -> bool {
        !self.is_quoted && self.text == word
    }
}

impl Expectation {
    /// Reads a line; `None` for empty ones and comments.
    ///
    /// # Errors
    /// What is wrong with the line.
    pub(super) fn read(line: usize, text: &str) -> Result<Option<Self>, String> {
        let mut words = Words(text.trim());
        if words.0.is_empty() || words.0.starts_with('#') {
            return Ok(None);
        }
        let verdict = words.next("allow or deny")?;
        let allowed = match &verdict {
            word if word.is("allow") => true,
            word if word.is("deny") => false,
            other => return Err(format!("{:?} is neither allow nor deny; {FORM}", other.text)),
        };
        let who = words.next("a user name or anonymous")?;
        let user = (!who.is("anonymous")).then_some(who.text);
        if user.as_deref() == Some("") {
            return Err("the user name is empty; a client without one is called anonymous".into());
        }
        let (mut client, mut roles) = (String::new(), Vec::new());
        let action = loop {
            let word = words.next("publish, retain, subscribe, receive or connect")?;
            if word.is("as") {
                words.expect("client")?;
                client = words.next("a client identifier")?.text;
            } else if word.is("with") {
                words.expect("role")?;
                roles.push(words.next("the name of a role")?.text);
            } else if word.is("connect") {
                let question = words.connecting(user, client.is_empty() && roles.is_empty())?;
                return Ok(Some(Self { line, allowed, question }));
            } else {
                break Wish::named(&word.text)
                    .filter(|_| !word.is_quoted)
                    .ok_or_else(|| format!("{:?} is not known; {FORM}", word.text))?;
            }
        };
        let topic = words.0.trim().to_owned();
        if topic.is_empty() {
            return Err(format!("the topic is missing; {FORM}"));
        }
        let question = Question::Do(ExplainRequest { action, user, client, roles, topic });
        Ok(Some(Self { line, allowed, question }))
    }
}

const FORM: &str = "a line is like: allow ann publish home/door, or with more: deny ann as client c1 with role guest \
                    subscribe home/#; the actions are publish, retain, subscribe, receive and connect";

/// What is left of a line.
struct Words<'t>(&'t str);

impl Words<'_> {
    fn next(&mut self, what: &str) -> Result<Word, String> {
        let rest = self.0.trim_start();
        let (text, is_quoted, rest) = match rest.strip_prefix('"') {
            Some(rest) => {
                let (text, rest) = rest.split_once('"').ok_or("a quote is opened and not closed")?;
                (text, true, rest)
            }
            None => {
                let (text, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
                (text, false, rest)
            }
        };
        if text.is_empty() && !is_quoted {
            return Err(format!("the line ends where {what} should stand; {FORM}"));
        }
        self.0 = rest;
        Ok(Word { text: text.into(), is_quoted })
    }

    /// What may stand behind `connect`.
    fn connecting(&mut self, user: Option<String>, is_plain: bool) -> Result<Question, String> {
        if !is_plain {
            return Err("a client identifier and roles do not matter for connect; leave them out".into());
        }
        let (mut listener, mut address) = (None, None);
        while !self.0.trim().is_empty() {
            let word = self.next("to or from")?;
            if word.is("to") {
                listener = Some(self.next("the name of a listener")?.text);
            } else if word.is("from") {
                let text = self.next("an address")?.text;
                address = Some(text.parse().map_err(|_| format!("{text:?} is not an IP address"))?);
            } else {
                return Err(format!(
                    "{:?} is not known; behind connect may stand: to LISTENER, and from ADDRESS",
                    word.text
                ));
            }
        }
        Ok(Question::Connect(ConnectRequest {
            action: Connecting::Connect,
            user,
            listener,
            address,
            version: None,
        }))
    }

    fn expect(&mut self, wanted: &str) -> Result<(), String> {
        let word = self.next(wanted)?;
        if word.is(wanted) {
            Ok(())
        } else {
            Err(format!("{:?} stands where {wanted} should; {FORM}", word.text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Expectation {
        Expectation::read(1, text).unwrap().unwrap()
    }

    fn request(text: &str) -> ExplainRequest {
        match read(text).question {
            Question::Do(request) => request,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_line_says_who_what_and_where() {
        let plain = read("allow ann publish home/door");
        let expected = ExplainRequest {
            action: Wish::Publish,
            user: Some("ann".into()),
            client: String::new(),
            roles: Vec::new(),
            topic: "home/door".into(),
        };
        assert_eq!(plain, Expectation { line: 1, allowed: true, question: Question::Do(expected) });
        let text =
            "  deny \"ann smith\"  as client \"b 1\" with role x with role \"y z\" subscribe  living room/# ";
        assert!(!read(text).allowed);
        let full = request(text);
        assert_eq!((full.user.as_deref(), full.client.as_str()), (Some("ann smith"), "b 1"));
        assert_eq!((full.roles, full.topic.as_str()), (vec!["x".into(), "y z".into()], "living room/#"));
    }

    #[test]
    fn anonymous_is_nobody_unless_it_stands_in_quotes() {
        assert_eq!(request("allow anonymous receive a").user, None);
        assert_eq!(request("allow \"anonymous\" receive a").user.as_deref(), Some("anonymous"));
        assert_eq!(request("allow as as client as publish a").client, "as");
    }

    #[test]
    fn connecting_has_a_listener_and_an_address_instead_of_a_topic() {
        let connecting = |text: &str| match read(text).question {
            Question::Connect(request) => (request.user, request.listener, request.address),
            other => panic!("{other:?}"),
        };
        assert_eq!(connecting("deny anonymous connect"), (None, None, None));
        let full = (Some("ann".into()), Some("web".into()), Some([192, 0, 2, 7].into()));
        assert_eq!(connecting("allow ann connect to web from 192.0.2.7"), full);
    }

    #[test]
    fn comments_and_empty_lines_say_nothing() {
        for text in ["", "   ", "# allow ann publish a", "  #"] {
            assert_eq!(Expectation::read(1, text), Ok(None), "{text:?}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_line_is_said() {
        let cases: [(&str, &str); 13] = [
            ("permit ann publish a", "\"permit\" is neither allow nor deny; "),
            ("allow", "the line ends where a user name or anonymous should stand; "),
            (
                "allow ann",
                "the line ends where publish, retain, subscribe, receive or connect should stand; ",
            ),
            ("allow ann write a", "\"write\" is not known; "),
            ("allow ann \"publish\" a", "\"publish\" is not known; "),
            ("allow ann publish", "the topic is missing; "),
            ("allow ann as board publish a", "\"board\" stands where client should; "),
            ("allow ann with", "the line ends where role should stand; "),
            ("allow \"ann publish a", "a quote is opened and not closed"),
            ("allow \"\" publish a", "the user name is empty; "),
            ("allow ann connect home/door", "\"home/door\" is not known; behind connect may stand: "),
            ("allow ann connect from here", "\"here\" is not an IP address"),
            ("allow ann as client c connect", "a client identifier and roles do not matter for connect; "),
        ];
        for (text, start) in cases {
            let why = Expectation::read(1, text).unwrap_err();
            assert!(why.starts_with(start), "{text:?}: {why}");
        }
    }
}

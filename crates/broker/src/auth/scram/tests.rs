use super::super::scene::{connect, login};
use super::super::users::{Change, Credentials, Scram as Keys, User};
use super::*;
use darter_codec::Property;
use ring::pbkdf2;
use std::num::NonZeroU32;

struct Scene {
    _folder: tempfile::TempDir,
    users: Arc<Users>,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let users = Arc::new(Users::open(folder.path()).unwrap());
        Self { _folder: folder, users }
    }

    /// With a user whose password is `pencil` and whose salt and iterations are those of section 3 of RFC 7677.
    fn with(name: &str) -> Self {
        let scene = Self::new();
        let mut user = User::new(name, "pencil", vec!["staff".into()], 0).unwrap();
        let salt = BASE64.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        user.credentials.scram = Keys::new(b"pencil", &salt, NonZeroU32::new(4_096).unwrap());
        scene.users.add(user).unwrap();
        scene
    }

    fn conversation(&self) -> Conversation {
        Conversation { users: self.users.clone(), state: State::Begin }
    }

    fn challenge(&self, first: &str) -> Result<(Conversation, String), &'static str> {
        let mut conversation = self.conversation();
        match conversation.go_on(first.as_bytes()) {
            Step::Challenge(data) => Ok((conversation, String::from_utf8(data).unwrap())),
            Step::Refuse(what) => Err(what),
            Step::Accept { .. } => panic!("nothing was proven"),
        }
    }

    /// A whole exchange, as a client makes it: with this user and password, and these first letters.
    fn log_in(&self, start: &str, user: &str, password: &str) -> Result<(String, bool), &'static str> {
        let bare = format!("n={user},r=abc");
        let (mut conversation, challenge) = self.challenge(&format!("{start}{bare}"))?;
        let (last, expected) = answer(start, &bare, &challenge, password);
        match conversation.go_on(last.as_bytes()) {
            Step::Accept { identity, data } => {
                let user = identity.user.unwrap().to_string();
                Ok((user, data == expected.into_bytes()))
            }
            Step::Refuse(what) => Err(what),
            Step::Challenge(_) => panic!("there is nothing more to say"),
        }
    }
}

/// The client's last message, and what the server answers that knows the password.
fn answer(start: &str, bare: &str, challenge: &str, password: &str) -> (String, String) {
    let fields: Vec<_> = challenge.split(',').map(|field| &field[2..]).collect();
    let (salt, iterations) = (BASE64.decode(fields[1]).unwrap(), fields[2].parse().unwrap());
    let mut salted = [0; 32];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, &salt, password.as_bytes(), &mut salted);
    let key = |name: &str| -> [u8; 32] { sign(&salted, name.as_bytes()).as_ref().try_into().unwrap() };
    let unproven = format!("c={},r={}", BASE64.encode(start), fields[0]);
    let said = format!("{bare},{challenge},{unproven}");
    let stored: [u8; 32] = digest::digest(&digest::SHA256, &key("Client Key")).as_ref().try_into().unwrap();
    let mut proof = key("Client Key");
    for (byte, mask) in proof.iter_mut().zip(sign(&stored, said.as_bytes()).as_ref()) {
        *byte ^= mask;
    }
    let signature = BASE64.encode(sign(&key("Server Key"), said.as_bytes()));
    (format!("{unproven},p={}", BASE64.encode(proof)), format!("v={signature}"))
}

#[test]
fn the_example_of_the_standard_is_answered_as_there() {
    let scene = Scene::with("user");
    let mut conversation = scene.conversation();
    conversation.challenge("n,,n=user,r=rOprNGfwEbeRWgbNEkqO", Some([0; NONCE])).unwrap();
    let State::Challenged(challenged) = &mut conversation.state else { panic!() };
    assert_eq!(
        challenged.challenge,
        "r=rOprNGfwEbeRWgbNEkqOAAAAAAAAAAAAAAAAAAAAAAAA,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    );
    // The server's part of the nonce in the example has letters that base64 does not have.
    let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    challenged.nonce = nonce.into();
    challenged.challenge = format!("r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
    let last = format!("c=biws,r={nonce},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
    let Step::Accept { identity, data } = conversation.go_on(last.as_bytes()) else { panic!() };
    assert_eq!(data, b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    assert_eq!((identity.user.as_deref(), identity.roles[0].as_ref()), (Some("user"), "staff"));
    assert_eq!(conversation.go_on(last.as_bytes()), Step::Refuse("its SCRAM exchange is over"));
}

#[test]
fn who_knows_the_password_gets_in_and_learns_that_the_server_knows_it() {
    let scene = Scene::with("ann");
    for start in ["n,,", "y,,", "n,a=ann,"] {
        assert_eq!(scene.log_in(start, "ann", "pencil"), Ok(("ann".into(), true)), "{start}");
        assert_eq!(scene.log_in(start, "ann", "Pencil"), Err("the password is wrong"), "{start}");
    }
    let odd = Scene::with("a,b=c,");
    assert_eq!(odd.log_in("n,a=a=2Cb=3Dc=2C,", "a=2Cb=3Dc=2C", "pencil"), Ok(("a,b=c,".into(), true)));
}

#[test]
fn nobody_learns_who_is_there() {
    let scene = Scene::with("ann");
    scene.users.add(User::new("bob", "pencil", vec![], 0).unwrap()).unwrap();
    let salt_of = |scene: &Scene, user: &str| {
        let (_, challenge) = scene.challenge(&format!("n,,n={user},r=abc")).unwrap();
        challenge.split_once(',').unwrap().1.to_owned()
    };
    let (eve, bob) = (salt_of(&scene, "eve"), salt_of(&scene, "bob"));
    assert_eq!((eve.len(), &eve[eve.len() - 8..]), (bob.len(), ",i=15000"));
    assert_eq!(bob[bob.len() - 8..], eve[eve.len() - 8..]);
    assert_eq!(salt_of(&scene, "eve"), eve, "asked again it is the same");
    assert_ne!(salt_of(&scene, "eva"), eve);
    assert_ne!(salt_of(&Scene::new(), "eve"), eve, "another server has another");
    assert_eq!(scene.log_in("n,,", "eve", "pencil"), Err("SCRAM does not know the user"));
}

#[test]
fn each_conversation_has_a_nonce_of_its_own() {
    let scene = Scene::with("ann");
    let (mut one, challenge) = scene.challenge("n,,n=ann,r=abc").unwrap();
    let (mut two, other) = scene.challenge("n,,n=ann,r=abc").unwrap();
    assert!(challenge != other && challenge.starts_with("r=abc") && challenge.find(',') == Some(29));
    let (last, _) = answer("n,,", "n=ann,r=abc", &challenge, "pencil");
    assert_eq!(two.go_on(last.as_bytes()), Step::Refuse("its last SCRAM message does not fit its first one"));
    assert!(matches!(one.go_on(last.as_bytes()), Step::Accept { .. }));
}

#[test]
fn first_messages_that_are_none_are_refused() {
    let scene = Scene::with("ann");
    let refused = |first: &str| scene.challenge(first).err().unwrap();
    let long = format!("n,,n=ann,r={}", "x".repeat(1_025));
    for damaged in [
        "",
        "n",
        "n,",
        "n,,",
        "n,,n=ann",
        "n,,n=ann,",
        "n,,n=ann,r=",
        "n,,r=abc,n=ann",
        "n,,n=,r=abc",
        "x,,n=ann,r=abc",
        "n,,n=a=b,r=abc",
        "n,,n=ann=,r=abc",
        "n,,n=a=2c,r=abc",
        "n,,n=a\u{7}b,r=abc",
        "n,,n=ann,r=a b",
        "n,,n=ann,r=é",
        "n,a==,n=ann,r=abc",
        long.as_str(),
    ] {
        assert_eq!(refused(damaged), "its first SCRAM message is damaged", "{damaged}");
    }
    assert_eq!(
        refused("p=tls-exporter,,n=ann,r=abc"),
        "it asks SCRAM for channel binding, which is not supported"
    );
    assert_eq!(
        refused("n,,m=x,n=ann,r=abc"),
        "it asks for an extension of SCRAM, of which none is supported"
    );
    for other in ["n,a=bob,n=ann,r=abc", "n,ann,n=ann,r=abc"] {
        assert_eq!(refused(other), "it wants to act as another user");
    }
    assert!(scene.challenge("n,,n=ann,r=abc,x=later").is_ok(), "optional extensions are passed over");
    assert_eq!(
        scene.conversation().go_on(b"n,,n=\xff,r=abc"),
        Step::Refuse("its SCRAM message is not UTF-8")
    );
}

#[test]
fn every_change_of_the_last_message_is_refused() {
    let scene = Scene::with("ann");
    let (_, challenge) = scene.challenge("n,,n=ann,r=abc").unwrap();
    let (whole, _) = answer("n,,", "n=ann,r=abc", &challenge, "pencil");
    for at in 0..whole.len() {
        let (mut conversation, challenge) = scene.challenge("n,,n=ann,r=abc").unwrap();
        let (last, _) = answer("n,,", "n=ann,r=abc", &challenge, "pencil");
        let mut changed = last.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        assert!(matches!(conversation.go_on(&changed), Step::Refuse(_)), "byte {at} of {last}");
        let (mut conversation, challenge) = scene.challenge("n,,n=ann,r=abc").unwrap();
        let (last, _) = answer("n,,", "n=ann,r=abc", &challenge, "pencil");
        assert!(
            matches!(conversation.go_on(&last.as_bytes()[..at]), Step::Refuse(_)),
            "{at} bytes of {last}"
        );
    }
    // Another beginning than it had, as somebody in between would make it.
    let (mut conversation, challenge) = scene.challenge("n,,n=ann,r=abc").unwrap();
    let (last, _) = answer("y,,", "n=ann,r=abc", &challenge, "pencil");
    assert_eq!(
        conversation.go_on(last.as_bytes()),
        Step::Refuse("its last SCRAM message does not fit its first one")
    );
}

#[test]
fn a_user_who_changes_in_between_is_refused() {
    type Changing = fn(&Users);
    let changes: [(Changing, &str); 3] = [
        (|users| users.remove("ann").unwrap(), "the user has changed meanwhile"),
        (
            |users| users.change("ann", Change::Password(Credentials::new(b"new").unwrap())).unwrap(),
            "the user has changed meanwhile",
        ),
        (|users| users.change("ann", Change::Disabled(true)).unwrap(), "the user is disabled"),
    ];
    for (change, what) in changes {
        let scene = Scene::with("ann");
        let (mut conversation, challenge) = scene.challenge("n,,n=ann,r=abc").unwrap();
        change(&scene.users);
        let (last, _) = answer("n,,", "n=ann,r=abc", &challenge, "pencil");
        assert_eq!(conversation.go_on(last.as_bytes()), Step::Refuse(what));
    }
}

#[test]
fn only_its_own_name_begins_it() {
    let method = Scram::new(Scene::with("ann").users);
    let begins = |name: Option<&'static str>| {
        let mut connect = connect(None, None);
        connect.properties.extend(name.map(|name| Property::AuthenticationMethod(name.into())));
        method.exchange(&login(&connect)).is_some()
    };
    assert!(begins(Some(NAME)));
    for other in [None, Some("SCRAM-SHA-1"), Some("SCRAM-SHA-256-PLUS"), Some("scram-sha-256"), Some("")] {
        assert!(!begins(other), "{other:?}");
    }
    assert!(matches!(method.check(&login(&connect(Some("ann"), Some("pencil")))), Outcome::Pass));
}

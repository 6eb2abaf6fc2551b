//! The ways to log in that a configuration sets up, and who comes in without.

use crate::{Auth, Config, HttpAuth, JwtAuth, Listener, UserFrom, WayIn};
use darter_broker::admin::explain::{Door, Known, Way};
use darter_broker::auth::certificate::{Certificate, Field};
use darter_broker::auth::http::{self, Http, HttpError};
use darter_broker::auth::jwt::{self, Jwt, KeyError, Keys};
use darter_broker::auth::password_file::{FileError, PasswordFile};
use darter_broker::auth::passwords::{Passwords, Source};
use darter_broker::auth::scram::Scram;
use darter_broker::auth::users::{Users, UsersError};
use darter_broker::auth::{Anonymous, Authenticator, Chain, Method};
use std::sync::Arc;
use thiserror::Error;

/// Why the ways to log in cannot be set up.
#[derive(Debug, Error)]
pub enum WaysError {
    /// The password file cannot be used.
    #[error(transparent)]
    PasswordFile(#[from] FileError),
    /// The users in the store cannot be read.
    #[error(transparent)]
    Users(#[from] UsersError),
    /// The keys of tokens cannot be used.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The other server cannot be asked.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers, without which no password can be checked")]
    Random,
    /// A listener names a way to log in that is not set up.
    #[error("{section} has {way:?} among its authenticators, and {missing}")]
    NotSetUp {
        /// The section.
        section: String,
        /// The way.
        way: &'static str,
        /// What is missing, and what to write.
        missing: &'static str,
    },
    /// A listener lets nobody in.
    #[error(
        "{section} lets nobody in: clients without a user name are refused, and there is no way to log in; write password_file \
         below [auth], or keep users in a data folder"
    )]
    Closed {
        /// The section.
        section: String,
    },
}

/// What is opened for logging in.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ways {
    password_file: Option<Arc<PasswordFile>>,
    users: Option<Arc<Users>>,
    jwt: Option<Arc<Jwt>>,
    http: Option<Arc<Http>>,
}

impl Ways {
    /// Opens what the configuration names. `users` are those of the data folder.
    pub(crate) fn open(auth: &Auth, users: Option<Arc<Users>>) -> Result<Self, WaysError> {
        let password_file = auth.password_file.as_ref().map(PasswordFile::open).transpose()?;
        let jwt = auth.jwt.options().map(Jwt::open).transpose()?;
        let http = auth.http.options().map(Http::new).transpose()?;
        Ok(Self {
            password_file: password_file.map(Arc::new),
            users,
            jwt: jwt.map(Arc::new),
            http: http.map(Arc::new),
        })
    }

    /// Whether nobody is known by anything but what a later `darter user add` brings.
    pub(crate) fn knows_nobody(&self) -> bool {
        self.users.as_ref().is_none_or(|users| users.is_empty())
    }

    /// What is set up for logging in, by its names in the file.
    fn set_up(&self, config: &Config, listener: &Listener) -> Vec<&'static str> {
        let by_certificate = config.all_listeners().any(|listener| listener.user_from != UserFrom::Password);
        [
            (self.password_file.is_some(), "password_file"),
            (self.jwt.is_some(), "[auth.jwt]"),
            (self.http.is_some(), "[auth.http]"),
            (by_certificate, "user_from"),
            (listener.authenticators.is_some(), "authenticators"),
        ]
        .into_iter()
        .filter_map(|(is_there, name)| is_there.then_some(name))
        .collect()
    }

    /// Who comes in without a user name, and why.
    pub(crate) fn anonymous(&self, config: &Config, listener: &Listener) -> (Anonymous, String) {
        let said = |allow: bool, section: &str| {
            let who = if allow { Anonymous::Everybody } else { Anonymous::Nobody };
            (who, format!("allow_anonymous = {allow} in {section}"))
        };
        match (listener.allow_anonymous, config.auth.allow_anonymous) {
            (Some(allow), _) => said(allow, &listener.section()),
            (None, Some(allow)) => said(allow, "[auth]"),
            (None, None) => {
                let set_up = self.set_up(config, listener);
                if set_up.is_empty() {
                    let why = "allow_anonymous is not written, and nothing is set up for logging in";
                    (Anonymous::Here, why.into())
                } else {
                    let why =
                        format!("allow_anonymous is not written, and there is {}", set_up.join(" and "));
                    (Anonymous::Nobody, why)
                }
            }
        }
    }

    /// What decides about logins at a listener.
    pub(crate) fn authenticator(
        &self,
        config: &Config,
        listener: &Listener,
    ) -> Result<Arc<dyn Authenticator>, WaysError> {
        let (anonymous, _) = self.anonymous(config, listener);
        let methods = self.methods(listener)?;
        if methods.is_empty() && anonymous == Anonymous::Nobody {
            return Err(WaysError::Closed { section: listener.section() });
        }
        Ok(Arc::new(Chain::new(methods, anonymous)))
    }

    fn methods(&self, listener: &Listener) -> Result<Vec<Arc<dyn Method>>, WaysError> {
        self.check(listener)?;
        let wants = |way| listener.authenticators.as_ref().is_none_or(|ways| ways.contains(&way));
        let mut methods: Vec<Arc<dyn Method>> = Vec::new();
        if let Some(field) = field(listener)
            && wants(WayIn::Certificate)
        {
            methods.push(Arc::new(Certificate::new(field)));
        }
        if let Some(jwt) = self.jwt.clone().filter(|_| wants(WayIn::Jwt)) {
            methods.push(jwt);
        }
        if let Some(users) = self.users.clone().filter(|_| wants(WayIn::Scram)) {
            methods.push(Arc::new(Scram::new(users)));
        }
        let file = self.password_file.clone().filter(|_| wants(WayIn::PasswordFile));
        let users = self.users.clone().filter(|_| wants(WayIn::Users));
        let sources: Vec<Arc<dyn Source>> =
            [file.map(|file| file as Arc<dyn Source>), users.map(|users| users as Arc<dyn Source>)]
                .into_iter()
                .flatten()
                .collect();
        if !sources.is_empty() {
            methods.push(Arc::new(Passwords::new(sources).ok_or(WaysError::Random)?));
        }
        // It knows an answer to everybody who has a name, and so goes last.
        if let Some(http) = self.http.clone().filter(|_| wants(WayIn::Http)) {
            methods.push(http);
        }
        Ok(methods)
    }

    /// Whether everything is there that the listener names.
    fn check(&self, listener: &Listener) -> Result<(), WaysError> {
        for way in listener.authenticators.iter().flatten() {
            let (is_there, missing) = match way {
                WayIn::PasswordFile => {
                    (self.password_file.is_some(), "[auth] has no password_file; write it")
                }
                WayIn::Jwt => {
                    (self.jwt.is_some(), "there is no [auth.jwt]; write it with key_file or jwks_file")
                }
                WayIn::Http => (self.http.is_some(), "there is no [auth.http]; write it with url"),
                WayIn::Certificate => {
                    (field(listener).is_some(), "it takes no user names from certificates; write user_from")
                }
                WayIn::Users | WayIn::Scram => (
                    self.users.is_some(),
                    "a server in memory keeps no users; write data_dir below [storage]",
                ),
            };
            if !is_there {
                return Err(WaysError::NotSetUp { section: listener.section(), way: way.word(), missing });
            }
        }
        Ok(())
    }

    /// The listener for explanations.
    pub(crate) fn door(&self, config: &Config, listener: &Listener) -> Door {
        let (anonymous, anonymous_why) = self.anonymous(config, listener);
        let wants = |way| listener.authenticators.as_ref().is_none_or(|ways| ways.contains(&way));
        let mut ways = Vec::new();
        let mut add = |name: String, knows| ways.push(Way { name, knows });
        if field(listener).is_some() && wants(WayIn::Certificate) {
            add("a certificate".into(), None);
        }
        if self.jwt.is_some() && wants(WayIn::Jwt) {
            add("a token".into(), None);
        }
        if let Some(file) = self.password_file.clone().filter(|_| wants(WayIn::PasswordFile)) {
            let name = format!("the password file {}", file.file().display());
            add(name, Some(Arc::new(move |user| known(&*file, user))));
        }
        let users = self.users.clone().filter(|users| !users.is_empty() || listener.authenticators.is_some());
        if let Some(users) = users.filter(|_| wants(WayIn::Users) || wants(WayIn::Scram)) {
            add("the users of the store".into(), Some(Arc::new(move |user| known(&*users, user))));
        }
        if self.http.is_some() && wants(WayIn::Http) {
            add("the server of [auth.http]".into(), None);
        }
        Door {
            listener: listener.name.clone(),
            section: listener.section(),
            is_here: listener.is_here(),
            versions: listener.versions.clone(),
            anonymous,
            anonymous_why,
            ways,
        }
    }
}

fn known(source: &dyn Source, user: &str) -> Known {
    match source.find(user) {
        Some(found) if found.disabled => Known::Disabled,
        Some(_) => Known::Here,
        None => Known::No,
    }
}

/// Where in a certificate the user name is, if it comes from there.
fn field(listener: &Listener) -> Option<Field> {
    match listener.user_from {
        UserFrom::Password => None,
        UserFrom::CommonName => Some(Field::CommonName),
        UserFrom::AlternativeName => Some(Field::AlternativeName),
    }
}

impl JwtAuth {
    fn options(&self) -> Option<jwt::Options> {
        let keys = match (&self.key_file, &self.jwks_file) {
            (Some(file), _) => Keys::File(file.clone()),
            (None, Some(file)) => Keys::Set(file.clone()),
            (None, None) => return None,
        };
        Some(jwt::Options {
            algorithms: self.algorithms.clone(),
            issuer: self.issuer.clone(),
            audience: self.audience.clone(),
            leeway: self.leeway,
            must_expire: self.must_expire,
            user_claim: self.user_claim.clone(),
            user_must_match: self.user_must_match,
            roles_claim: self.roles_claim.clone(),
            permissions_claim: self.permissions_claim.clone(),
            ..jwt::Options::new(keys)
        })
    }
}

impl HttpAuth {
    fn options(&self) -> Option<http::Options> {
        let (timeout, at_once, cache, authority) =
            (self.timeout, self.at_once, self.cache, self.authority.clone());
        let options = http::Options::new(self.url.clone()?);
        Some(http::Options { timeout, at_once, cache, authority, ..options })
    }
}

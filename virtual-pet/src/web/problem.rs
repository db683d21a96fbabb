//! What goes wrong with a request, and how it is told: as a page, as JSON or as plain text.

use std::fmt;
use std::time::Duration;

use axum::http::header::{ALLOW, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use lullaby::Timestamp;
use serde_json::json;

use super::limits::Deed;
use super::wants::Wants;
use crate::game::GameError;
use crate::lab::{LEFT, NoWorld};
use crate::page::{Shell, Trouble, WayOn};
use crate::pet::{BadName, UnknownWord, in_words};

/// Why a request was not done. Nothing was changed, except perhaps after a store error.
#[derive(Clone, Debug)]
pub(super) enum Problem {
    /// What the game says.
    Game(GameError),
    /// There is no such page.
    NoSuchPage,
    /// The page is there, the method is not; the methods that are.
    WrongMethod(&'static str),
    /// The request does not read: broken JSON, a field that is missing, a name that is none.
    BadRequest(String),
    /// This browser looks after as many pets as one may.
    TooManyPets(usize),
    /// The request reads, but names something that is not known.
    Unknown(UnknownWord),
    /// The body is of a type that is not read here; those that are.
    WrongType(&'static str),
    /// The body is over this many bytes.
    TooLarge(usize),
    /// The body did not come in time.
    TooSlow,
    /// The `Host` is none of ours.
    ForeignHost(String),
    /// A browser sent it from another site.
    CrossSite,
    /// Too many from one address.
    TooFast {
        /// Of what.
        deed: Deed,
        /// When the next one may come.
        wait: Duration,
    },
    /// This server has no lab.
    NoLab,
    /// The lab has no world for this visitor.
    NoWorld(NoWorld),
    /// This visitor has no world in the lab (any more).
    NotInTheLab,
    /// It cannot be done in the lab just now, and why.
    NotNow(&'static str),
    /// A fault of ours; the id finds it in the log.
    Broken {
        /// What the log calls it.
        request_id: String,
    },
}

impl Problem {
    /// The status of the answer.
    #[must_use]
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Game(GameError::NoSuchPet { .. })
            | Self::NoSuchPage
            | Self::NoLab
            | Self::NotInTheLab => StatusCode::NOT_FOUND,
            Self::Game(
                GameError::Refused { .. } | GameError::NameTaken { .. } | GameError::TooLate { .. },
            )
            | Self::TooManyPets(_)
            | Self::NotNow(_) => StatusCode::CONFLICT,
            Self::Game(
                GameError::LookOnly { .. }
                | GameError::NotKeeper { .. }
                | GameError::WrongCode { .. },
            )
            | Self::ForeignHost(_)
            | Self::CrossSite => StatusCode::FORBIDDEN,
            Self::Game(GameError::Store(_)) | Self::NoWorld(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::WrongMethod(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Game(GameError::NameBlocked { .. }) | Self::Unknown(_) => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Self::WrongType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::TooFast { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Broken { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The code, for programs.
    #[must_use]
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Game(GameError::NoSuchPet { .. }) => "no_such_pet",
            Self::Game(GameError::Refused { refusal, .. }) => refusal.code.as_str(),
            Self::Game(GameError::LookOnly { .. }) => "look_only",
            Self::Game(GameError::NotKeeper { .. }) => "not_keeper",
            Self::Game(GameError::NameTaken { .. }) => "name_taken",
            Self::Game(GameError::NameBlocked { .. }) => "name_blocked",
            Self::Game(GameError::WrongCode { .. }) => "wrong_code",
            Self::Game(GameError::TooLate { .. }) => "too_late",
            Self::Game(GameError::Store(_)) => "unavailable",
            Self::TooManyPets(_) => "too_many_pets",
            Self::NoSuchPage => "no_such_page",
            Self::WrongMethod(_) => "wrong_method",
            Self::BadRequest(_) => "bad_request",
            Self::Unknown(_) => "unknown_word",
            Self::WrongType(_) => "wrong_type",
            Self::TooLarge(_) => "too_large",
            Self::TooSlow => "too_slow",
            Self::ForeignHost(_) => "foreign_host",
            Self::CrossSite => "cross_site",
            Self::TooFast { .. } => "too_fast",
            Self::NoLab => "no_lab",
            Self::NoWorld(_) => "no_world",
            Self::NotInTheLab => "not_in_the_lab",
            Self::NotNow(_) => "not_now",
            Self::Broken { .. } => "broken",
        }
    }

    /// Until when it holds, if time alone changes it.
    #[must_use]
    pub(super) fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Game(GameError::Refused { refusal, .. }) => refusal.until,
            _ => None,
        }
    }

    /// The pet that it is about, if that one lives here.
    fn pet(&self) -> Option<&str> {
        match self {
            Self::Game(
                GameError::Refused { name, .. }
                | GameError::LookOnly { name }
                | GameError::NotKeeper { name }
                | GameError::WrongCode { name },
            ) => Some(name.as_str()),
            _ => None,
        }
    }

    /// The heading of its page.
    fn title(&self) -> &'static str {
        match self {
            Self::Game(GameError::NoSuchPet { .. }) => "Nobody here",
            Self::NoSuchPage => "Nothing here",
            Self::NoLab => "The lab is closed",
            Self::NotInTheLab => "Your world is gone",
            Self::TooManyPets(_) => "A full house",
            Self::TooFast { .. } => "One moment",
            _ if self.status() == StatusCode::SERVICE_UNAVAILABLE => "One moment",
            _ => "Sorry",
        }
    }

    /// What its page says: as programs are told, but for what only they can use.
    fn words(&self) -> String {
        match self {
            Self::Game(GameError::NoSuchPet { name }) => {
                format!("Nobody called {name} lives here. Adopt one?")
            }
            Self::NotInTheLab => {
                "A world in the lab is thrown away half an hour after its last press, or when you leave it. A new one is quickly made.".to_owned()
            }
            _ => self.to_string(),
        }
    }

    /// Where its page leads.
    fn way_on(&self) -> WayOn<'_> {
        match self {
            Self::Game(
                GameError::NoSuchPet { .. }
                | GameError::NameTaken { .. }
                | GameError::NameBlocked { .. },
            ) => WayOn::Adopt,
            Self::NotInTheLab => WayOn::Lab,
            _ if self.status().is_server_error() => WayOn::Again,
            _ => self.pet().map_or(WayOn::Home, WayOn::Pet),
        }
    }

    fn answer(&self, wants: Wants, shell: Shell) -> Response {
        let mut response = match wants {
            Wants::Html => {
                let trouble = Trouble {
                    status: self.status().as_u16(),
                    title: self.title(),
                    words: &self.words(),
                    way_on: self.way_on(),
                };
                crate::page::problem(&trouble, shell).into_response()
            }
            Wants::Json => axum::Json(json!({
                "error": self.code(),
                "message": self.to_string(),
                "until": self.until().map(|until| until.to_string()),
            }))
            .into_response(),
            Wants::Text => format!("{self}\n").into_response(),
        };
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        match self {
            Self::WrongMethod(allowed) => {
                headers.insert(ALLOW, HeaderValue::from_static(allowed));
            }
            Self::TooFast { wait, .. } => {
                let seconds = u64::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u64::MAX);
                headers.insert(RETRY_AFTER, seconds.into());
            }
            Self::NoWorld(NoWorld::Full) => {
                headers.insert(RETRY_AFTER, LEFT.as_secs().into());
            }
            _ => {}
        }
        response
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Game(GameError::NoSuchPet { name }) => write!(
                f,
                "Nobody called {name} lives here. Adopt one at /adopt, or with POST /api/pets and {{\"name\":\"…\"}} as JSON."
            ),
            Self::Game(GameError::Store(_)) => f.write_str(
                "The store does not answer just now; the pets are safe in it. Try again in a moment.",
            ),
            Self::Game(error) => error.fmt(f),
            Self::TooManyPets(most) => write!(
                f,
                "You look after {most} pets already: that is as many as one browser can. Let one go first."
            ),
            Self::NoSuchPage => f.write_str("There is no such page."),
            Self::WrongMethod(allowed) => write!(f, "This page answers to {allowed} only."),
            Self::BadRequest(why) => f.write_str(why),
            Self::Unknown(word) => write!(f, "{word}."),
            Self::WrongType(expected) => {
                write!(f, "Expected a body of type {expected}, named in Content-Type.")
            }
            Self::TooLarge(limit) => write!(f, "Expected a body of at most {limit} bytes."),
            Self::TooSlow => f.write_str("The rest of the request did not come in time."),
            Self::ForeignHost(host) => write!(
                f,
                "This server does not go by the name {host:?}. If it should, start it with --allowed-hosts."
            ),
            Self::CrossSite => f.write_str(
                "This request came from another site, and only pages of this one may change a pet.",
            ),
            Self::TooFast { deed, wait } => {
                let why = match deed {
                    Deed::Action => "Easy, the pet is still chewing.",
                    Deed::Adoption => "Easy, that is enough adoptions for one hour.",
                    Deed::World => "Easy, that is enough new worlds for one hour.",
                    Deed::Experiment => "Easy, that is enough for your world in one minute.",
                };
                write!(f, "{why} Try again in {}.", in_words(*wait))
            }
            Self::NoLab => f.write_str(
                "There is no lab here: this server was started with --lab=off.",
            ),
            Self::NoWorld(why) => why.fmt(f),
            Self::NotInTheLab => f.write_str(
                "You have no world in the lab: it was thrown away, or you never had one. Enter at /lab.",
            ),
            Self::NotNow(why) => f.write_str(why),
            Self::Broken { request_id } => write!(
                f,
                "Something broke on our side, and the pets are fine. The server's log has it as {request_id}."
            ),
        }
    }
}

impl From<GameError> for Problem {
    fn from(error: GameError) -> Self {
        if let GameError::Store(error) = &error {
            tracing::warn!(%error, "a request met a store error");
        }
        Self::Game(error)
    }
}

impl From<lullaby::Error> for Problem {
    fn from(error: lullaby::Error) -> Self {
        GameError::from(error).into()
    }
}

impl From<BadName> for Problem {
    fn from(why: BadName) -> Self {
        let why = why.to_string();
        let mut letters = why.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        Self::BadRequest(format!(
            "{}{}.",
            first.map(String::from).unwrap_or_default(),
            letters.as_str()
        ))
    }
}

impl From<UnknownWord> for Problem {
    fn from(word: UnknownWord) -> Self {
        Self::Unknown(word)
    }
}

impl IntoResponse for Problem {
    /// Only a note: [`tell`] knows what the client wants, and writes the answer.
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes the problem that a handler noted in its response, if it did.
pub(super) fn tell(response: Response, wants: Wants, shell: Shell) -> Response {
    match response.extensions().get::<Problem>() {
        Some(problem) => problem.answer(wants, shell),
        None => response,
    }
}

//! A whole game in one process, with a clock that is turned by hand.

use std::sync::Arc;
use std::time::Duration;

use lullaby::clock::{Clock, ManualClock};
use lullaby::store::memory::MemoryStore;
use lullaby::testing::Sandbox;
use lullaby::{Job, Lullaby, Shutdown, Status};
use tokio::net::TcpListener;
use virtual_pet::game::{Adopted, Adoption, Caller, Game, GameError, QUEUE};
use virtual_pet::home::Home;
use virtual_pet::home::memory::MemoryHome;
use virtual_pet::keeper::Key;
use virtual_pet::pet::{Action, Colour, Pet, PetName, Rules, Species, Visitors};
use virtual_pet::tasks::tasks;
use virtual_pet::web::guard::Hosts;
use virtual_pet::web::hub::Hub;
use virtual_pet::web::limits::{Limiter, Limits};
use virtual_pet::web::serve::serve;
use virtual_pet::web::{Access, App, router};

pub(crate) const HOUR: Duration = Duration::from_secs(3600);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// A game, a worker and a scheduler on a manual clock, all in memory.
pub(crate) struct Town {
    pub(crate) game: Arc<Game>,
    pub(crate) sandbox: Sandbox,
}

impl Town {
    pub(crate) fn new() -> Self {
        Self::with_home(Rules::game(), Arc::new(MemoryHome::default()))
    }

    pub(crate) fn with_home(rules: Rules, home: Arc<dyn Home>) -> Self {
        let clock = ManualClock::new("2026-11-23T12:00:00Z".parse().expect("a time"));
        let lullaby = Lullaby::with_store(MemoryStore::new(Arc::new(clock.clone())));
        let game = Game::new(lullaby.clone(), home, rules, Visitors::Act).expect("a game");
        let game = Arc::new(game);
        let sandbox = Sandbox::on(lullaby, clock, tasks(game.clone()), [QUEUE]);
        Self {
            game,
            sandbox: sandbox.expect("a sandbox"),
        }
    }

    pub(crate) async fn advance(&self, by: Duration) {
        self.sandbox.advance(by).await.expect("the store answers");
    }

    pub(crate) async fn adopt(&self, text: &str) -> Pet {
        self.adopt_as(text, false).await
    }

    pub(crate) async fn adopt_as(&self, text: &str, egg: bool) -> Pet {
        let adopted = self.try_adopt(text, egg, None).await;
        adopted.expect("adopted").pet
    }

    /// Adopts with a request's id, if any.
    pub(crate) async fn try_adopt(
        &self,
        text: &str,
        egg: bool,
        request: Option<&str>,
    ) -> Result<Adopted, GameError> {
        self.game.adopt(adoption(text, egg), &caller(request)).await
    }

    pub(crate) async fn act(&self, text: &str, action: Action) -> Result<Pet, GameError> {
        self.game.act(&name(text), action, &caller(None)).await
    }

    /// Acts with a request's id.
    pub(crate) async fn act_as(&self, text: &str, action: Action, request: &str) -> Pet {
        let (name, caller) = (name(text), caller(Some(request)));
        let acted = self.game.act(&name, action, &caller).await;
        acted.expect("allowed")
    }

    /// Lets a pet go, as whoever holds `key`.
    pub(crate) async fn release(&self, text: &str, key: &Key) -> Result<Pet, GameError> {
        self.game.release(&name(text), &keeper(key)).await
    }

    pub(crate) async fn look(&self, text: &str) -> Pet {
        self.game.look(&name(text)).await.expect("it lives here")
    }

    /// The tasks of what waits for its time, soonest first.
    pub(crate) async fn scheduled(&self, pet: &Pet) -> Vec<String> {
        let agenda = self.game.agenda(pet).await.expect("the store answers");
        agenda.scheduled.into_iter().map(|one| one.task).collect()
    }

    /// Its jobs of this status, whatever the pet knows of them.
    pub(crate) async fn jobs(&self, pet: &Pet, status: Status) -> Vec<Job> {
        let filter = lullaby::store::JobFilter {
            subject: Some(pet.id.to_string()),
            status: Some(status),
            ..lullaby::store::JobFilter::default()
        };
        let store = self.sandbox.lullaby().store();
        store.list_jobs(&filter).await.expect("the store answers")
    }
}

/// The pages of a game, without a lab, for a server on the loopback interface.
pub(crate) fn app(
    game: Arc<Game>,
    limits: Limits,
    host_clock: Arc<dyn Clock>,
    shutdown: Shutdown,
) -> App {
    let loopback = "127.0.0.1".parse().expect("an address");
    App {
        hub: Hub::new(game.lullaby().clone(), host_clock.clone()),
        game,
        shutdown,
        access: Arc::new(Access {
            hosts: Hosts::new(loopback, &[]),
            limiter: Limiter::new(limits),
            proxies: vec!["127.0.0.1".parse().expect("an address")],
            most_pets: 6,
        }),
        host_clock,
        lab: None,
        world: None,
    }
}

/// Serves pages and their streams until their shutdown.
pub(crate) async fn serve_app(listener: TcpListener, app: App) {
    let (hub, stop, clock) = (
        app.hub.clone(),
        app.shutdown.clone(),
        app.host_clock.clone(),
    );
    let pages = serve(listener, router(app), stop.clone(), clock.as_ref());
    tokio::join!(pages, hub.run(&stop));
}

pub(crate) fn name(text: &str) -> PetName {
    PetName::new(text).expect("a name")
}

pub(crate) fn caller(request: Option<&str>) -> Caller {
    Caller {
        request: request.map(str::to_owned),
        ..Caller::default()
    }
}

/// Who holds this key.
pub(crate) fn keeper(key: &Key) -> Caller {
    Caller {
        keys: vec![key.clone()],
        ..Caller::default()
    }
}

pub(crate) fn adoption(text: &str, egg: bool) -> Adoption {
    Adoption {
        name: name(text),
        species: Species::Cat,
        colour: Colour::Peach,
        egg,
    }
}

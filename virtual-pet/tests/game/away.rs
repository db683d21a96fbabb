//! A page that is drawn while its pet changes: a change is saved first, and its event is written after that.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use lullaby::clock::SystemClock;
use lullaby::{Result, Shutdown};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use virtual_pet::home::memory::MemoryHome;
use virtual_pet::home::{Created, Home, Saved};
use virtual_pet::pet::{Action, Pet, PetId, PetName, Rules};
use virtual_pet::web::limits::Limits;

use super::http::{Events, Frame, Request};
use super::town::{HOUR, Town, app, serve_app};

/// A home that holds whoever comes out of it, once: the step was done, and nobody has gone on from there.
#[derive(Debug)]
struct Door {
    home: MemoryHome,
    holds_savers: AtomicBool,
    holds_loaders: AtomicBool,
    /// One permit once somebody is held.
    held: Semaphore,
    /// One permit lets them go on.
    open: Semaphore,
}

impl Default for Door {
    fn default() -> Self {
        Self {
            home: MemoryHome::default(),
            holds_savers: AtomicBool::new(false),
            holds_loaders: AtomicBool::new(false),
            held: Semaphore::new(0),
            open: Semaphore::new(0),
        }
    }
}

impl Door {
    async fn pass(&self, holds: &AtomicBool) {
        if holds.swap(false, Ordering::SeqCst) {
            self.held.add_permits(1);
            self.open.acquire().await.expect("never closed").forget();
        }
    }

    async fn until_held(&self) {
        self.held.acquire().await.expect("never closed").forget();
    }

    fn let_go(&self) {
        self.open.add_permits(1);
    }
}

#[async_trait]
impl Home for Door {
    async fn create(&self, pet: &Pet) -> Result<Created> {
        self.home.create(pet).await
    }
    async fn load(&self, id: &PetId) -> Result<Option<Pet>> {
        let pet = self.home.load(id).await;
        self.pass(&self.holds_loaders).await;
        pet
    }
    async fn find(&self, name: &PetName) -> Result<Option<Pet>> {
        self.home.find(name).await
    }
    async fn save(&self, pet: &Pet) -> Result<Saved> {
        let saved = self.home.save(pet).await;
        self.pass(&self.holds_savers).await;
        saved
    }
    async fn remove(&self, id: &PetId) -> Result<bool> {
        self.home.remove(id).await
    }
    async fn list(&self, after: Option<&PetName>, limit: usize) -> Result<Vec<Pet>> {
        self.home.list(after, limit).await
    }
    async fn count(&self) -> Result<u64> {
        self.home.count().await
    }
}

/// A player who was here when Mochi moved in, and comes back.
#[derive(Clone, Debug)]
struct Player {
    address: SocketAddr,
    pet: Pet,
}

impl Player {
    /// What the card tells, and the hunger of the gauge, to one who knew this event when they left.
    async fn comes_back(&self, knew: &str) -> (Option<String>, String) {
        let (pet, left) = (&self.pet.id, self.pet.born_at.as_millis());
        let seen = format!("seen={pet}~{knew}~{left}");
        let page = Request::new(self.address, "GET", "/pet/Mochi")
            .header("Accept", "text/html")
            .header("Cookie", &seen);
        let page = blocking(|| page.send()).await.body;
        let gauge = between(&page, "aria-label=\"Hunger\"", "</div>").expect("a gauge");
        let value = between(gauge, "aria-valuenow=\"", "\"").expect("its value");
        let card = between(&page, "id=\"away\"", "</aside>");
        let told = card.and_then(|card| between(card, "<li>", "</li>"));
        (told.map(str::to_owned), value.to_owned())
    }

    /// Opens the page's stream; answers it with its first patch.
    async fn listens(&self) -> (Events, Frame) {
        let stream = Request::new(self.address, "GET", "/pet/Mochi/events");
        blocking(|| {
            let mut events = stream.stream();
            let first = events.next().expect("the first patch");
            (events, first)
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    spawn_blocking(work).await.expect("it ends")
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    Some(rest.split_once(end)?.0)
}

/// How many changes of the pet a frame tells of: only patches do.
fn changes(frame: &Frame) -> usize {
    let steps = frame.data["steps"].as_array().into_iter().flatten();
    steps.filter(|step| step["kind"] == "pet.changed").count()
}

/// A town with Mochi in it, its pages, and a player who is there as long as `scene` lasts.
async fn with_player(scene: impl AsyncFnOnce(&Town, &Door, &Player)) {
    let door = Arc::new(Door::default());
    let town = Town::with_home(Rules::game(), door.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let player = Player {
        address: listener.local_addr().expect("an address"),
        pet: town.adopt("Mochi").await,
    };
    let stop = Shutdown::new();
    let host_clock = Arc::new(SystemClock::default());
    let app = app(town.game.clone(), Limits::Off, host_clock, stop.clone());
    tokio::join!(serve_app(listener, app), async {
        scene(&town, &door, &player).await;
        stop.cold();
    });
}

#[tokio::test]
async fn an_hour_whose_event_is_not_written_yet_is_told_of_by_the_next_event_and_once() {
    with_player(async |town, door, player| {
        town.advance(7 * HOUR).await;
        door.holds_savers.store(true, Ordering::SeqCst);
        let eighth_hour = town.advance(HOUR);
        let ((), (first, told)) = tokio::join!(eighth_hour, async {
            door.until_held().await;
            let seven = "7 game hours went by; hunger is 7 of 10 now.".to_owned();
            assert_eq!(player.comes_back("0").await, (Some(seven), "8".to_owned()));
            let (mut events, first) = player.listens().await;
            assert_eq!(changes(&first), 0);
            door.let_go();
            let told = blocking(move || events.until(|patch| changes(patch) > 0)).await;
            (first, told)
        });
        assert_eq!(changes(&told), 1);
        let eight = "8 game hours went by; hunger is 8 of 10 now.".to_owned();
        let now = "8".to_owned();
        assert_eq!(player.comes_back("0").await, (Some(eight), now.clone()));
        // Who left before it was told hears of this hour alone; who left after that has heard of it.
        let one = "1 game hour went by; hunger is 8 of 10 now.".to_owned();
        assert_eq!(player.comes_back(&first.id).await, (Some(one), now.clone()));
        assert_eq!(player.comes_back(&told.id).await, (None, now));
    })
    .await;
}

#[tokio::test]
async fn a_patch_shows_every_change_that_it_tells_of() {
    with_player(async |town, door, player| {
        let (mut events, first) = player.listens().await;
        assert_eq!(changes(&first), 0);
        // The patch of the first play has read the pet, and before it goes on there is a second play.
        door.holds_loaders.store(true, Ordering::SeqCst);
        town.act("Mochi", Action::Play).await.expect("awake");
        door.until_held().await;
        town.act("Mochi", Action::Play).await.expect("awake");
        door.let_go();
        let mut told = 0;
        let second = blocking(move || {
            events.until(|frame| {
                told += changes(frame);
                told == 2
            })
        });
        let second = second.await;
        let gauges = second.data["sections"]["gauges"].as_str();
        assert!(
            gauges.is_some_and(|gauges| gauges.contains("6 of 10")),
            "{gauges:?}"
        );
    })
    .await;
}

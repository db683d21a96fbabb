//! The contract of [`Home`], for every implementation.

use std::sync::Arc;

use lullaby::Timestamp;

use super::memory::MemoryHome;
use super::{Created, Home, Saved};
use crate::pet::{
    Appointment, Colour, Newcomer, Pass, Pet, PetId, PetName, Rules, Species, Visitors,
};

async fn ok<T>(answer: impl Future<Output = lullaby::Result<T>>) -> T {
    answer.await.expect("the store answers")
}

fn name(text: &str) -> PetName {
    PetName::new(text).expect("a name")
}

fn pet(text: &str) -> Pet {
    let newcomer = Newcomer {
        name: name(text),
        species: Species::Crab,
        colour: Colour::Mint,
        keeper_hash: Some("00ff".into()),
        visitors: Visitors::Look,
    };
    let now = Timestamp::from_millis(1_763_899_200_123);
    let mut pet = Pet::new(PetId::random(), newcomer, &Rules::game(), now);
    pet.remember("request");
    pet.pass = Some(Pass {
        hash: "ab".into(),
        until: now,
    });
    pet
}

fn changed(pet: &Pet, hunger: i64) -> Pet {
    Pet {
        version: pet.version + 1,
        hunger,
        ..pet.clone()
    }
}

/// Runs the whole contract on an empty home.
async fn keeps_the_contract(home: Arc<dyn Home>) {
    nobody_lives_in_an_empty_one(&*home).await;
    a_pet_is_found_as_it_was_saved(&*home).await;
    names_are_unique_without_case(&*home).await;
    only_the_next_version_is_saved(&*home).await;
    a_pet_can_be_renamed(&*home).await;
    one_that_left_is_gone(&*home).await;
    the_list_goes_by_name_page_by_page(&*home).await;
    of_many_savers_exactly_one_wins_each_version(home).await;
}

async fn nobody_lives_in_an_empty_one(home: &dyn Home) {
    assert_eq!(ok(home.find(&name("Nobody"))).await, None);
    assert_eq!(ok(home.load(&PetId::random())).await, None);
    assert_eq!(ok(home.list(None, 10)).await, vec![]);
    assert_eq!(ok(home.count()).await, 0);
    assert_eq!(ok(home.save(&pet("Nobody"))).await, Saved::Gone);
    assert!(!ok(home.remove(&PetId::random())).await);
}

async fn a_pet_is_found_as_it_was_saved(home: &dyn Home) {
    let pet = pet("Žofie 麻糬");
    assert_eq!(ok(home.create(&pet)).await, Created::Done);
    assert_eq!(ok(home.load(&pet.id)).await, Some(pet.clone()));
    assert_eq!(ok(home.find(&pet.name)).await, Some(pet.clone()));
    let saved = changed(&pet, 3);
    assert_eq!(ok(home.save(&saved)).await, Saved::Done);
    assert_eq!(ok(home.load(&pet.id)).await, Some(saved.clone()));
    let farewell = Appointment {
        job: lullaby::JobId::new("farewell").expect("an id"),
        at: saved.born_at,
    };
    let mut gone = saved.released(farewell, saved.born_at);
    gone.version += 1;
    assert_eq!(ok(home.save(&gone)).await, Saved::Done);
    assert_eq!(ok(home.find(&pet.name)).await, Some(gone));
    assert!(ok(home.remove(&pet.id)).await);
}

async fn names_are_unique_without_case(home: &dyn Home) {
    let first = pet("Mochi");
    assert_eq!(ok(home.create(&first)).await, Created::Done);
    assert_eq!(ok(home.create(&pet("mOCHI"))).await, Created::NameTaken);
    assert_eq!(ok(home.find(&name("MOCHI"))).await, Some(first.clone()));
    assert_eq!(ok(home.count()).await, 1);
    assert!(ok(home.remove(&first.id)).await);
}

async fn only_the_next_version_is_saved(home: &dyn Home) {
    let pet = pet("Mochi");
    ok(home.create(&pet)).await;
    let [mine, theirs] = [changed(&pet, 1), changed(&pet, 2)];
    assert_eq!(ok(home.save(&theirs)).await, Saved::Done);
    assert_eq!(ok(home.save(&mine)).await, Saved::Conflict);
    assert_eq!(ok(home.save(&pet)).await, Saved::Conflict);
    assert_eq!(ok(home.load(&pet.id)).await, Some(theirs));
    ok(home.remove(&pet.id)).await;
}

async fn a_pet_can_be_renamed(home: &dyn Home) {
    let [mochi, ferri] = [pet("Mochi"), pet("Ferri")];
    ok(home.create(&mochi)).await;
    ok(home.create(&ferri)).await;
    let mut renamed = changed(&mochi, 0);
    renamed.name = name("FERRI");
    assert_eq!(ok(home.save(&renamed)).await, Saved::NameTaken);
    assert_eq!(ok(home.load(&mochi.id)).await, Some(mochi.clone()));
    renamed.name = name("MOCHI");
    assert_eq!(ok(home.save(&renamed)).await, Saved::Done);
    let mut renamed = changed(&renamed, 0);
    renamed.name = name("Biscuit");
    assert_eq!(ok(home.save(&renamed)).await, Saved::Done);
    assert_eq!(ok(home.find(&name("mochi"))).await, None);
    assert_eq!(ok(home.find(&name("biscuit"))).await, Some(renamed));
    ok(home.remove(&mochi.id)).await;
    ok(home.remove(&ferri.id)).await;
}

async fn one_that_left_is_gone(home: &dyn Home) {
    let pet = pet("Mochi");
    ok(home.create(&pet)).await;
    assert!(ok(home.remove(&pet.id)).await);
    assert!(!ok(home.remove(&pet.id)).await);
    assert_eq!(ok(home.save(&changed(&pet, 1))).await, Saved::Gone);
    assert_eq!(ok(home.find(&pet.name)).await, None);
    let heir = self::pet("mochi");
    assert_eq!(ok(home.create(&heir)).await, Created::Done);
    ok(home.remove(&heir.id)).await;
}

async fn the_list_goes_by_name_page_by_page(home: &dyn Home) {
    for text in ["cherry", "Apple", "banana", "Date"] {
        ok(home.create(&pet(text))).await;
    }
    let names = async |after: Option<&str>, limit| {
        let after = after.map(name);
        let page = ok(home.list(after.as_ref(), limit)).await;
        let names = page.into_iter().map(|pet| pet.name.to_string());
        names.collect::<Vec<_>>()
    };
    assert_eq!(names(None, 2).await, ["Apple", "banana"]);
    assert_eq!(names(Some("BANANA"), 9).await, ["cherry", "Date"]);
    assert_eq!(names(Some("bz"), 1).await, ["cherry"]);
    assert_eq!(ok(home.count()).await, 4);
    for pet in ok(home.list(None, 9)).await {
        ok(home.remove(&pet.id)).await;
    }
}

async fn of_many_savers_exactly_one_wins_each_version(home: Arc<dyn Home>) {
    let pet = pet("Mochi");
    ok(home.create(&pet)).await;
    let savers: Vec<_> = (0..8)
        .map(|_| {
            let (home, id) = (home.clone(), pet.id.clone());
            tokio::spawn(async move {
                let mut won = 0;
                while won < 5 {
                    let kept = home.load(&id).await.expect("loaded").expect("there");
                    let next = changed(&kept, kept.hunger + 1);
                    match home.save(&next).await.expect("saved") {
                        Saved::Done => won += 1,
                        Saved::Conflict => tokio::task::yield_now().await,
                        other => panic!("expected Done or Conflict, got {other:?}"),
                    }
                }
            })
        })
        .collect();
    for saver in savers {
        saver.await.expect("no panic");
    }
    let kept = home.load(&pet.id).await.expect("loaded").expect("there");
    assert_eq!((kept.hunger, kept.version), (40, pet.version + 40));
}

#[tokio::test]
async fn memory_keeps_the_contract() {
    keeps_the_contract(Arc::new(MemoryHome::default())).await;
}

#[tokio::test]
async fn sqlite_keeps_the_contract() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite:{}", folder.path().join("pets.db").display());
    let lullaby = ok(lullaby::Lullaby::open(&url)).await;
    keeps_the_contract(ok(super::open(&lullaby)).await).await;
}

#[tokio::test]
async fn redis_keeps_the_contract() {
    use std::process::{Command, Stdio};

    let folder = tempfile::tempdir().expect("a folder");
    // The shell ends the server when this process lets go of its pipe, however it ends.
    let script = r#"
        redis-server --port 0 --unixsocket "$1/socket" --dir "$1" --save '' --logfile "$1/log" &
        read -r _
        kill $!
    "#;
    let mut watch = Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a shell");
    let url = format!("unix://{}", folder.path().join("socket").display());
    let clock = lullaby::clock::SystemClock::default();
    let lullaby = loop {
        match lullaby::Lullaby::open(&url).await {
            Ok(lullaby) => break lullaby,
            Err(error) => {
                let waited = lullaby::clock::Clock::monotonic(&clock);
                assert!(
                    waited.as_secs() < 20,
                    "is redis-server installed (apt-get install redis-server)? {error}"
                );
                tokio::task::yield_now().await;
            }
        }
    };
    keeps_the_contract(ok(super::open(&lullaby)).await).await;
    drop(watch.stdin.take());
    watch.wait().expect("the shell ends");
}

//! The pages, drawn from plain values: no I/O, no clock. Each section of the pet's page is one function, which draws it for the first time
//! and for the live stream alike, so there is one place for each piece of markup.

mod adopt;
mod away;
mod code;
mod history;
mod icons;
mod lab;
mod layout;
mod panel;
mod pet_card;
mod restart;
mod rig;
mod room;
mod settings;
mod small;
mod today;
mod when;
mod words;

use lullaby::Timestamp;
use lullaby::event::Event;
use lullaby::store::WorkerRecord;
use maud::Markup;
use serde_json::{Value, json};

pub(crate) use self::adopt::adopt;
pub(crate) use self::history::history;
pub(crate) use self::lab::entrance;
pub(crate) use self::layout::{Shell, Theme};
pub(crate) use self::restart::Comeback;
pub(crate) use self::settings::{Settings, settings};
pub(crate) use self::small::{Trouble, WayOn, confirm, meadow, problem};
pub(crate) use self::today::Today;
pub(crate) use self::when::Zone;
use self::words::{Reader, changed, lines};
use crate::game::{Agenda, By, PET_CHANGED};
use crate::lab::{LEARNED, Look};
use crate::pet::{Action, Mood, Pet, Rules};
use crate::web::{action_path, encoded};

/// How many lines of what just happened are shown: with them the page fits 900 pixels.
const LOG_LINES: usize = 5;

/// Everything that a pet's page is made of.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) pet: Pet,
    pub(crate) rules: Rules,
    /// What the one who looks is to it.
    pub(crate) standing: By,
    pub(crate) agenda: Agenda,
    pub(crate) workers: Vec<WorkerRecord>,
    /// Its latest events, the oldest first.
    pub(crate) events: Vec<Event>,
    /// Its jobs that were finished today.
    pub(crate) today: Today,
    pub(crate) now: Timestamp,
    pub(crate) zone: Zone,
    /// The world of the lab that all this is in; `None`: the town.
    pub(crate) lab: Option<Look>,
}

/// What stands around it, and changes only with a new page.
#[derive(Clone, Debug, Default)]
pub(crate) struct Around {
    pub(crate) shell: Shell,
    /// The pets of this browser.
    pub(crate) pets: Vec<Pet>,
    /// This server's address as the browser wrote it.
    pub(crate) origin: Option<String>,
    /// What happened since the last visit, oldest first, if that is long ago.
    pub(crate) since: Option<Since>,
}

/// The last visit.
#[derive(Clone, Debug)]
pub(crate) struct Since {
    pub(crate) at: Timestamp,
    pub(crate) events: Vec<Event>,
    /// What came back, if the server was started since.
    pub(crate) comeback: Option<Comeback>,
}

impl View {
    fn reader(&self) -> Reader<'_> {
        Reader {
            name: &self.pet.name,
            standing: self.standing,
            zone: self.zone,
        }
    }

    /// Where an action's form goes.
    fn action_path(&self, action: Action) -> String {
        match self.lab {
            Some(_) => format!("/lab/pet/{action}"),
            None => format!("{}{}", action_path(action), encoded(self.pet.name.as_str())),
        }
    }

    /// Where the page's stream comes from.
    fn stream_path(&self) -> String {
        match self.lab {
            Some(_) => "/lab/events".to_owned(),
            None => format!("/pet/{}/events", encoded(self.pet.name.as_str())),
        }
    }

    /// What the stage shows: attributes only, so that its drawing stays and moves on.
    pub(crate) fn look(&self) -> Value {
        let pet = &self.pet;
        json!({
            "mood": pet.mood(),
            "stage": pet.stage(),
            "asleep": pet.is_asleep(),
            "label": pet_card::label(pet),
            "says": pet_card::says(pet.mood()),
            "wakes": pet.nap.as_ref().map(|nap| nap.at.as_millis()),
        })
    }

    /// The sections that change while one looks, by id.
    pub(crate) fn sections(&self) -> Vec<(&'static str, Markup)> {
        let lines = lines(&self.events, &self.reader());
        let mut sections = vec![
            ("plate", pet_card::plate(self)),
            ("gauges", pet_card::gauges(&self.pet)),
            ("actions", pet_card::actions(self, None)),
            ("reason", pet_card::reason(self)),
            ("next", pet_card::next_up(self)),
            ("growth", pet_card::growth(&self.pet)),
            ("counters", panel::counters(&self.agenda)),
            ("rows", panel::rows(self)),
            ("queue", panel::queue(&self.agenda)),
            ("bots", panel::workers(self)),
            ("pile", panel::finished(self)),
            ("code", panel::code(self)),
            ("log", panel::log(&lines, self.zone, LOG_LINES)),
        ];
        match &self.lab {
            Some(look) => sections.extend(lab::sections(self, look)),
            None => sections.push(("chip", layout::chip(&self.pet, true))),
        }
        sections
    }

    /// What a screen reader says of an event, if it concerns the pet or a lesson.
    pub(crate) fn said(&self, event: &Event) -> Option<String> {
        if event.kind == LEARNED {
            return lab::said(self, event);
        }
        let (_, _, title, _) =
            (event.kind == PET_CHANGED).then(|| changed(event, &self.reader()))?;
        Some(format!(
            "{title}. {}.",
            pet_card::gauges_in_words(&self.pet)
        ))
    }

    fn minute_of_day(&self) -> i64 {
        self.zone.minute_of_day(self.now)
    }

    fn is_asleep(&self) -> bool {
        self.pet.mood() == Mood::Asleep
    }
}

/// A pet's page.
pub(crate) fn pet(view: &View, around: &Around) -> Markup {
    let title = match view.pet.mood() {
        Mood::Asleep => format!("Zzz {}", view.pet.name),
        _ => view.pet.name.to_string(),
    };
    layout::page(
        &layout::Frame {
            title: &title,
            shell: around.shell,
            pets: &around.pets,
            current: view.lab.is_none().then_some(&view.pet),
            origin: around.origin.as_deref(),
            lab: view.lab.is_some(),
            live: true,
        },
        &maud::html! {
            main #main.home data-pet=(view.pet.name) data-id=(view.pet.id) data-now=(view.now.as_millis()) data-zone=(view.zone.minutes())
                data-events=(view.stream_path()) data-speed=(view.lab.as_ref().map_or(1, |look| look.speed)) data-lab[view.lab.is_some()] {
                (pet_card::card(view))
                div.scenes {
                    @if let Some(since) = &around.since { (away::card(view, since)) }
                    @if let Some(look) = &view.lab { (lab::guide(view, look)) }
                    (panel::panel(view, around.shell.has_lab))
                }
            }
            p #sr.unseen role="status" aria-live="polite" {}
            (pet_card::help(view.lab.is_some()))
        },
    )
}

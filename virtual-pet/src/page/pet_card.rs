//! The left half: the pet in its room, its gauges, what one can do with it.

use maud::{Markup, html};

use super::View;
use super::icons::icon;
use super::rig::{self, Looks};
use super::room::{Phase, room};
use super::when::countdown;
use super::words::task_words;
use crate::game::By;
use crate::keeper::Key;
use crate::pet::{
    Action, Mood, Pet, RefusalCode, Stage, Visitors, energy_word, hunger_word, in_words,
};
use crate::web::encoded;

/// Letters of a name that stand on one line, at the size that most names have.
const LONG_NAME: usize = 14;

/// The whole card.
pub(super) fn card(view: &View) -> Markup {
    let keys = [Key::random(), Key::random(), Key::random()];
    html! {
        section.pet-card aria-label="The pet" {
            (stage(view))
            (plate(view))
            (gauges(&view.pet))
            (actions(view, Some(&keys)))
            (reason(view))
            (next_up(view))
            (growth(&view.pet))
        }
    }
}

fn stage(view: &View) -> Markup {
    let pet = &view.pet;
    let minute = view.minute_of_day();
    let looks = Looks::of(pet);
    html! {
        div #stage.stage data-phase=(Phase::at(minute).as_str()) data-asleep=(view.is_asleep()) data-coat=(pet.colour) {
            (room(minute))
            p #hint.hint role="note" hidden {}
            p #bubble.bubble { (says(pet.mood())) }
            div #pat.pat { (rig::pet(looks, Some(&label(pet)))) }
        }
    }
}

/// The drawing in words.
pub(super) fn label(pet: &Pet) -> String {
    match pet.mood() {
        Mood::Egg => format!("{} is still in its egg", pet.name),
        mood => format!("{} the {} is {mood}", pet.name, pet.species),
    }
}

/// What the bubble says.
pub(super) fn says(mood: Mood) -> &'static str {
    match mood {
        Mood::Egg => "Knock, knock…",
        Mood::Asleep => "Zzz… five more minutes…",
        Mood::Hungry => "My tummy is rumbling…",
        Mood::Tired => "Yaaawn. Too sleepy to play.",
        Mood::Peckish => "Is that my bowl?",
        Mood::Happy => "Hi there!",
    }
}

fn stage_word(stage: Stage) -> &'static str {
    match stage {
        Stage::Egg => "Egg",
        Stage::Hatchling => "Hatchling",
        Stage::Kid => "Kid",
        Stage::GrownUp => "Grown-up",
    }
}

/// Name, age and mood.
pub(super) fn plate(view: &View) -> Markup {
    let pet = &view.pet;
    let mood = pet.mood().as_str();
    html! {
        div #plate.plate {
            div {
                h1 data-long[pet.name.as_str().chars().count() > LONG_NAME] { (pet.name) }
                p.quiet { (kind(pet)) span.age { ", " (age(pet)) } }
            }
            span.mood data-mood=(mood) { (mood) }
            @if view.lab.is_none() {
                a.tool href=(format!("/pet/{}/settings", encoded(pet.name.as_str()))) { (icon("gear")) span.unseen { "Settings of " (pet.name) } }
                button #share.tool type="button" { (icon("link")) span.unseen { "Copy the link to " (pet.name) } }
            }
        }
    }
}

fn kind(pet: &Pet) -> String {
    match pet.stage() {
        Stage::Egg => format!("The egg of a {}", pet.species),
        stage => format!("{} {}", stage_word(stage), pet.species),
    }
}

fn age(pet: &Pet) -> String {
    match pet.age_hours {
        0 => "brand new".to_owned(),
        1 => "1 hour old".to_owned(),
        hours @ 2..48 => format!("{hours} hours old"),
        hours => format!("{} days old", hours / 24),
    }
}

/// Both gauges.
pub(super) fn gauges(pet: &Pet) -> Markup {
    html! {
        div #gauges.gauges {
            (gauge("Hunger", "hunger", "bone", pet.hunger, hunger_word(pet.hunger)))
            (gauge("Energy", "energy", "bolt", pet.energy, energy_word(pet.energy)))
        }
    }
}

/// Both gauges in one sentence.
pub(super) fn gauges_in_words(pet: &Pet) -> String {
    format!("Hunger {} of 10, energy {} of 10", pet.hunger, pet.energy)
}

fn gauge(name: &str, kind: &str, picture: &str, value: i64, word: &str) -> Markup {
    html! {
        div.gauge data-kind=(kind) {
            span.gauge-name { (icon(picture)) (name) }
            span.pips role="meter" aria-label=(name) aria-valuemin="0" aria-valuemax="10" aria-valuenow=(value)
                aria-valuetext=(format!("{value} of 10, {word}")) {
                @for pip in 1..=10 { span.pip data-on[pip <= value] {} }
            }
            span.gauge-value aria-hidden="true" { strong { (value) } " / 10" }
        }
    }
}

/// The three buttons. With `keys` their forms work by themselves; the live page makes its own.
pub(super) fn actions(view: &View, keys: Option<&[Key; 3]>) -> Markup {
    let third = if view.is_asleep() {
        Action::Wake
    } else {
        Action::Sleep
    };
    html! {
        div #actions.actions role="group" aria-label=(format!("What {} can do", view.pet.name)) {
            @for (at, action) in [Action::Feed, Action::Play, third].into_iter().enumerate() {
                (button(view, action, keys.map(|keys| &keys[at])))
            }
        }
    }
}

fn button(view: &View, action: Action, key: Option<&Key>) -> Markup {
    let off = off_because(view, action);
    let (picture, hint) = match action {
        Action::Feed => ("bowl", "F"),
        Action::Play => ("ball", "P"),
        Action::Sleep => ("moon", "S"),
        Action::Wake => ("sun", "S"),
    };
    let effect = match action {
        Action::Feed => "hunger −5".to_owned(),
        Action::Play => "energy −2, hunger +1".to_owned(),
        Action::Sleep => format!("energy +5, wakes in {}", in_words(view.pet.nap_length)),
        Action::Wake => "cancels the wake-up job".to_owned(),
    };
    html! {
        form method="post" action=(view.action_path(action)) data-action=(action) {
            @if let Some(key) = key { input type="hidden" name="req" value=(key.secret()); }
            button.action data-kind=(action) aria-disabled=[off.map(|_| "true")] data-says=[off.map(|off| off.says)] {
                (icon(picture))
                strong { (verb(action)) }
                small { (off.map_or(effect.as_str(), |off| off.because)) }
                kbd aria-hidden="true" { (hint) }
            }
        }
    }
}

/// The verb on an action's button.
pub(super) fn verb(action: Action) -> &'static str {
    match action {
        Action::Feed => "Feed",
        Action::Play => "Play",
        Action::Sleep => "Sleep",
        Action::Wake => "Wake",
    }
}

/// Why an action is not to be had now.
#[derive(Clone, Copy)]
struct Off {
    /// In two or three words, on its button.
    because: &'static str,
    /// What the pet says if it is pressed all the same.
    says: &'static str,
}

fn off_because(view: &View, action: Action) -> Option<Off> {
    let pet = &view.pet;
    let off = |because, says| Some(Off { because, says });
    if pet.visitors == Visitors::Look && view.standing == By::Visitor {
        return off("its keeper only", "Only my keeper can do that. A pat?");
    }
    let tried = match action {
        Action::Feed => pet.feed(&view.rules, view.now).map(drop),
        Action::Play => pet.play(&view.rules, view.now).map(drop),
        Action::Sleep => pet.may_sleep(view.now),
        Action::Wake => pet.wake(view.now).map(drop),
    };
    match tried.err()?.code {
        RefusalCode::NotHatched => off("after hatching", "Let me hatch first."),
        RefusalCode::Asleep | RefusalCode::AlreadyAsleep => {
            off("after the nap", "Zzz… after my nap.")
        }
        RefusalCode::AlreadyAwake => off("it is awake", "I am awake already."),
        RefusalCode::TooTired => off("needs 2 energy", "I need 2 energy for that. A nap helps."),
    }
}

/// One line that says why things are as they are.
pub(super) fn reason(view: &View) -> Markup {
    let pet = &view.pet;
    let left = |at| html! { strong.countdown role="timer" data-due=(lullaby::Timestamp::as_millis(at)) { (countdown(at.since(view.now))) } };
    html! {
        p #reason.reason {
            @if let Some(egg) = &pet.egg { "A job hatches " (pet.name) " in " (left(egg.at)) "." }
            @else if let Some(nap) = &pet.nap { (pet.name) " is asleep. Feeding and playing are back in " (left(nap.at)) "." }
            @else if pet.visitors == Visitors::Look && view.standing == By::Visitor { "You are visiting: you can look and pat." }
            @else if pet.hunger >= 7 { (pet.name) " would love a meal." }
            @else if pet.play(&view.rules, view.now).is_err() { (pet.name) " needs " strong { "2 energy" } " to play. A nap helps." }
            @else { "Feeding and playing happen at once. Sleeping schedules a job." }
        }
    }
}

/// What comes next, for narrow screens, where the time line is further down.
pub(super) fn next_up(view: &View) -> Markup {
    html! {
        ul #next.next {
            @for entry in view.agenda.scheduled.iter().take(2) {
                @let words = task_words(&entry.task);
                li {
                    (icon(words.icon)) (words.title) span.in { " in " }
                    strong.countdown role="timer" data-due=(entry.due_at.as_millis()) { (countdown(entry.due_at.since(view.now))) }
                }
            }
        }
    }
}

/// How far it has grown.
pub(super) fn growth(pet: &Pet) -> Markup {
    let stages = [
        (Stage::Egg, "egg"),
        (Stage::Hatchling, "sprout"),
        (Stage::Kid, "paw"),
        (Stage::GrownUp, "flower"),
    ];
    html! {
        ol #growth.growth aria-label="Growing up" {
            @for (stage, picture) in stages {
                @let (passed, current) = (stage < pet.stage(), stage == pet.stage());
                li data-passed[passed] aria-current=[current.then_some("step")] {
                    span.step { (icon(if passed { "check" } else { picture })) }
                    (stage_word(stage))
                }
            }
        }
    }
}

/// The places that a job comes by, and what they are.
const WAY: [(&str, &str, &str, &str); 4] = [
    (
        "scheduled",
        "clock",
        "Scheduled",
        "a job waits for its time.",
    ),
    (
        "queued",
        "down",
        "Queue",
        "it is due, and waits for a worker.",
    ),
    (
        "started",
        "right",
        "Worker",
        "a robot takes it and does what it says.",
    ),
    (
        "finished",
        "check",
        "Finished",
        "done. What fails goes back on the schedule, and is tried again later.",
    ),
];

/// Help and keys, in a dialog that the page's script opens.
pub(super) fn help(lab: bool) -> Markup {
    html! {
        dialog #help aria-labelledby="help-title" {
            h2 #help-title { "How it works" }
            p { "The pet lives on the server. An hourly job makes it hungry; pressing Sleep schedules a job that wakes it. Stop the server, start it again: it still wakes on time." }
            ol.way { @for (status, picture, place, means) in WAY {
                li { span.token data-status=(status) { (icon(picture)) } span { strong { (place) } ": " (means) } }
            } }
            p { "Jobs take milliseconds. The picture is slowed so that you can follow it; the times in words are the true ones." }
            dl.keys {
                div { dt { kbd { "F" } } dd { "feed" } }
                div { dt { kbd { "P" } } dd { "play" } }
                div { dt { kbd { "S" } } dd { "sleep or wake" } }
                div { dt { kbd { "M" } } dd { "sound" } }
                div { dt { kbd { "T" } } dd { "light or dark" } }
                div { dt { kbd { "[" } " " kbd { "]" } } dd { "the pet before, the next" } }
                @if lab { div { dt { kbd { "1" } " " kbd { "2" } " " kbd { "3" } } dd { "the clock 1x, 60x, 600x" } } }
                div { dt { kbd { "J" } } dd { "behind the scenes" } }
                div { dt { kbd { "?" } } dd { "this help" } }
            }
            label.switch { input #keys-on type="checkbox" checked; " Single keys act" }
            label.switch { input #calm-on type="checkbox"; " Calm: nothing moves" }
            label.switch { input #tell-on type="checkbox"; " Tell me when it wakes or gets hungry, while a tab is open" }
            form method="dialog" { button.primary { "Back to the pet" } }
        }
    }
}

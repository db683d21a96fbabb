//! The small pages: a link to an action, and whatever went wrong.

use maud::{Markup, html};

use super::layout::{Frame, Shell, page};
use super::pet_card::verb;
use super::rig::{self, Looks};
use super::room;
use crate::keeper::Key;
use crate::pet::{Action, Colour, Mood, Pet, Species, Stage};
use crate::web::{action_path, encoded};

fn small(title: &str, shell: Shell, picture: &Markup, content: &Markup) -> Markup {
    let frame = Frame {
        title,
        shell,
        ..Frame::default()
    };
    page(
        &frame,
        &html! {
            main #main.small.card {
                (picture)
                (content)
            }
        },
    )
}

/// What a browser gets for a link to an action: nothing changes before its button is pressed.
pub(crate) fn confirm(pet: &Pet, action: Action, shell: Shell) -> Markup {
    small(
        pet.name.as_str(),
        shell,
        &rig::pet(Looks::of(pet), None),
        &html! {
            h1 { (verb(action)) " " (pet.name) "?" }
            form method="post" action=(format!("{}{}", action_path(action), encoded(pet.name.as_str()))) {
                input type="hidden" name="req" value=(Key::random().secret());
                button.primary { (verb(action)) }
            }
            p { a href=(format!("/pet/{}", encoded(pet.name.as_str()))) { "To " (pet.name) } }
        },
    )
}

/// Where a pet was that has been let go. With `until` it can be taken back up to that time.
pub(crate) fn meadow(pet: &Pet, until: Option<&str>, shell: Shell) -> Markup {
    small(
        "In the meadow",
        shell,
        &html! { div.stage.meadow { (room::meadow()) (rig::pet(Looks::of(pet), None)) } },
        &html! {
            h1 { (pet.name) " lives in the meadow now" }
            p.lead { "It was let go. It has grass, sun and company there, and its jobs are canceled." }
            @if let Some(until) = until {
                form method="post" action=(format!("/pet/{}/undo", encoded(pet.name.as_str()))) {
                    input type="hidden" name="req" value=(Key::random().secret());
                    button.primary { "Take " (pet.name) " back" }
                }
                p.quiet { "You can undo it until " (until) "." }
            }
            p { a href="/adopt" { "Adopt a pet" } }
        },
    )
}

/// What went wrong, for people.
#[derive(Debug)]
pub(crate) struct Trouble<'a> {
    pub(crate) status: u16,
    pub(crate) title: &'a str,
    pub(crate) words: &'a str,
    pub(crate) way_on: WayOn<'a>,
}

/// Where one goes from a page that says what went wrong.
#[derive(Debug)]
pub(crate) enum WayOn<'a> {
    /// To the pet of that name.
    Pet(&'a str),
    /// To a new pet.
    Adopt,
    /// To a new world in the lab.
    Lab,
    /// To this browser's own pet, if it has one.
    Home,
    /// To the same page.
    Again,
}

/// Why there is no other page. Where the server is at fault the pet sleeps soundly.
pub(crate) fn problem(trouble: &Trouble<'_>, shell: Shell) -> Markup {
    let Trouble { status, title, .. } = *trouble;
    let mood = match status {
        429 => Mood::Peckish,
        ..500 => Mood::Tired,
        _ => Mood::Asleep,
    };
    let looks = Looks {
        species: Species::Cat,
        colour: Colour::Peach,
        stage: Stage::Kid,
        mood,
    };
    let (path, label) = match trouble.way_on {
        WayOn::Pet(name) => (format!("/pet/{}", encoded(name)), format!("Back to {name}")),
        WayOn::Adopt => ("/adopt".to_owned(), "Adopt a pet".to_owned()),
        WayOn::Lab => ("/lab".to_owned(), "To the lab".to_owned()),
        WayOn::Home => ("/".to_owned(), "Go home".to_owned()),
        WayOn::Again => (String::new(), "Try again".to_owned()),
    };
    small(
        title,
        shell,
        &rig::pet(looks, None),
        &html! {
            h1 { (title) }
            p.lead { (trouble.words) }
            @if status == 503 { p.quiet data-retry { "This page tries again by itself." } }
            p { a.primary href=(path) { (label) } }
            p.quiet { "Code " (status) }
        },
    )
}

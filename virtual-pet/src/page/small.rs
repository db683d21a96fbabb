//! The small pages: a link to an action, and whatever went wrong.

use maud::{Markup, html};

use super::layout::{Frame, Shell, page};
use super::pet_card::verb;
use super::rig::{self, Looks};
use crate::keeper::Key;
use crate::pet::{Action, Colour, Mood, Pet, Species, Stage};
use crate::web::{action_path, encoded};

fn small(title: &str, shell: Shell, looks: Looks, content: &Markup) -> Markup {
    let frame = Frame {
        title,
        shell,
        ..Frame::default()
    };
    page(
        &frame,
        &html! {
            main #main.small.card {
                (rig::pet(looks, None))
                (content)
            }
        },
    )
}

/// What a browser gets for a link to an action: nothing changes before its button is pressed.
pub(crate) fn confirm(pet: &Pet, action: Action, shell: Shell) -> Markup {
    let looks = Looks::of(pet);
    small(
        pet.name.as_str(),
        shell,
        looks,
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
        Looks::of(pet),
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

/// Why there is no other page; `back` leads to the pet that it is about. Where the server is at fault the pet sleeps soundly.
pub(crate) fn problem(status: u16, words: &str, back: Option<&str>, shell: Shell) -> Markup {
    let mood = match status {
        429 => Mood::Peckish,
        ..500 => Mood::Tired,
        _ => Mood::Asleep,
    };
    let title = match status {
        404 => "Nobody here",
        429 => "Easy",
        503 => "One moment",
        _ => "Sorry",
    };
    let looks = Looks {
        species: Species::Cat,
        colour: Colour::Peach,
        stage: Stage::Kid,
        mood,
    };
    small(
        title,
        shell,
        looks,
        &html! {
            h1 { (title) }
            p.lead { (words) }
            @if status == 503 { p.quiet data-retry { "This page tries again by itself." } }
            @if let Some(name) = back {
                p { a.primary href=(format!("/pet/{}", encoded(name))) { "Back to " (name) } }
            } @else if status < 500 {
                p { a.primary href="/adopt" { "Adopt a pet" } }
            } @else {
                p { a.primary href="" { "Try again" } }
            }
            p.quiet { "Code " (status) }
        },
    )
}

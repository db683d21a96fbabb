//! What a keeper can set, and how somebody becomes one.

use maud::{Markup, html};

use super::icons::icon;
use super::layout::{Frame, Shell, page};
use super::rig::{self, Looks};
use crate::game::By;
use crate::keeper::Key;
use crate::pet::{LONGEST_NAME, Pet, Visitors};
use crate::web::encoded;

/// What the page shows.
#[derive(Debug)]
pub(crate) struct Settings<'a> {
    pub(crate) pet: &'a Pet,
    pub(crate) standing: By,
    /// The code for another device that was just made, and until what time it can be used.
    pub(crate) made: Option<(&'a str, String)>,
    /// A code that came by a link.
    pub(crate) given: &'a str,
    /// A form was just sent from here, and is done.
    pub(crate) saved: bool,
    /// This browser's pets.
    pub(crate) pets: &'a [Pet],
    /// This server's address: a link for another device names it in full.
    pub(crate) origin: Option<&'a str>,
    pub(crate) shell: Shell,
}

/// The page.
pub(crate) fn settings(settings: &Settings<'_>) -> Markup {
    let pet = settings.pet;
    let frame = Frame {
        title: &format!("Settings of {}", pet.name),
        shell: settings.shell,
        pets: settings.pets,
        ..Frame::default()
    };
    page(
        &frame,
        &html! {
            main #main.settings {
                div.settings-head {
                    (rig::pet(Looks::of(pet), None))
                    div {
                        h1 { "Settings" }
                        p.lead {
                            @if settings.standing == By::Keeper { "You are " (pet.name) "’s keeper: this browser holds its key." }
                            @else { "You are visiting " (pet.name) ". Only its keeper can change things." }
                        }
                    }
                }
                @if settings.saved { p.banner.good role="status" { "Saved." } }
                @if settings.standing == By::Keeper { (keeper(settings)) }
                @else { (visitor(settings)) }
                p { a href=(format!("/pet/{}", encoded(pet.name.as_str()))) { "Back to " (pet.name) } }
            }
        },
    )
}

fn keeper(settings: &Settings<'_>) -> Markup {
    let pet = settings.pet;
    let path = |deed: &str| format!("/pet/{}/{deed}", encoded(pet.name.as_str()));
    html! {
        section.card aria-labelledby="rename" {
            h2 #rename { "Name" }
            (explained(&path("rename"), &html! {
                label.unseen for="name" { "Name" }
                input #name name="name" value=(pet.name) required maxlength=(LONGEST_NAME) autocomplete="off";
                button.chip { "Rename" }
            }))
            p.quiet { "The link changes with it. History and jobs stay." }
        }
        section.card aria-labelledby="visitors" {
            h2 #visitors { "Visitors with the link may" }
            (form(&path("visitors"), &html! {
                @for (value, words) in [(Visitors::Act, "feed, play and put to sleep"), (Visitors::Look, "look only")] {
                    label.choice { input type="radio" name="visitors" value=(value) checked[pet.visitors == value]; (words) }
                }
                button.chip { "Save" }
            }))
        }
        section.card aria-labelledby="device" {
            h2 #device { "Keep " (pet.name) " on another device" }
            @if let Some((code, until)) = &settings.made {
                p { "On the other device, open this link, or type the code on the settings page of " (pet.name) ":" }
                p.made { strong.code-word { (code) } }
                @let link = format!("{}?code={code}", path("settings"));
                p { a href=(link) { (settings.origin.unwrap_or_default()) (link) } }
                p.quiet { "It works once, until " (until) ". This browser is a visitor from then on." }
            } @else {
                p.quiet { "A one-time code moves the key. It works for ten minutes." }
                (form(&path("code"), &html! { button.chip { (icon("key")) "Make a code" } }))
            }
        }
        section.card aria-labelledby="release" {
            h2 #release { "Let " (pet.name) " go" }
            p.quiet { (pet.name) " moves to the meadow, and its jobs are canceled. You can undo this for ten minutes; the name is kept for a week." }
            (form(&path("release"), &html! { button.chip.grave { "Let " (pet.name) " go to the meadow" } }))
        }
    }
}

fn visitor(settings: &Settings<'_>) -> Markup {
    let pet = settings.pet;
    html! {
        section.card aria-labelledby="device" {
            h2 #device { "Keep " (pet.name) " here" }
            p.quiet { "Its keeper can make a one-time code on this page. Bring it here, and this browser is the keeper’s." }
            (explained(&format!("/pet/{}/move", encoded(pet.name.as_str())), &html! {
                label.unseen for="code" { "Code" }
                input #code name="code" value=(settings.given) required maxlength="16" autocomplete="off" placeholder="ABCD-2345";
                button.chip { (icon("key")) "Keep " (pet.name) " here" }
            }))
        }
    }
}

/// A form that posts, with an id of its own: pressed twice, it acts once.
fn form(action: &str, fields: &Markup) -> Markup {
    html! {
        form.setting method="post" action=(action) { (id()) (fields) }
    }
}

/// The same for what may be refused: the page's script shows in it why.
fn explained(action: &str, fields: &Markup) -> Markup {
    html! {
        form.setting method="post" action=(action) data-explains {
            (id())
            (fields)
            p.banner role="alert" hidden {}
        }
    }
}

fn id() -> Markup {
    html! { input type="hidden" name="req" value=(Key::random().secret()); }
}

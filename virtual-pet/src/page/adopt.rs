//! The adopt page.

use maud::{Markup, html};

use super::icons::icon;
use super::layout::{Frame, Shell, page};
use super::rig::{self, Looks, head};
use super::room::{Phase, room};
use crate::keeper::Key;
use crate::pet::{Colour, LONGEST_NAME, Mood, Pet, Species, Stage};
use crate::web::encoded;

/// The form, and who lives here already.
pub(crate) fn adopt(residents: &[Pet], mine: &[Pet], shell: Shell, minute_of_day: i64) -> Markup {
    let frame = Frame {
        title: "Adopt",
        shell,
        pets: mine,
        ..Frame::default()
    };
    let looks = |species| Looks {
        species,
        colour: Colour::Peach,
        stage: Stage::Kid,
        mood: Mood::Happy,
    };
    page(
        &frame,
        &html! {
            main #main.adopt {
                section.card.form-card {
                    h1 { "Adopt a pet" }
                    p.lead { "Pick a friend. It cannot get ill or die, and it forgives long holidays." }
                    form method="post" action="/adopt" data-explains {
                        // As secret as the key that the answer holds.
                        input type="hidden" name="req" value=(Key::random().secret());
                        fieldset.species {
                            legend { "Species" }
                            @for (at, species) in Species::ALL.iter().enumerate() {
                                label { input type="radio" name="species" value=(species) checked[at == 0]; (rig::pet(looks(*species), None)) span { (species) } }
                            }
                        }
                        fieldset.colours {
                            legend { "Colour" }
                            @for (at, colour) in Colour::ALL.iter().enumerate() {
                                label data-coat=(colour) { input type="radio" name="colour" value=(colour) checked[at == 0]; span.swatch {} span { (colour) } }
                            }
                        }
                        label.name-label for="name" { "Name" }
                        div.name-row {
                            input #name name="name" required maxlength=(LONGEST_NAME) autocomplete="off" aria-describedby="name-hint";
                            button #dice.chip type="button" hidden { "Surprise me" }
                        }
                        p #name-hint.quiet { "1 to " (LONGEST_NAME) " letters, digits, spaces, - or _. It becomes the link." }
                        p #adopt-error.banner role="alert" hidden {}
                        button.primary { "Adopt" span #adopt-name {} }
                    }
                }
                aside.card.preview aria-label="Preview" {
                    div.stage data-phase=(Phase::at(minute_of_day).as_str()) data-asleep="false" data-coat="peach" {
                        (room(minute_of_day))
                        p #preview-says.bubble { "Take me home?" }
                        div #preview.pat { (rig::pet(looks(Species::Cat), None)) }
                    }
                    h2 { "Adopting puts three jobs on the schedule" }
                    ul.jobs {
                        li { span.token data-status="scheduled" { (icon("egg")) } "Hatch, in 8 seconds" }
                        li { span.token data-status="scheduled" { (icon("bone")) } "Get hungry, every hour, for ever" }
                        li { span.token data-status="scheduled" { (icon("flower")) } "Grow up, tomorrow" }
                    }
                }
                @if !residents.is_empty() {
                    section.card.residents {
                        h2 { "Who lives here" }
                        ul {
                            @for pet in residents {
                                li {
                                    a.pet-chip href=(format!("/pet/{}", encoded(pet.name.as_str()))) {
                                        (head(Looks::of(pet)))
                                        span { (pet.name) small.quiet { (pet.mood()) } }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        },
    )
}

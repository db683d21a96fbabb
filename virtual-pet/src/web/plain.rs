//! Plain pages: forms that work without a script.

use lullaby::Timestamp;
use maud::{DOCTYPE, Markup, html};

use super::article::path;
use super::encoded;
use super::problem::Problem;
use crate::game::Agenda;
use crate::keeper::Key;
use crate::pet::{Action, Colour, LONGEST_NAME, Pet, Species, energy_word, hunger_word, in_words};

/// The one stylesheet: `style` attributes are not allowed by our own content policy.
pub(super) const CSS: &str = "\
:root { color-scheme: light dark; font: 100%/1.5 system-ui, sans-serif; }
body { max-width: 40rem; margin: 0 auto; padding: 1rem; }
h1 { margin: .5rem 0; }
form { margin: .5rem 0; }
form.action { display: inline-block; margin-right: .5rem; }
label { display: block; margin: .5rem 0; }
button, input, select { font: inherit; padding: .4rem .8rem; border-radius: .5rem; }
button { min-height: 2.75rem; cursor: pointer; }
meter { width: 12rem; vertical-align: middle; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .2rem .5rem; border-bottom: 1px solid color-mix(in srgb, currentColor 20%, transparent); }
";

/// Live pages: at each change that the stream tells of, the page's own content is fetched anew, so that there is one place that knows what it
/// looks like. In between the countdowns run. Without it the page is as it was when it was loaded, and its forms work.
pub(super) const SCRIPT: &str = r#""use strict";
const main = document.querySelector("main[data-events]");
const pad = (n) => String(n).padStart(2, "0");
function count() {
  for (const time of document.querySelectorAll("time.until")) {
    const s = Math.max(0, Math.ceil((Date.parse(time.dateTime) - Date.now()) / 1000));
    const minutes = Math.floor(s / 60);
    time.textContent = minutes < 60
      ? `${minutes}:${pad(s % 60)}`
      : `${Math.floor(minutes / 60)}:${pad(minutes % 60)}:${pad(s % 60)}`;
  }
}
let looking = null;
async function look() {
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const focused = [...main.querySelectorAll("button")].indexOf(document.activeElement);
    main.replaceChildren(...page.querySelector("main").childNodes);
    if (focused >= 0) main.querySelectorAll("button")[focused]?.focus();
    count();
  } catch {
    // The next change, or the stream when it is back, brings us here again.
  }
}
if (main) {
  const events = new EventSource(main.dataset.events);
  // Changes come in bursts: one look for all of 50 ms.
  const soon = () => { looking ??= setTimeout(() => { looking = null; look(); }, 50); };
  events.addEventListener("pet", soon);
  events.addEventListener("job", soon);
  events.addEventListener("gone", () => { events.close(); location.reload(); });
}
count();
setInterval(count, 1000);
"#;

fn page(title: &str, content: &Markup) -> Markup {
    framed(title, None, content)
}

/// A page whose content follows a stream of events.
fn framed(title: &str, events: Option<&str>, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · Virtual Pet" }
                link rel="stylesheet" href="/plain.css";
                link rel="icon" href="data:,";
                script src="/plain.js" defer {}
            }
            body {
                header { a href="/" { "Virtual Pet" } ", looked after by a job queue" }
                main data-events=[events] { (content) }
            }
        }
    }
}

/// The adopt form and the list of pets.
pub(super) fn adopt(pets: &[Pet]) -> Markup {
    page(
        "Adopt",
        &html! {
            h1 { "Adopt a pet" }
            p { "Pick a friend. It cannot get ill or die, and it forgives long holidays." }
            form method="post" action="/adopt" {
                // As secret as the key that the answer holds.
                input type="hidden" name="req" value=(Key::random().secret());
                label { "Name " input name="name" required maxlength=(LONGEST_NAME) autocomplete="off"; }
                label {
                    "Species "
                    select name="species" {
                        @for species in Species::ALL { option value=(species) { (species) } }
                    }
                }
                label {
                    "Colour "
                    select name="colour" {
                        @for colour in Colour::ALL { option value=(colour) { (colour) } }
                    }
                }
                button { "Adopt" }
            }
            @if !pets.is_empty() {
                h2 { "Who lives here" }
                ul {
                    @for pet in pets {
                        li {
                            a href=(format!("/pet/{}", encoded(pet.name.as_str()))) { (pet.name) }
                            ", a " (pet.colour) " " (pet.species) ": " (pet.mood())
                        }
                    }
                }
            }
        },
    )
}

/// A pet's page.
pub(super) fn pet(pet: &Pet, agenda: &Agenda, now: Timestamp) -> Markup {
    let third = if pet.is_asleep() {
        Action::Wake
    } else {
        Action::Sleep
    };
    framed(
        pet.name.as_str(),
        Some(&format!("/api/pets/{}/events", encoded(pet.name.as_str()))),
        &html! {
            h1 { (pet.name) }
            p { "A " (pet.colour) " " (pet.species) ", " (pet.stage()) ", " (pet.mood()) ", " (pet.age_hours) " h old." }
            p {
                "Hunger " meter min="0" max="10" value=(pet.hunger) { (pet.hunger) } " " (pet.hunger) " of 10, " (hunger_word(pet.hunger))
                br;
                "Energy " meter min="0" max="10" value=(pet.energy) { (pet.energy) } " " (pet.energy) " of 10, " (energy_word(pet.energy))
            }
            @if let Some(nap) = &pet.nap { p { "Wakes in " (until(nap.at, now)) "." } }
            @if let Some(egg) = &pet.egg { p { "Hatches in " (until(egg.at, now)) "." } }
            p {
                @for action in [Action::Feed, Action::Play, third] { (button(pet, action)) }
            }
            h2 { "Scheduled" }
            table {
                tr { th { "Job" } th { "Due in" } th { "At" } }
                @for job in &agenda.scheduled {
                    tr {
                        td { (job.task) @if job.every.is_some() { ", again and again" } }
                        td { (until(job.due_at, now)) }
                        td { (job.due_at) }
                    }
                }
            }
            h2 { "Lately" }
            table {
                tr { th { "Job" } th { "Status" } th { "What came of it" } }
                @for job in &agenda.recent {
                    tr {
                        td { (job.template.task) }
                        td { (job.status) }
                        td { (job.error.as_ref().or(job.result.as_ref()).map_or("", String::as_str)) }
                    }
                }
            }
        },
    )
}

/// A countdown, which the script keeps running.
fn until(at: Timestamp, now: Timestamp) -> Markup {
    html! { time.until datetime=(at) { (in_words(at.since(now))) } }
}

/// What a browser gets for a link to an action: nothing changes before its button is pressed.
pub(super) fn confirm(pet: &Pet, action: Action) -> Markup {
    page(
        pet.name.as_str(),
        &html! {
            h1 { (verb(action)) " " (pet.name) "?" }
            (button(pet, action))
            p { a href=(format!("/pet/{}", encoded(pet.name.as_str()))) { "To " (pet.name) } }
        },
    )
}

/// Why there is no other page.
pub(super) fn problem(problem: &Problem) -> Markup {
    page(
        "Sorry",
        &html! {
            h1 { (problem.status().as_u16()) }
            p { (problem) }
            p { a href="/adopt" { "Adopt a pet" } }
        },
    )
}

fn button(pet: &Pet, action: Action) -> Markup {
    html! {
        form.action method="post" action=(format!("{}{}", path(action), encoded(pet.name.as_str()))) {
            input type="hidden" name="req" value=(Key::random().secret());
            button { (verb(action)) }
        }
    }
}

fn verb(action: Action) -> &'static str {
    match action {
        Action::Feed => "Feed",
        Action::Play => "Play",
        Action::Sleep => "Sleep",
        Action::Wake => "Wake",
    }
}

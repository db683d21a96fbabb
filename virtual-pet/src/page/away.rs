//! What happened while the player was away.
//!
//! All of it is told from events, also the hunger: a pet is saved before its event is written, and in between the pet has lived an hour
//! that the events do not tell of. Each hour is told once: an event that comes later has a higher id than the newest one that the page was
//! told, and that one is where the stream goes on and what the browser remembers of this visit.

use maud::{Markup, html};

use super::words::changed;
use super::{Since, View};
use crate::game::{By, PET_CHANGED, What};
use crate::pet::in_words;

/// How many facts it tells.
const FACTS: usize = 4;

/// The card; nothing if nothing happened.
pub(super) fn card(view: &View, since: &Since) -> Markup {
    let facts = facts(view, since);
    html! {
        @if !facts.is_empty() {
            aside #away.card.away aria-labelledby="away-title" {
                h2 #away-title { "While you were away " small { "(" (in_words(view.now.since(since.at))) ")" } }
                ul { @for fact in facts { li { (fact) } } }
                button #away-close.tool type="button" hidden { (super::icons::icon("cross")) span.unseen { "Close" } }
            }
        }
    }
}

/// Up to four: waking and growing by the word of their latest event, hunger in sum, visitors by number, a restart by what came back.
fn facts(view: &View, since: &Since) -> Vec<String> {
    let changes: Vec<_> = since
        .events
        .iter()
        .filter(|event| event.kind == PET_CHANGED)
        .collect();
    let what = |event: &lullaby::event::Event| {
        serde_json::from_value::<What>(event.data["what"].clone()).ok()
    };
    let by =
        |event: &lullaby::event::Event| serde_json::from_value::<By>(event.data["by"].clone()).ok();
    let latest = |wanted: What| {
        let event = changes
            .iter()
            .rev()
            .find(|event| what(event) == Some(wanted))?;
        let (_, _, title, _) = changed(event, &view.reader());
        Some(format!("{title} at {}.", view.zone.time(event.at)))
    };
    let hours: u64 = changes
        .iter()
        .filter(|event| what(event) == Some(What::Ticked))
        .map(|event| event.data["hours"].as_u64().unwrap_or(1))
        .sum();
    let guests = changes
        .iter()
        .filter(|event| by(event) == Some(By::Visitor))
        .count();
    // Of two processes, the one that saved first may be the last to write its event.
    let newest = changes
        .iter()
        .map(|event| &event.data["pet"])
        .max_by_key(|pet| pet["version"].as_u64());
    let hunger = newest.and_then(|pet| pet["hunger"].as_i64());
    let name = &view.pet.name;
    let facts = [
        latest(What::Hatched),
        latest(What::Woke),
        hunger.filter(|_| hours > 0).map(|hunger| {
            let passed = if hours == 1 { "hour" } else { "hours" };
            format!("{hours} game {passed} went by; hunger is {hunger} of 10 now.")
        }),
        (guests > 0).then(|| match guests {
            1 => format!("A visitor looked after {name}."),
            guests => format!("Visitors looked after {name} {guests} times."),
        }),
        latest(What::Grew),
        since
            .comeback
            .as_ref()
            .map(|comeback| view.restarted(comeback)),
    ];
    facts.into_iter().flatten().take(FACTS).collect()
}

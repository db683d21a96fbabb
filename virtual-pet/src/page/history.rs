//! All that the store still knows of a pet, page by page.

use lullaby::event::EventId;
use maud::{Markup, html};

use super::View;
use super::icons::icon;
use super::layout::{Frame, Shell, page};
use super::words::lines;
use crate::pet::Pet;
use crate::web::encoded;

/// The `most` lines before the event `before`, the newest first.
pub(crate) fn history(
    view: &View,
    pets: &[Pet],
    before: EventId,
    most: usize,
    shell: Shell,
) -> Markup {
    let name = &view.pet.name;
    let path = format!("/pet/{}", encoded(name.as_str()));
    let lines = lines(&view.events, &view.reader());
    let older: Vec<_> = lines
        .iter()
        .rev()
        .filter(|line| line.id < before.0)
        .collect();
    let shown = &older[..older.len().min(most)];
    let next = shown.last().filter(|_| older.len() > most);
    let frame = Frame {
        title: &format!("History of {name}"),
        shell,
        pets,
        ..Frame::default()
    };
    page(
        &frame,
        &html! {
            main #main.history {
                h1 { "What happened to " (name) }
                p.lead { "Each line is an event of the store: what players did, and how each job moved. The oldest make way for new ones." }
                section.card aria-label="Events" {
                    @if shown.is_empty() { p.quiet { "Nothing before that is known." } }
                    ol.log {
                        @for line in shown {
                            li {
                                span.mark data-status=(line.tone) { (icon(line.icon)) }
                                span.told {
                                    span { (line.title) }
                                    small { (line.detail) @if let Some(job) = &line.job { " " code { (super::code::short(job.as_str())) } } }
                                }
                                time { (view.zone.stamp(line.at)) }
                            }
                        }
                    }
                }
                nav.pages aria-label="Pages" {
                    a href=(path) { "Back to " (name) }
                    @if before.0 != u64::MAX { a href=(format!("{path}/history")) { "Newest" } }
                    @if let Some(line) = next { a rel="next" href=(format!("{path}/history?before={}", line.id)) { "Older" } }
                }
            }
        },
    )
}

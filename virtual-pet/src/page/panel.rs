//! The right half: what happens behind the scenes. Every token, row, count and line stands for a job or an event of the store.

use lullaby::store::WorkerRecord;
use lullaby::{Job, Status, Timestamp};
use maud::{Markup, html};

use super::View;
use super::code::{self, Shown};
use super::icons::icon;
use super::when::{Zone, countdown};
use super::words::{Line, plain, task_words, worker_name};
use crate::game::{Agenda, AgendaEntry, By};
use crate::lab::Plug;
use crate::web::encoded;

/// The time line always has room for so many rows: it must not jump when a job leaves.
const ROWS: usize = 3;

/// Places in the queue's picture, and tokens in the pile.
const PLACES: usize = 5;

/// A worker that was not seen for so long is shown as not answering. It announces itself every 30 s.
const SILENT_MS: u128 = 75_000;

/// A job that is due for so long waits for a scheduler.
const UNMOVED_MS: u128 = 5000;

/// The whole panel; at its foot the door to the lab if there is one, or in the lab what one can break.
pub(super) fn panel(view: &View, has_lab: bool) -> Markup {
    html! {
        section #panel.panel aria-labelledby="panel-title" tabindex="-1" {
            div.panel-head {
                div {
                    h2 #panel-title { "Behind the scenes" }
                    span #fast-forward.chip hidden title="More happens at once than a picture can follow: tokens jump to where they stand." { (icon("skip")) "fast-forward" }
                    p.quiet { "Watch real jobs wait and run, live. " button #explain.explain type="button" hidden { "How it works" } }
                }
                (counters(&view.agenda))
            }
            p #lost.banner role="status" hidden { span {} button #retry.chip type="button" { "Try now" } }
            p #restarted.banner.good hidden { span {} button.chip type="button" { "Close" } }
            div.flow.card {
                (rows(view))
                div.links aria-hidden="true" {
                    span data-link="due" { (icon("down")) "when it is due" }
                    span data-link="retry" { (icon("up")) "failed? try again later" }
                    span data-link="every" { (icon("up")) "every hour, for ever" }
                }
                div.stations {
                    (queue(&view.agenda))
                    span.arrow { (icon("right")) }
                    (workers(view))
                    span.arrow { (icon("right")) }
                    (finished(view))
                }
            }
            div.cards {
                section.card aria-labelledby="code-title" {
                    div.card-head {
                        h3 #code-title { "The line that made it" }
                        fieldset.segments {
                            legend.unseen { "Language" }
                            label { input type="radio" name="language" value="rust" checked; span { "Rust" } }
                            label { input #python type="radio" name="language" value="python"; span { "Python" } }
                        }
                    }
                    (code(view))
                }
                section.card aria-labelledby="log-title" {
                    div.card-head {
                        h3 #log-title { "What just happened" }
                        @if view.lab.is_none() { a.see-all href=(format!("/pet/{}/history", encoded(view.pet.name.as_str()))) { "See all" } }
                    }
                    (log(&super::words::lines(&view.events, &view.reader()), view.zone, super::LOG_LINES))
                }
            }
            @match &view.lab {
                Some(look) => (super::lab::bench(view, look)),
                None if has_lab => (super::lab::door(view)),
                None => {}
            }
        }
    }
}

/// How many jobs of this pet stand where.
pub(super) fn counters(agenda: &Agenda) -> Markup {
    let counts = [
        ("scheduled", agenda.scheduled.len() as u64),
        ("queued", agenda.waiting),
        ("running", agenda.started.len() as u64),
        ("failed", agenda.failed.len() as u64),
    ];
    html! {
        ul #counters.counters {
            @for (word, count) in counts {
                li.chip data-status=[(count > 0).then_some(word)] { strong { (count) } " " (word) }
            }
        }
    }
}

/// What is wrong with the scheduler, as far as one can tell; in the lab one knows. Elsewhere a worker that answers is the sign that one runs, since
/// each brings its own, or a job that was moved lately, whoever moved it; and a job that is due for long that none does: ours are milliseconds late.
fn trouble_of_scheduler(view: &View) -> Option<&'static str> {
    let seen = match &view.lab {
        Some(look) => look.schedulers > 0,
        None => {
            view.workers.iter().any(|worker| answers(view, worker))
                || view.events.iter().any(|event| {
                    let was_moved = event.kind == "job.queued" && !event.data["due"].is_null();
                    was_moved && !is_long_ago(view, event.at)
                })
        }
    };
    let first = view.agenda.scheduled.first();
    let is_overdue =
        first.is_some_and(|entry| view.now.since(entry.due_at).as_millis() > UNMOVED_MS);
    match (seen, is_overdue) {
        (_, true) if view.lab.is_none() || seen => Some("Nobody is moving due jobs"),
        (false, _) => Some("No scheduler runs"),
        _ => None,
    }
}

/// The time line.
pub(super) fn rows(view: &View) -> Markup {
    let entries = &view.agenda.scheduled;
    let further = entries.len().saturating_sub(ROWS);
    let trouble = trouble_of_scheduler(view);
    let (health, means) = match trouble {
        Some(trouble) => ("none", trouble),
        None => ("seen", "A scheduler moves what is due"),
    };
    html! {
        div #rows.schedule {
            div.axis {
                h3 data-scheduler=(health) title=(means) { (icon("clock")) "Scheduled" }
                @if let Some(trouble) = trouble { p.unmoved { (trouble) } }
                div.marks aria-hidden="true" {
                    @for (class, word) in [("now", "now"), ("m1", "1 min"), ("m10", "10 min"), ("h1", "1 h"), ("h6", "6 h"), ("d1", "1 day")] {
                        span class=(class) { (word) }
                    }
                }
                p.further { @if further > 0 { (further) " more" } @else { time #wall-clock { (view.zone.time(view.now)) } } }
            }
            ol.rows {
                @for entry in entries.iter().take(ROWS) { (row(view, entry)) }
                @for empty in entries.len().min(ROWS)..ROWS {
                    li.row.ghost data-key=(format!("ghost-{empty}")) {
                        @if empty == entries.len() && !view.is_asleep() {
                            div.row-name { strong { "Wake up?" } code { "not scheduled" } }
                            div.track { span.token.empty {} span.invite { "Press Sleep to add one" } }
                        }
                    }
                }
            }
        }
    }
}

fn row(view: &View, entry: &AgendaEntry) -> Markup {
    let words = task_words(&entry.task);
    let left = entry.due_at.since(view.now);
    let when = view.zone.day_and_time(entry.due_at, view.now);
    let status = if entry.attempt > 1 {
        "retry"
    } else {
        "scheduled"
    };
    html! {
        li.row data-key=(format!("row-{}", entry.id)) data-row=(entry.task) {
            button.row-name type="button" data-select=(entry.id) {
                strong { (words.title) }
                code { (entry.task) "(\"" (view.pet.name) "\")" }
                span.unseen { ", " (status) ", " (when) }
            }
            div.track {
                span.fuse data-due=(entry.due_at.as_millis()) data-status=(status) {}
                span.token data-key=(entry.id) data-status=(status) data-due=(entry.due_at.as_millis()) {
                    (icon(words.icon))
                    @if entry.every.is_some() { span.badge { (icon("loop")) } }
                }
                @if entry.attempt > 1 { span.try-chip { "try " (entry.attempt) " of " (entry.tries) } }
            }
            div.row-time {
                strong.countdown role="timer" data-due=(entry.due_at.as_millis()) { (countdown(left)) }
                small { (when) }
            }
        }
    }
}

fn token(job: &Job, status: &str) -> Markup {
    let words = task_words(&job.template.task);
    html! {
        span.token data-key=(job.id) data-status=(status) title=(format!("{}: {}", words.title, job.status)) {
            @match job.template.meta.get("number") {
                Some(number) => span.numeral { (number) },
                None => (icon(words.icon)),
            }
        }
    }
}

fn of(agenda: &Agenda, status: Status) -> Vec<&Job> {
    let of = agenda.recent.iter().filter(|job| job.status == status);
    of.collect()
}

/// The queue: the next one stands at the right. More than five are drawn small, up to ten.
pub(super) fn queue(agenda: &Agenda) -> Markup {
    let is_crowded = agenda.waiting > PLACES as u64;
    let most = if is_crowded { 2 * PLACES } else { PLACES };
    let next: Vec<_> = agenda.queued.iter().take(most).collect();
    let further = agenda.waiting.saturating_sub(most as u64);
    html! {
        section #queue.station aria-label="Queue" {
            div.station-head { h3 { "Queue" } code { "default" } span.count { (agenda.waiting) " waiting" } }
            div.places data-crowded[is_crowded] {
                @for empty in next.len()..PLACES { span.token.empty data-key=(format!("place-{empty}")) {} }
                @for job in next.iter().rev() { (token(job, "queued")) }
            }
            p.quiet { @if further > 0 { "+" (further) " more" } @else { "First in, first out" } }
        }
    }
}

/// What a visitor of the lab did to this worker.
fn plug(view: &View, worker: &WorkerRecord) -> Option<Plug> {
    let benches = &view.lab.as_ref()?.benches;
    let bench = benches.iter().find(|bench| bench.name == worker.name)?;
    Some(bench.plug)
}

fn is_long_ago(view: &View, at: Timestamp) -> bool {
    view.now.since(at).as_millis() > SILENT_MS
}

fn answers(view: &View, worker: &WorkerRecord) -> bool {
    match plug(view, worker) {
        Some(plug) => plug == Plug::In,
        None => !is_long_ago(view, worker.seen_at),
    }
}

/// The workers, each a robot.
pub(super) fn workers(view: &View) -> Markup {
    let running: Vec<_> = view.agenda.started.iter().collect();
    let answering = view.workers.iter().filter(|worker| answers(view, worker));
    let answering = answering.count();
    html! {
        section #bots.station.workers aria-label="Workers" {
            div.station-head { h3 { "Workers" } span.count { (answering) " ready" } }
            @if view.workers.is_empty() {
                p.nobody { "No worker is running. Jobs wait safely in the queue. Start one: " code { "virtual-pet work" } }
            } @else {
                div.bots {
                    @for worker in view.workers.iter().take(2) {
                        @let theirs: Vec<_> = running.iter().filter(|job| job.worker.as_deref() == Some(&worker.name)).collect();
                        @let plug = plug(view, worker);
                        @let state = match plug {
                            Some(Plug::Pulled) => "lost",
                            None if !answers(view, worker) => "lost",
                            _ if !theirs.is_empty() => "busy",
                            Some(Plug::Paused) => "paused",
                            _ => "ready",
                        };
                        div.bot data-key=(format!("bot-{}", worker.name)) data-worker=(worker.name) data-state=(state) data-seen=(worker.seen_at.as_millis())
                            title=(format!("{}, last heartbeat at {}", worker.name, view.zone.time(worker.seen_at))) {
                            (robot())
                            div.tray { @for job in theirs.iter().take(3) { (token(job, "started")) } }
                            strong { (worker_name(&worker.name)) }
                            small {
                                @match (state, plug) {
                                    ("lost", Some(_)) => "unplugged",
                                    ("lost", None) => "not answering",
                                    ("busy", _) => (doing(&theirs)),
                                    (state, _) => (state),
                                }
                                @if view.lab.is_none() && state == "ready" { ", " (worker.concurrency) " hands" }
                            }
                        }
                    }
                }
                @if view.workers.len() > 2 { p.quiet { "and " (view.workers.len() - 2) " more" } }
            }
        }
    }
}

/// What a worker does: its job, or how many.
fn doing(jobs: &[&&Job]) -> String {
    match jobs {
        [job] => task_words(&job.template.task).title.to_owned(),
        jobs => format!("{} jobs", jobs.len()),
    }
}

pub(super) fn robot() -> Markup {
    maud::PreEscaped(
        r##"<svg class="robot" viewBox="0 0 60 64" aria-hidden="true"><path class="antenna" d="M30 12V6"/><circle class="lamp" cx="30" cy="5" r="4"/><rect class="skull" x="10" y="12" width="40" height="28" rx="10"/><rect class="screen" x="15" y="18" width="30" height="16" rx="6"/><path class="eye-flat" d="M21 26h6M33 26h6"/><path class="eye-happy" d="M20 28q4-6 8 0M32 28q4-6 8 0"/><path class="eye-lost" d="M21 23l5 6M26 23l-5 6M34 23l5 6M39 23l-5 6"/><path class="hands" d="M14 46L5 53M46 46l9 7"/><path class="chest" d="M15 43h30l-3 16q-.5 3-3 3H21q-2.500 0-3-3z"/></svg>"##.to_owned(),
    )
}

/// What is done, and what failed for good.
pub(super) fn finished(view: &View) -> Markup {
    let agenda = &view.agenda;
    let done = of(agenda, Status::Finished);
    let failed = &agenda.failed;
    html! {
        section #pile.station aria-label="Finished" {
            div.station-head { h3 { "Finished" } span.count { (view.today.words(view.now)) } }
            div.places.piled {
                @for job in done.iter().take(PLACES).rev() { (token(job, "finished")) }
                @for job in failed.iter().take(3) { (token(job, "failed")) }
            }
            @if !failed.is_empty() { (requeue(view)) }
            p.quiet {
                @if let Some(job) = failed.first() {
                    span.failed-word { "failed: " (job.error.as_deref().and_then(|error| error.lines().next()).unwrap_or("no reason given")) }
                } @else if let Some(job) = done.first() {
                    "last: " (job.result.as_deref().map(plain).unwrap_or_default())
                    @if let (Some(began), Some(ended)) = (job.started_at, job.ended_at) { ", " (ended.since(began).as_millis()) " ms" }
                } @else { "Nothing yet" }
            }
        }
    }
}

/// The button that puts what failed for good back into the queue: in the town it is the keeper's.
fn requeue(view: &View) -> Markup {
    let inside = html! { (icon("loop")) "Requeue" };
    html! {
        @if view.lab.is_some() { (super::lab::press("requeue", None, "chip", &inside)) }
        @else if view.standing == By::Keeper {
            form method="post" action=(format!("/pet/{}/requeue", encoded(view.pet.name.as_str()))) { button.chip { (inside) } }
        }
    }
}

/// The listings: the wake-up job first while there is one, then what is due next, then what ran. In the lab the job that was made last comes
/// before them.
pub(super) fn code(view: &View) -> Markup {
    let mut waiting: Vec<_> = view.agenda.scheduled.iter().collect();
    waiting.sort_by_key(|entry| (entry.task != "wake_pet", entry.due_at));
    let mut jobs: Vec<Shown> = waiting
        .into_iter()
        .take(ROWS)
        .map(|entry| Shown {
            id: entry.id.clone(),
            task: entry.task.clone(),
            status: Status::Scheduled,
            due: Some(view.zone.time(entry.due_at)),
        })
        .collect();
    let ran = view.agenda.recent.iter().take(6).map(|job| Shown {
        id: job.id.to_string(),
        task: job.template.task.clone(),
        status: job.status,
        due: job.due_at.map(|due| view.zone.time(due)),
    });
    jobs.extend(ran);
    let newest = view.agenda.recent.iter().max_by_key(|job| job.created_at);
    let newest =
        newest.filter(|job| view.lab.is_some() && crate::lab::is_of_the_lab(&job.template.task));
    if let Some(at) =
        newest.and_then(|newest| jobs.iter().position(|job| job.id == newest.id.as_str()))
    {
        jobs[..=at].rotate_right(1);
    }
    code::card(&view.pet, &jobs)
}

/// What just happened, the newest first.
pub(super) fn log(lines: &[Line], zone: Zone, most: usize) -> Markup {
    html! {
        ol #log.log {
            @for line in lines.iter().rev().take(most) {
                li data-key=(format!("log-{}", line.id)) data-job=[line.job.as_ref()] {
                    span.mark data-status=(line.tone) { (icon(line.icon)) }
                    span.told {
                        @if let Some(job) = &line.job { button.line type="button" data-select=(job) { (line.title) } }
                        @else { span { (line.title) } }
                        small { (line.detail) }
                    }
                    time { (zone.time(line.at)) }
                }
            }
        }
    }
}

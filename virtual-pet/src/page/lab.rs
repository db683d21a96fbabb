//! What only the lab has: the way in, the clock, the lessons, what one can break, and three schedules after a day without a scheduler.

use lullaby::Timestamp;
use lullaby::event::Event;
use lullaby::schedule::{LedgerLine, Verdict};
use maud::{Markup, html};

use super::View;
use super::code;
use super::icons::icon;
use super::layout::{self, Frame, Shell};
use super::panel::robot;
use super::rig::{self, Looks};
use super::when::countdown;
use super::words::task_words;
use crate::lab::{Fact, Lesson, Look, Plug, Policy};
use crate::pet::{Colour, Mood, Pet, Species, Stage, in_words};

/// Lines of a ledger that are shown.
const LINES: usize = 3;

/// The sections that only the lab has, by id.
pub(super) fn sections(view: &View, look: &Look) -> Vec<(&'static str, Markup)> {
    vec![
        ("world-clock", clock(view, look)),
        ("lesson", lesson(view, look)),
        ("bench", bench(view, look)),
    ]
}

/// The clock and the lesson that is open: what stands above the panel.
pub(super) fn guide(view: &View, look: &Look) -> Markup {
    html! {
        (clock(view, look))
        (lesson(view, look))
    }
}

/// A button that does one thing in the lab.
pub(super) fn press(path: &str, value: Option<&str>, class: &str, inside: &Markup) -> Markup {
    html! {
        form method="post" action=(format!("/lab/{path}")) data-deed=(path) {
            button class=(class) name=[value.map(|_| "value")] value=[value] { (inside) }
        }
    }
}

/// The world's clock, and what turns it.
fn clock(view: &View, look: &Look) -> Markup {
    let next = view.agenda.scheduled.first();
    html! {
        section #world-clock.world-clock.card aria-label="The clock of your world" {
            p.world-time {
                (icon("flask"))
                span { "Your own world" small { "Nobody else sees it. Break what you like." } }
            }
            form.segments.speeds method="post" action="/lab/speed" data-deed="speed" aria-label="Speed of the clock" {
                @for (speed, means) in [(1, "as outside"), (60, "a second is a minute"), (600, "a second is ten minutes")] {
                    button name="value" value=(speed) aria-pressed=(if look.speed == speed { "true" } else { "false" }) title=(means) {
                        (speed) "x" span.unseen { ": " (means) }
                    }
                }
            }
            (press("skip", None, "chip skip-on", &html! {
                (icon("skip"))
                @if look.skipping { "Time flies…" }
                @else {
                    "Skip" span.more { " to the next job" }
                    @if let Some(next) = next {
                        small { (task_words(&next.task).title) " " span.countdown role="timer" data-due=(next.due_at.as_millis()) { (countdown(next.due_at.since(view.now))) } }
                    }
                }
            }))
            form method="post" action="/lab/leave" { button.chip.leave { (icon("cross")) span { "Leave" } } }
        }
    }
}

fn title(lesson: Lesson) -> &'static str {
    match lesson {
        Lesson::Now => "Run a job now",
        Lesson::Later => "Run a job later",
        Lesson::EveryHour => "Run a job every hour",
        Lesson::Retry => "Fail and try again",
        Lesson::Crash => "Survive a crash",
        Lesson::CatchUp => "Catch up",
    }
}

/// What it is about, in two sentences.
fn about(lesson: Lesson, name: &str) -> String {
    match lesson {
        Lesson::Now => "A job is a call that somebody else makes for you. You put it into the queue and go on; a worker takes it out and runs it.".to_owned(),
        Lesson::Later => format!("A job can wait for its time. Put {name} to sleep: a job that wakes it goes onto the schedule, and the scheduler moves it into the queue when it is due."),
        Lesson::EveryHour => format!("A schedule makes a new job for each of its slots, for ever. Each hour one of them makes {name} a bit hungrier."),
        Lesson::Retry => "Jobs fail: a network is down, a disk is full. One that may be tried again goes back onto the schedule and waits longer each time.".to_owned(),
        Lesson::Crash => "A worker that takes a job holds it on a lease of 5 s and keeps renewing it. Pull its plug in the middle of a job: nobody renews, and the other worker takes over.".to_owned(),
        Lesson::CatchUp => "While no scheduler runs, slots pass. What is made up for afterwards is for each schedule to say: one run for all, each of them, or none.".to_owned(),
    }
}

fn goal(lesson: Lesson, name: &str) -> String {
    match lesson {
        Lesson::Now => "a worker finishes your job.".to_owned(),
        Lesson::Later => format!("a job wakes {name} 20 minutes later. Turn the clock, or skip."),
        Lesson::EveryHour => {
            "see two hours make two jobs. Turn the clock to 600x, or skip.".to_owned()
        }
        Lesson::Retry => "a job fails twice, and works on its third try.".to_owned(),
        Lesson::Crash => "a job loses its worker, and is finished by the other one.".to_owned(),
        Lesson::CatchUp => {
            "stop the scheduler for a day, start it, and compare three schedules.".to_owned()
        }
    }
}

/// The task whose line is shown, and what stands below it in Rust and in Python.
fn line(lesson: Lesson) -> (&'static str, [&'static str; 2]) {
    match lesson {
        Lesson::Now => ("say_hello", ["done: the job is in the queue", "RQ"]),
        Lesson::Later => ("wake_pet", ["due in 20 minutes", "RQ; due in 20 minutes"]),
        Lesson::EveryHour => (
            "increase_hunger",
            ["for ever, and never a drift", "RQ Scheduler"],
        ),
        Lesson::Retry => ("wobble", ["tries again after 5, 10 and 20 s", "RQ"]),
        Lesson::Crash => (
            "long_job",
            [
                "that is all: a lost job runs again",
                "RQ: without a retry a lost job is failed",
            ],
        ),
        Lesson::CatchUp => (
            "chime",
            [
                "or All { cap: 100 }, or Skip",
                "RQ Scheduler: one late run, and on from there",
            ],
        ),
    }
}

/// The button that does the lesson's next step. Once its goal is reached the way on is the larger one.
fn begin(lesson: Lesson, view: &View, look: &Look) -> Markup {
    let is_done = look.progress.fact(lesson).is_some();
    let class = if is_done { "chip again" } else { "primary" };
    let step = |path, value, words: &str| press(path, value, class, &html! { (words) });
    match lesson {
        Lesson::Now => step("hello", None, "Send a job"),
        Lesson::Later if view.pet.is_asleep() => step("skip", None, "Skip to the wake-up job"),
        Lesson::Later => html! {
            form method="post" action="/lab/pet/sleep" data-deed="sleep" { button class=(class) { "Put " (view.pet.name) " to sleep" } }
        },
        Lesson::EveryHour => step("skip", None, "Skip to the next job"),
        Lesson::Retry => step("wobble", None, "Send a wobbly job"),
        Lesson::Crash if any(look, Plug::Pulled) => html! {
            @if !is_done { p.wait { "Nobody renews the lease. Wait for it to run out…" } }
            (press("plug-in", None, "chip again", &html! { "Plug it in again" }))
        },
        Lesson::Crash => step("unplug", None, "Send a job and pull the plug"),
        Lesson::CatchUp if look.away => step("schedulers", Some("1"), "Start the scheduler"),
        Lesson::CatchUp => step("outage", None, "Stop the scheduler for a day"),
    }
}

fn any(look: &Look, plug: Plug) -> bool {
    look.benches.iter().any(|bench| bench.plug == plug)
}

/// The lesson that is open, and the way to the others.
fn lesson(view: &View, look: &Look) -> Markup {
    let progress = &look.progress;
    let open = progress.open;
    let name = view.pet.name.as_str();
    let (task, below) = line(open);
    let next = Lesson::ALL.get(open.number()).copied();
    let fact = progress.fact(open);
    html! {
        section #lesson.lesson.card aria-labelledby="lesson-title" {
            div.lesson-head {
                p.quiet { "Six lessons, " (progress.count()) " done" }
                ol.lesson-steps {
                    @for one in Lesson::ALL {
                        @let done = progress.fact(one).is_some();
                        li {
                            form method="post" action="/lab/lesson" data-deed="lesson" {
                                button.lesson-step name="value" value=(one.number()) data-done[done] aria-current=[(one == open).then_some("step")] {
                                    @if done { (icon("check")) } @else { (one.number()) }
                                    span.unseen { "Lesson " (one.number()) ": " (title(one)) @if done { ", done" } }
                                }
                            }
                        }
                    }
                }
            }
            div.lesson-body {
                div.lesson-words {
                    h2 #lesson-title tabindex="-1" { (open.number()) ". " (title(open)) }
                    p { (about(open, name)) }
                    p.goal data-done[fact.is_some()] {
                        span.goal-mark { (icon(if fact.is_some() { "check" } else { "flag" })) }
                        span { strong { "Goal: " } (goal(open, name)) }
                    }
                    div.lesson-buttons {
                        (begin(open, view, look))
                        @if let (Some(next), true) = (next, fact.is_some()) {
                            form method="post" action="/lab/lesson" data-deed="lesson" {
                                button.primary.next-lesson name="value" value=(next.number()) { "Next: " (title(next)) (icon("right")) }
                            }
                        }
                    }
                }
                div.lesson-side {
                    (code::sample(&view.pet, task, below))
                    @if let Some(fact) = fact {
                        p.happened { strong { "You did it. " } (happened(view, fact)) }
                    }
                    @if next.is_none() && progress.count() == Lesson::ALL.len() {
                        p.happened { strong { "That was all of it. " } "You have seen what a job queue is for. Now break what you like." }
                    }
                }
            }
        }
    }
}

/// What a screen reader says of a goal that was reached.
pub(super) fn said(view: &View, event: &Event) -> Option<String> {
    let number = usize::try_from(event.data["lesson"].as_u64()?).ok()?;
    let lesson = Lesson::ALL.get(number.checked_sub(1)?)?;
    let fact = view.lab.as_ref()?.progress.fact(*lesson)?;
    Some(format!("Lesson {number} done. {}", happened(view, fact)))
}

/// What just happened, in words.
fn happened(view: &View, fact: &Fact) -> String {
    let time = |at: Timestamp| view.zone.time(at);
    match fact {
        Fact::Ran {
            worker,
            waited,
            took,
        } => format!(
            "The job waited {} ms in the queue; {worker} took it and was done {} ms later. You did not have to wait for any of it.",
            waited.as_millis(),
            took.as_millis()
        ),
        Fact::RanLater {
            scheduled,
            due,
            queued,
        } => format!(
            "Scheduled at {}, due at {}, in the queue {} ms after that. Not a moment early, and no process had to stay awake for it.",
            time(*scheduled),
            time(*due),
            queued.since(*due).as_millis()
        ),
        Fact::Recurred { first, second } => format!(
            "One slot at {}, the next at {}: exactly {} apart, a job of its own each.",
            time(*first),
            time(*second),
            in_words(second.since(*first))
        ),
        Fact::Retried { pauses } => {
            let pauses: Vec<_> = pauses.iter().map(|pause| in_words(*pause)).collect();
            format!(
                "It failed {} times, waited {}, and worked on try {}. It never counted as failed.",
                pauses.len(),
                pauses.join(" and then "),
                pauses.len() + 1
            )
        }
        Fact::Rescued { lost, by, after } => format!(
            "{lost} went silent. {} after it had begun, its lease was over and the job back at the front of the queue; {by} finished it. The job ran twice, and ended once.",
            in_words(*after)
        ),
        Fact::CaughtUp {
            slots,
            latest,
            all,
            skip,
        } => format!(
            "Each schedule had {slots} slots without a scheduler. Latest made {}, All made {}, Skip made {}. No slot was forgotten: the ledgers below name each of them.",
            runs(*latest),
            runs(*all),
            runs(*skip)
        ),
    }
}

fn runs(count: u64) -> String {
    match count {
        0 => "no run".to_owned(),
        1 => "one run".to_owned(),
        count => format!("{count} runs"),
    }
}

/// What one can break.
pub(super) fn bench(view: &View, look: &Look) -> Markup {
    let button = |path: &str, value: Option<&str>, picture: &str, verb: &str, see: &str| {
        press(
            path,
            value,
            "experiment",
            &html! {
                (icon(picture)) span { strong { (verb) } small { (see) } }
            },
        )
    };
    html! {
        section #bench.bench.card aria-labelledby="bench-title" {
            h3 #bench-title { "Try to break it" }
            div.experiments {
                (button("wobble", None, "bug", "Fail a job", "see it retry"))
                (button("broken", None, "cross", "Fail for good", "see it give up"))
                @if any(look, Plug::Pulled) { (button("plug-in", None, "plug", "Plug it in", "see it work again")) }
                @else { (button("unplug", None, "plug", "Unplug a worker", "see the rescue")) }
                @if any(look, Plug::Paused) { (button("resume", None, "right", "Start workers", "see them catch up")) }
                @else { (button("pause", None, "pause", "Pause workers", "see jobs queue")) }
                (button("five", None, "five", "Send 5 jobs", "see the order"))
                (button("long", None, "hourglass", "Send a long job", "3 seconds"))
                @if look.schedulers == 0 { (button("schedulers", Some("1"), "clock", "Start scheduler", "see it catch up")) }
                @else { (button("outage", None, "clock", "Stop scheduler", "for a whole day")) }
                @if look.schedulers == 2 { (button("schedulers", Some("1"), "clock", "Back to one", "stop the second")) }
                @else { (button("schedulers", Some("2"), "clock", "Two schedulers", "nothing doubles")) }
            }
            @if let Some(twins) = look.twins {
                p.twins {
                    strong { "Two schedulers run. " }
                    "Since " (view.zone.time(twins.since)) " " (twins.slots) " slots came due, and " (twins.jobs) " jobs were made for them."
                    @if twins.slots > 0 && twins.slots as u64 == twins.jobs { " Nothing doubled." }
                }
            }
            @if !look.chimes.is_empty() { (chimes(view, look)) }
        }
    }
}

/// The three schedules, side by side.
fn chimes(view: &View, look: &Look) -> Markup {
    html! {
        div.chimes {
            @for chime in &look.chimes {
                section.chime data-policy=(chime.policy.as_str()) aria-label=(format!("The schedule with the policy {}", chime.policy.as_str())) {
                    h4 { (icon("bell")) code { "Missed::" (chime.policy.as_str()) } }
                    p.quiet { (means(chime.policy)) }
                    p.chime-count data-ran=(chime.ran()) data-slots=(chime.record.slots) {
                        @if chime.record.slots == 0 { "No slot yet" }
                        @else { strong { (runs(chime.ran())) } " for " (chime.record.slots) " slots" }
                    }
                    ul.ledger {
                        @for line in chime.ledger.iter().take(LINES) { li { (verdict(view, line)) } }
                    }
                }
            }
        }
        @if look.away { p.twins { "Nobody moves what is due. Start the scheduler and see what each of the three makes of it." } }
    }
}

fn means(policy: Policy) -> &'static str {
    match policy {
        Policy::Latest => "One run for all that was missed.",
        Policy::All => "Each missed slot gets its run.",
        Policy::Skip => "What was missed is left out.",
    }
}

/// A line of a ledger, in words.
fn verdict(view: &View, line: &LedgerLine) -> String {
    let time = |at: Timestamp| {
        let time = view.zone.time(at);
        time.get(..5).unwrap_or(&time).to_owned()
    };
    let slots = match line.slots {
        0 | 1 => time(line.last),
        count => format!("{count} slots up to {}", time(line.last)),
    };
    match &line.verdict {
        Verdict::Fired { .. } => {
            let late = line.decided_at.since(line.last);
            match (line.slots > 1, late.as_secs() > 0) {
                (true, true) => format!(
                    "{slots}: a run each, made up for at {}",
                    time(line.decided_at)
                ),
                // The last was on time; of those before it the line knows no more than that each had its run.
                (true, false) => format!("{slots}: a run each"),
                (false, true) => format!("{slots}: ran, {} late", in_words(late)),
                (false, false) => format!("{slots}: ran on time"),
            }
        }
        Verdict::Coalesced { into } => {
            format!("{slots}: the run of {} stands for them", time(*into))
        }
        Verdict::Missed => format!("{slots}: left out"),
        Verdict::Paused => format!("{slots}: paused"),
        _ => format!("{slots}: waited for a run before"),
    }
}

/// The door to the lab, on a pet's own page.
pub(super) fn door(view: &View) -> Markup {
    html! {
        section.door.card aria-labelledby="door-title" {
            div {
                h3 #door-title { (icon("flask")) "Try to break it" }
                p.quiet { "Turn the clock, fail jobs, unplug workers: in a world of your own." }
            }
            (way_in(&view.pet, "chip", &html! { "Take " (view.pet.name) " to the lab" (icon("right")) }))
        }
    }
}

/// A button that copies a pet into a new world.
fn way_in(pet: &Pet, class: &str, inside: &Markup) -> Markup {
    html! {
        form method="post" action="/lab" {
            input type="hidden" name="pet" value=(pet.name);
            button class=(class) { (inside) }
        }
    }
}

/// The way in, for visitors without a world.
pub(crate) fn entrance(pets: &[Pet], shell: Shell) -> Markup {
    let frame = Frame {
        title: "The lab",
        shell,
        pets,
        lab: true,
        ..Frame::default()
    };
    let lent = Looks {
        species: Species::Cat,
        colour: Colour::Peach,
        stage: Stage::Kid,
        mood: Mood::Happy,
    };
    let looks = pets.last().map_or(lent, |pet| Looks {
        species: pet.species,
        colour: pet.colour,
        stage: pet.stage(),
        mood: Mood::Happy,
    });
    layout::page(
        &frame,
        &html! {
            main #main.entrance.card {
                div.crew { (robot()) (rig::pet(looks, None)) (robot()) }
                div {
                    h1 { "The lab" }
                    p.lead { "A world of your own, with a clock that you turn, two workers that you may unplug, and a scheduler that you may stop. Whatever you break in it, no pet comes to harm: yours stays at home, and a copy comes along." }
                    ol.syllabus { @for lesson in Lesson::ALL { li { (title(lesson)) } } }
                    @if let [pet] = pets { (way_in(pet, "primary", &html! { "Take " (pet.name) " to the lab" })) }
                    @else if !pets.is_empty() {
                        h2 { "Who comes along?" }
                        ul.companions { @for pet in pets {
                            li { (way_in(pet, "companion", &html! {
                                (rig::head(Looks::of(pet)))
                                span { span.unseen { "Take " } (pet.name) span.unseen { " to the lab" } }
                            })) }
                        } }
                    }
                    @if pets.is_empty() {
                        form method="post" action="/lab" { button.primary { "Borrow a cat and go in" } }
                    }
                    p.quiet { "The world is thrown away after half an hour without a press." }
                }
            }
        },
    )
}

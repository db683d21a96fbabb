//! The line that made a job, in Rust and in Python, with the values of this very job.
//!
//! The Rust text is a file under `calls/` that a test below compiles and runs, so it cannot rot; words in capitals stand for values.

use std::time::Duration;

use maud::{Markup, html};

use super::words::task_words;
use crate::pet::Pet;

/// A job to show: waiting, running or ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Shown {
    /// Its id.
    pub(crate) id: String,
    /// Its task.
    pub(crate) task: String,
    /// Where it stands, in RQ's word.
    pub(crate) status: lullaby::Status,
    /// When it is or was due, for people.
    pub(crate) due: Option<String>,
}

/// The card's content: one listing a job. The page shows the first, or the one that was chosen.
pub(crate) fn card(pet: &Pet, jobs: &[Shown]) -> Markup {
    html! {
        div #code.listings {
            @if jobs.is_empty() {
                p.quiet { "Nothing is scheduled. Press Sleep." }
            }
            @for (index, job) in jobs.iter().enumerate() {
                div.listing data-listing=(job.id) data-key=(format!("code-{}", job.id)) data-first[index == 0] {
                    div.code tabindex="0" role="group" aria-label=(format!("The code that scheduled: {}", task_words(&job.task).title)) {
                        pre.rust { (listing(rust(pet, &job.task).as_str(), &comments(pet, job, "//"))) }
                        pre.python { (listing(python(pet, &job.task).as_str(), &comments(pet, job, "#"))) }
                    }
                    p.job-line {
                        span { "job " } code { (short(&job.id)) }
                        span.chip data-status=(job.status) { (job.status) }
                    }
                }
            }
        }
    }
}

/// The listing of a lesson: the call that makes such a job, in both languages, with a comment below each.
pub(super) fn sample(pet: &Pet, task: &str, below: [&str; 2]) -> Markup {
    let comments = |mark: &str, text: &str| [String::new(), format!("{mark} {text}")];
    html! {
        div.code tabindex="0" role="group" aria-label="The line that does it" {
            pre.rust { (listing(rust(pet, task).as_str(), &comments("//", below[0]))) }
            pre.python { (listing(python(pet, task).as_str(), &comments("#", below[1]))) }
        }
    }
}

/// The end of an id, where ids that were made together differ.
pub(crate) fn short(id: &str) -> &str {
    id.char_indices()
        .rev()
        .nth(7)
        .map_or(id, |(at, _)| &id[at..])
}

fn comments(pet: &Pet, job: &Shown, mark: &str) -> [String; 2] {
    let cause = match job.task.as_str() {
        "wake_pet" => format!("POST /put_pet_to_sleep/{}", pet.name),
        "say_hello" | "wobble" | "broken" | "long_job" | "small_job" => {
            "you pressed a button of the lab".to_owned()
        }
        "chime" => "you stopped the scheduler for a day".to_owned(),
        _ => format!("when {} was adopted", pet.name),
    };
    let due = match (&job.due, job.task.as_str()) {
        (Some(due), "increase_hunger" | "chime") => format!("again and again; this one {due}"),
        (Some(due), _) => format!("due {due} on queue \"default\""),
        (None, _) => "on queue \"default\"".to_owned(),
    };
    [format!("{mark} {cause}"), format!("{mark} {due}")]
}

fn rust(pet: &Pet, task: &str) -> String {
    let (call, result) = match task {
        "increase_hunger" => (include_str!("calls/increase_hunger.rs"), "tick"),
        "wake_pet" => (include_str!("calls/wake_pet.rs"), "job"),
        "hatch_egg" => (include_str!("calls/hatch_egg.rs"), "job"),
        "grow_up" => (include_str!("calls/grow_up.rs"), "job"),
        "say_hello" => (include_str!("calls/say_hello.rs"), "job"),
        "wobble" => (include_str!("calls/wobble.rs"), "job"),
        "broken" => (include_str!("calls/broken.rs"), "job"),
        "long_job" => (include_str!("calls/long_job.rs"), "job"),
        "small_job" => return include_str!("calls/small_job.rs").trim_end().to_owned(),
        "chime" => (include_str!("calls/chime.rs"), "chime"),
        _ => return String::new(),
    };
    let name = format!("{:?}", pet.name.as_str());
    let schedule = match task {
        "chime" => "chime".to_owned(),
        _ => format!("hunger of {}", pet.name),
    };
    let filled = call
        .replace("NAME", &format!("{schedule:?}"))
        .replace("RETRY", "retry")
        .replace("MISSED", "Missed::Latest")
        .replace("PET", &name)
        .replace("HOUR", &rust_span(pet.hunger_every))
        .replace("NAP", &rust_span(pet.nap_length))
        .replace("EGG", &rust_span(crate::pet::EGG))
        .replace("COUNT", &pet.naps.to_string())
        .replace("BIRTHDAY", "birthday")
        .replace("STAGE", "Stage::Kid");
    let before = if call.contains("RETRY") {
        "let pauses = [5, 10, 20]\n    .map(Duration::from_secs);\nlet retry = Retry::intervals(3, pauses);\n"
    } else {
        ""
    };
    format!("{before}let {result} = {};", filled.trim_end())
}

fn python(pet: &Pet, task: &str) -> String {
    let name = format!("{:?}", pet.name.as_str());
    let seconds = |span: Duration| span.as_secs_f64().to_string();
    match task {
        "increase_hunger" => format!(
            "scheduler.schedule(\n    scheduled_time=datetime.utcnow(),\n    func=increase_hunger, args=({name},),\n    interval={}, repeat=None,\n)",
            seconds(pet.hunger_every)
        ),
        "wake_pet" => format!(
            "queue.enqueue_in(\n    timedelta(seconds={}),\n    wake_pet,\n    {name},\n)",
            seconds(pet.nap_length)
        ),
        "hatch_egg" => format!(
            "queue.enqueue_in(\n    timedelta(seconds={}),\n    hatch_egg,\n    {name},\n)",
            seconds(crate::pet::EGG)
        ),
        "say_hello" => format!("queue.enqueue(say_hello, {name})"),
        "wobble" => {
            "queue.enqueue(\n    wobble, 2,\n    retry=Retry(\n        max=3, interval=[5, 10, 20]),\n)".to_owned()
        }
        "broken" => format!(
            "queue.enqueue(\n    broken, {name},\n    retry=Retry(\n        max=3, interval=[5, 10, 20]),\n)"
        ),
        "long_job" => "queue.enqueue(\n    long_job,\n    3,\n    retry=Retry(max=1),\n)".to_owned(),
        "small_job" => {
            "for number in range(1, 6):\n    queue.enqueue(small_job, number)".to_owned()
        }
        "chime" => "scheduler.schedule(\n    scheduled_time=datetime.utcnow(),\n    func=chime,\n    interval=3600, repeat=None,\n)".to_owned(),
        "grow_up" => format!("queue.enqueue_at(\n    birthday,\n    grow_up,\n    {name},\n)"),
        _ => String::new(),
    }
}

fn rust_span(span: Duration) -> String {
    match span.as_millis() {
        ms if ms % 1000 != 0 => format!("Duration::from_millis({ms})"),
        ms => format!("Duration::from_secs({})", ms / 1000),
    }
}

/// Code between two comments, its words coloured.
fn listing(code: &str, [above, below]: &[String; 2]) -> Markup {
    html! {
        code {
            @if !above.is_empty() { span.comment { (above) } "\n" }
            @for (class, text) in coloured(code) {
                @match class {
                    Some(class) => span class=(class) { (text) },
                    None => (text),
                }
            }
            "\n" span.comment { (below) }
        }
    }
}

/// Cuts code into words with their colour: enough for lines as short as ours.
fn coloured(code: &str) -> Vec<(Option<&'static str>, &str)> {
    let mut pieces = Vec::new();
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
        let length = match first {
            '"' => string_length(rest),
            letter if is_word(letter) => rest.find(|letter| !is_word(letter)).unwrap_or(rest.len()),
            _ => rest
                .find(|letter| is_word(letter) || letter == '"')
                .unwrap_or(rest.len()),
        };
        let (piece, after) = rest.split_at(length);
        let class = match piece {
            "let" | "await" | "None" | "for" | "in" => Some("keyword"),
            _ if first == '"' => Some("string"),
            _ if first.is_ascii_digit() => Some("number"),
            _ if first.is_uppercase() => Some("type"),
            _ if first.is_alphabetic() && after.starts_with('(') => Some("fn"),
            _ => None,
        };
        pieces.push((class, piece));
        rest = after;
    }
    pieces
}

/// How long the string literal at the start of `text` is, in bytes.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            '"' if !escaped => return at + 1,
            '\\' if !escaped => escaped = true,
            _ => escaped = false,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lullaby::{Lullaby, Missed, NewJob, Retry, Timestamp};

    use super::{coloured, short};
    use crate::lab::tasks::{Broken, Chime, LongJob, SayHello, SmallJob, Wobble};
    use crate::pet::{PetId, Stage};
    use crate::tasks::{GrowUp, HatchEgg, IncreaseHunger, WakePet};

    /// The listings are code that compiles and runs.
    #[expect(
        non_snake_case,
        reason = "words in capitals stand for values in the listings"
    )]
    #[tokio::test]
    async fn the_listings_run() -> lullaby::Result<()> {
        let lullaby = Lullaby::open("memory:").await?;
        let queue = lullaby.queue("default")?;
        let scheduler = lullaby.scheduler();
        let [NAME, COUNT] = ["hunger of Mochi", "1"];
        let COUNT: u64 = COUNT.parse().expect("a number");
        let BIRTHDAY = lullaby.now() + Duration::from_secs(60);
        let [HOUR, NAP, EGG] = [3600, 1200, 8].map(Duration::from_secs);
        let STAGE = Stage::Kid;
        let PET = || PetId::from_text("mochi");
        {
            let PET = PET();
            let _ = include!("calls/increase_hunger.rs");
        }
        {
            let PET = PET();
            let _ = include!("calls/wake_pet.rs");
        }
        {
            let PET = PET();
            let _ = include!("calls/hatch_egg.rs");
        }
        {
            let PET = PET();
            let _ = include!("calls/grow_up.rs");
        }
        let RETRY = || Retry::intervals(3, [5, 10, 20].map(Duration::from_secs));
        {
            let PET = PET();
            let _ = include!("calls/say_hello.rs");
        }
        {
            let RETRY = RETRY();
            let _ = include!("calls/wobble.rs");
        }
        {
            let (PET, RETRY) = (PET(), RETRY());
            let _ = include!("calls/broken.rs");
        }
        {
            let _ = include!("calls/long_job.rs");
        }
        include!("calls/small_job.rs");
        {
            let (NAME, policy, MISSED) = ("chime", "Latest".to_owned(), Missed::Latest);
            let _ = include!("calls/chime.rs");
        }
        let filter = lullaby::store::JobFilter::default();
        let jobs = lullaby.store().list_jobs(&filter).await?;
        let mut tasks: Vec<_> = jobs.iter().map(|job| job.template.task.as_str()).collect();
        tasks.sort_unstable();
        tasks.dedup();
        assert_eq!(
            tasks,
            [
                "broken",
                "grow_up",
                "hatch_egg",
                "long_job",
                "say_hello",
                "small_job",
                "wake_pet",
                "wobble"
            ]
        );
        assert!(scheduler.contains("chime").await?);
        assert!(scheduler.contains(NAME).await?);
        assert!(BIRTHDAY > Timestamp::from_millis(0));
        Ok(())
    }

    #[test]
    fn colouring_changes_no_letter() {
        let code = "let job = queue\n    .enqueue_in(\"a \\\" b\", 20);";
        let pieces = coloured(code);
        let text: String = pieces.iter().map(|(_, text)| *text).collect();
        assert_eq!(text, code);
        assert!(pieces.contains(&(Some("fn"), "enqueue_in")));
        assert!(pieces.contains(&(Some("string"), "\"a \\\" b\"")));
    }

    #[test]
    fn ids_are_cut_to_their_last_eight_letters() {
        assert_eq!(short("0123456789"), "23456789");
        assert_eq!(short("abc"), "abc");
    }
}

//! One line of a table. A part prints its figures as JSON, and the program that started it makes tables of them.

use serde::{Deserialize, Serialize};

/// What was measured, and what came out.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub(crate) struct Figure {
    pub(crate) what: String,
    pub(crate) result: String,
    /// What the Redis server spent on it.
    pub(crate) spent: Option<PerJob>,
}

/// The Redis server's work for one job.
#[derive(Serialize, Deserialize, Clone, Copy, Debug)]
pub(crate) struct PerJob {
    /// Microseconds of its processor time.
    pub(crate) cpu_us: f64,
    /// Commands, those that scripts call included.
    pub(crate) commands: f64,
}

impl Figure {
    pub(crate) fn new(what: impl Into<String>, result: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            result: result.into(),
            spent: None,
        }
    }

    pub(crate) fn spent(mut self, spent: Option<PerJob>) -> Self {
        self.spent = spent;
        self
    }

    /// Hands it to the program that started this part.
    pub(crate) fn print(&self) -> anyhow::Result<()> {
        println!("{}", serde_json::to_string(self)?);
        Ok(())
    }
}

/// The table of one store.
pub(crate) fn print_table(figures: &[Figure]) {
    println!("| measured | result |\n|---|---|");
    for figure in figures {
        println!("| {} | {} |", figure.what, figure.result);
    }
}

/// The same measurements under two modes side by side; what the server spent is of the first.
pub(crate) fn print_pairs(modes: [&str; 2], [left, right]: [&[Figure]; 2]) {
    let [first, second] = modes;
    println!(
        "| measured | {first} | {second} | Redis µs/job | commands/job |\n|---|---|---|---|---|"
    );
    let row = |what: &str, [left, right]: [&str; 2], spent: Option<PerJob>| {
        let [cpu, commands] = spent.map_or_else(Default::default, |spent| {
            [spent.cpu_us, spent.commands].map(|number| format!("{number:.1}"))
        });
        println!("| {what} | {left} | {right} | {cpu} | {commands} |");
    };
    for figure in left {
        let other = right.iter().find(|other| other.what == figure.what);
        let other = other.map_or("", |other| &other.result);
        row(&figure.what, [&figure.result, other], figure.spent);
    }
    // What failed in the first mode only.
    for figure in right {
        if !left.iter().any(|other| other.what == figure.what) {
            row(&figure.what, ["", &figure.result], None);
        }
    }
}

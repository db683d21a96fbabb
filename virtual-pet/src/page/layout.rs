//! What every page has: head, header, the pets of this browser.

use maud::{DOCTYPE, Markup, html};

use super::icons::{icon, sheet};
use super::rig::{Looks, head};
use crate::pet::{Mood, Pet};
use crate::web::assets;
use crate::web::encoded;

/// Light or dark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Theme {
    /// As the system says.
    #[default]
    System,
    Light,
    Dark,
}

impl Theme {
    /// From the cookie's text.
    pub(crate) fn read(text: &str) -> Self {
        match text {
            "light" => Self::Light,
            "dark" => Self::Dark,
            _ => Self::System,
        }
    }

    fn as_str(self) -> Option<&'static str> {
        match self {
            Self::System => None,
            Self::Light => Some("light"),
            Self::Dark => Some("dark"),
        }
    }
}

/// What all pages of one visitor are put into.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Shell {
    pub(crate) theme: Theme,
    /// Whether this server has a lab.
    pub(crate) has_lab: bool,
}

/// What a page says of itself.
#[derive(Debug, Default)]
pub(crate) struct Frame<'a> {
    pub(crate) title: &'a str,
    pub(crate) shell: Shell,
    pub(crate) pets: &'a [Pet],
    pub(crate) current: Option<&'a Pet>,
    /// This server's address, for what must name it in full: a link's picture.
    pub(crate) origin: Option<&'a str>,
    /// Is in the lab.
    pub(crate) lab: bool,
    /// Has a stream, and the buttons of a player.
    pub(crate) live: bool,
}

/// The whole document.
pub(crate) fn page(frame: &Frame<'_>, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" data-theme=[frame.shell.theme.as_str()] {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover";
                meta name="description" content="A virtual pet, looked after by a job queue.";
                (link_preview(frame))
                // The browser's own ground, before any style sheet is here.
                meta name="color-scheme" content=(frame.shell.theme.as_str().unwrap_or("light dark"));
                (bar_colours(frame.shell.theme))
                title { (frame.title) " · Virtual Pet" }
                @for sheet in ["base.css", "pet.css", "room.css", "page.css", "panel.css", "lab.css"] {
                    link rel="stylesheet" href=(assets::path(sheet));
                }
                link rel="preload" as="font" type="font/woff2" crossorigin href=(assets::path("nunito.woff2"));
                link rel="icon" type="image/svg+xml" href=(assets::path(tab_icon(frame.current)));
                link rel="apple-touch-icon" href=(assets::path("icon-192.png"));
                link rel="manifest" href="/manifest.webmanifest";
                script type="module" src=(assets::path("app.js")) {}
                @if frame.live { noscript { meta http-equiv="refresh" content="30"; } }
            }
            body {
                (sheet())
                a.skip href="#main" { "Skip to the content" }
                @if frame.live {
                    a.skip href="#actions" { "Skip to the actions" }
                    a.skip href="#panel" { "Skip to behind the scenes" }
                }
                (header(frame))
                (content)
            }
        }
    }
}

/// What a phone paints its own bars in: the page's ground, by the system's theme or the chosen one.
fn bar_colours(theme: Theme) -> Markup {
    let (light, dark) = ("#FBF3E7", "#171327");
    html! {
        @match theme {
            Theme::System => {
                meta name="theme-color" content=(light) media="(prefers-color-scheme: light)";
                meta name="theme-color" content=(dark) media="(prefers-color-scheme: dark)";
            }
            Theme::Light => meta name="theme-color" content=(light);,
            Theme::Dark => meta name="theme-color" content=(dark);,
        }
    }
}

/// What a message shows that holds a link to the page. Pictures are one a species: `tests/browser/portraits.mjs` draws them.
fn link_preview(frame: &Frame<'_>) -> Markup {
    html! {
        meta property="og:site_name" content="Virtual Pet";
        meta property="og:type" content="website";
        meta property="og:title" content=(frame.title);
        meta property="og:description" content="A virtual pet, looked after by a job queue. Feed it, play with it, put it to sleep.";
        @if let (Some(pet), Some(origin)) = (frame.current, frame.origin) {
            meta property="og:url" content=(format!("{origin}/pet/{}", encoded(pet.name.as_str())));
            meta property="og:image" content=(format!("{origin}{}", assets::path(&format!("portrait-{}.png", pet.species))));
            meta property="og:image:width" content="1200";
            meta property="og:image:height" content="630";
            meta property="og:image:alt" content=(format!("A {} in its room", pet.species));
            meta name="twitter:card" content="summary_large_image";
        }
    }
}

/// The tab's icon, by mood; `assets/tab.js` has the same names.
fn tab_icon(pet: Option<&Pet>) -> &'static str {
    match pet.map(Pet::mood) {
        Some(Mood::Asleep) => "icon-asleep.svg",
        Some(Mood::Hungry) => "icon-hungry.svg",
        Some(Mood::Tired) => "icon-tired.svg",
        _ => "icon.svg",
    }
}

fn header(frame: &Frame<'_>) -> Markup {
    html! {
        header.top {
            a.brand href="/" {
                span.logo { (icon("paw")) }
                span { strong { "Virtual Pet" } small { "looked after by a job queue" } }
            }
            nav.pets aria-label="Your pets" {
                @for pet in frame.pets {
                    (chip(pet, frame.current.is_some_and(|current| current.id == pet.id)))
                }
                a.adopt-link href="/adopt" { (icon("plus")) "Adopt" }
                @if frame.shell.has_lab { a.adopt-link href="/lab" aria-current=[frame.lab.then_some("page")] { (icon("flask")) "Lab" } }
            }
            div.tools {
                @if frame.live {
                    p #live.live data-state="off" { span.dot {} span.word { noscript { "Live updates need JavaScript" } } }
                    button #more-button.tool type="button" popovertarget="more" hidden { (icon("more")) span.unseen { "More" } }
                    // On wide screens it is no menu: its buttons stand in the header.
                    div #more.more popover {
                        button #sound.tool type="button" aria-pressed="false" hidden { (icon("mute")) (icon("sound")) span { "Sound" } }
                        button #help-button.tool type="button" hidden { (icon("help")) span { "Help and keys" } }
                    }
                }
                (theme_button())
            }
        }
    }
}

/// A pet of this browser, as a link to it.
pub(super) fn chip(pet: &Pet, is_current: bool) -> Markup {
    let looks = Looks::of(pet);
    html! {
        a.pet-chip id=[is_current.then_some("chip")] href=(format!("/pet/{}", encoded(pet.name.as_str()))) aria-current=[is_current.then_some("page")] {
            (head(looks))
            span { (pet.name) }
        }
    }
}

fn theme_button() -> Markup {
    html! {
        button #theme.tool type="button" hidden { (icon("moon")) (icon("sun")) span.unseen { "Light or dark" } }
    }
}

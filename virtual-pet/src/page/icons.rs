//! The icons: one sheet a page, 24 by 24, drawn with round strokes.

use maud::{Markup, PreEscaped, html};

/// One icon of the sheet. Decoration: words stand beside it.
pub(crate) fn icon(name: &str) -> Markup {
    html! { svg.icon aria-hidden="true" { use href=(format!("#i-{name}")) {} } }
}

/// The sheet, once a page.
pub(crate) fn sheet() -> Markup {
    html! { svg.sheet aria-hidden="true" { (PreEscaped(SYMBOLS)) } }
}

const SYMBOLS: &str = concat!(
    r##"<symbol id="i-paw" viewBox="0 0 24 24"><g fill="currentColor" stroke="none"><ellipse cx="6" cy="10.500" rx="2.200" ry="2.800"/><ellipse cx="10" cy="6.500" rx="2.200" ry="2.900"/><ellipse cx="14.500" cy="6.500" rx="2.200" ry="2.900"/><ellipse cx="18.300" cy="10.500" rx="2.200" ry="2.800"/><path d="M12.200 11.500c3.400 0 6 4.200 4.600 6.700c-1.200 2-3 .8-4.600.8s-3.400 1.200-4.600-.8c-1.400-2.500 1.200-6.700 4.600-6.700z"/></g></symbol>"##,
    r##"<symbol id="i-bowl" viewBox="0 0 24 24"><path fill="currentColor" stroke="none" d="M3 12h18c0 5-3.500 8-9 8s-9-3-9-8z"/><path d="M8 9q-1.500-2 0-4M12.500 9q-1.500-2 0-4M17 9q-1.500-2 0-4"/></symbol>"##,
    r##"<symbol id="i-ball" viewBox="0 0 24 24"><circle cx="12" cy="12" r="9"/><path d="M6.500 5.200q5 6.800 0 13.600M17.500 5.200q-5 6.800 0 13.600"/></symbol>"##,
    r##"<symbol id="i-moon" viewBox="0 0 24 24"><path fill="currentColor" stroke="none" stroke-linejoin="round" d="M10 3.500a8.800 8.800 0 1 0 10.500 11.200A8.200 8.200 0 0 1 10 3.500z"/></symbol>"##,
    r##"<symbol id="i-sun" viewBox="0 0 24 24"><circle cx="12" cy="12" r="4.200" fill="currentColor" stroke="none"/><path d="M12 2.500v2.200M12 19.300v2.200M2.500 12h2.200M19.300 12h2.200M5.300 5.300l1.500 1.500M17.200 17.200l1.500 1.500M5.300 18.700l1.500-1.500M17.200 6.800l1.500-1.500"/></symbol>"##,
    r##"<symbol id="i-bone" viewBox="0 0 24 24"><path fill="currentColor" stroke="none" d="M14.500 3.500c3.500-1 7 2.500 6 6c-.8 3-4.500 4.200-7 2.500l-4.500 4.500c1.300 1.800.2 4.500-2 4.500c-1.300 0-2-.8-2-2c-1.200 0-2-.7-2-2c0-2.200 2.700-3.300 4.500-2L12 10.500c-1.700-2.500-.5-6.200 2.500-7z"/></symbol>"##,
    r##"<symbol id="i-bolt" viewBox="0 0 24 24"><path fill="currentColor" stroke="none" stroke-linejoin="round" d="M13.500 2.500L5 13.500h6l-1 8 8.500-11.500h-6z"/></symbol>"##,
    r##"<symbol id="i-clock" viewBox="0 0 24 24"><circle cx="12" cy="13" r="8"/><path d="M12 8.500V13l3 2M3 6l3-2.500M21 6l-3-2.500"/></symbol>"##,
    r##"<symbol id="i-down" viewBox="0 0 24 24"><path d="M12 5v14M6.500 13.500L12 19l5.500-5.500"/></symbol>"##,
    r##"<symbol id="i-up" viewBox="0 0 24 24"><path d="M12 19V5M6.500 10.500L12 5l5.500 5.500"/></symbol>"##,
    r##"<symbol id="i-right" viewBox="0 0 24 24"><path d="M5 12h14M13.500 6.500L19 12l-5.500 5.500"/></symbol>"##,
    r##"<symbol id="i-check" viewBox="0 0 24 24"><path d="M5 12.500l4.500 4.500L19 7.500"/></symbol>"##,
    r##"<symbol id="i-cross" viewBox="0 0 24 24"><path d="M6.500 6.500l11 11M17.500 6.500l-11 11"/></symbol>"##,
    r##"<symbol id="i-loop" viewBox="0 0 24 24"><path d="M19.500 12a7.500 7.500 0 0 1-13.300 4.700M4.500 12a7.500 7.500 0 0 1 13.300-4.700M18 3.500v4h-4M6 20.500v-4h4"/></symbol>"##,
    r##"<symbol id="i-link" viewBox="0 0 24 24"><path d="M10 14a4 4 0 0 0 5.700 0l3-3a4 4 0 1 0-5.700-5.700l-1 1M14 10a4 4 0 0 0-5.700 0l-3 3a4 4 0 1 0 5.700 5.700l1-1"/></symbol>"##,
    r##"<symbol id="i-plus" viewBox="0 0 24 24"><path d="M12 5v14M5 12h14"/></symbol>"##,
    r##"<symbol id="i-mute" viewBox="0 0 24 24"><path fill="currentColor" stroke="none" d="M4 9.500h3.500L12 5.500v13l-4.500-4H4z"/><path d="M16 9.500l5 5M21 9.500l-5 5"/></symbol>"##,
    r##"<symbol id="i-sound" viewBox="0 0 24 24"><path fill="currentColor" stroke="none" d="M4 9.500h3.500L12 5.500v13l-4.500-4H4z"/><path d="M15.500 9q2.500 3 0 6M18.500 6.500q5 5.500 0 11"/></symbol>"##,
    r##"<symbol id="i-egg" viewBox="0 0 24 24"><path fill="currentColor" stroke="none" d="M12 3.500c3.500 0 6.500 6 6.500 10a6.500 6.500 0 0 1-13 0c0-4 3-10 6.500-10z"/></symbol>"##,
    r##"<symbol id="i-flower" viewBox="0 0 24 24"><g fill="currentColor" stroke="none"><circle cx="12" cy="6.500" r="3.300"/><circle cx="17.200" cy="10.300" r="3.300"/><circle cx="15.200" cy="16.400" r="3.300"/><circle cx="8.800" cy="16.400" r="3.300"/><circle cx="6.800" cy="10.300" r="3.300"/></g><circle class="hole" cx="12" cy="12" r="2.300"/></symbol>"##,
    r##"<symbol id="i-sprout" viewBox="0 0 24 24"><path d="M12 21v-9"/><path fill="currentColor" stroke="none" d="M12.500 12.500q2-7.500 9.500-7q-.5 8-9.500 7zM11.500 14.500q-1.500-6-8.500-6q.5 7 8.500 6z"/></symbol>"##,
    r##"<symbol id="i-hand" viewBox="0 0 24 24"><path fill="currentColor" stroke="none" d="M9 11V5.500a1.600 1.600 0 0 1 3.200 0V10l5 1c1.600.3 2.300 1.300 2.100 2.800l-.7 4c-.3 1.700-1.500 2.700-3.200 2.700h-3.700c-1.200 0-2.100-.5-2.800-1.500L5 14.500c-.8-1.200.8-2.600 2-1.700z"/></symbol>"##,
    r##"<symbol id="i-gear" viewBox="0 0 24 24"><circle cx="12" cy="12" r="3.200"/><path d="M12 3.200v3M12 17.800v3M3.200 12h3M17.800 12h3M5.800 5.800l2.100 2.100M16.100 16.100l2.100 2.100M5.800 18.200l2.100-2.100M16.100 7.900l2.100-2.100"/><circle cx="12" cy="12" r="6.600"/></symbol>"##,
    r##"<symbol id="i-key" viewBox="0 0 24 24"><circle cx="8" cy="15.500" r="4.500"/><path d="M11.300 12.300L20 3.800M16.500 7.200l3 3"/></symbol>"##,
    r##"<symbol id="i-pen" viewBox="0 0 24 24"><path d="M4.500 19.500l1-4.500L16 4.500l3.500 3.500L9 18.500z"/></symbol>"##,
    r##"<symbol id="i-flask" viewBox="0 0 24 24"><path d="M9.500 3h5M10.500 3.500v6L5 18.500c-.8 1.500.2 2.500 1.500 2.500h11c1.300 0 2.300-1 1.500-2.500l-5.500-9v-6"/><path fill="currentColor" stroke="none" d="M8.500 15h7l2 3.700q.2.800-.6.800H7.100q-.8 0-.6-.8z"/></symbol>"##,
    r##"<symbol id="i-bug" viewBox="0 0 24 24"><ellipse cx="12" cy="13.500" rx="4.500" ry="6"/><path d="M12 8v11.500M8 5.500l1.800 2.300M16 5.500l-1.800 2.300M7.500 11L4 9.500M16.500 11L20 9.500M7.500 14H3.500M16.500 14h4M8 17l-3 2.500M16 17l3 2.500"/></symbol>"##,
    r##"<symbol id="i-plug" viewBox="0 0 24 24"><path d="M9 3v5M15 3v5M6.500 8.500h11v2.500a5.500 5.500 0 0 1-11 0zM12 16.500V21"/></symbol>"##,
    r##"<symbol id="i-pause" viewBox="0 0 24 24"><path d="M8.500 5v14M15.500 5v14" stroke-width="3.600"/></symbol>"##,
    r##"<symbol id="i-five" viewBox="0 0 24 24"><g fill="currentColor" stroke="none"><circle cx="4.500" cy="12" r="2.300"/><circle cx="12" cy="7" r="2.300"/><circle cx="12" cy="17" r="2.300"/><circle cx="19.500" cy="7" r="2.300"/><circle cx="19.500" cy="17" r="2.300"/></g></symbol>"##,
    r##"<symbol id="i-skip" viewBox="0 0 24 24"><path fill="currentColor" d="M5 6l8 6-8 6z"/><path d="M17.500 6v12" stroke-width="3"/></symbol>"##,
    r##"<symbol id="i-bell" viewBox="0 0 24 24"><path fill="currentColor" d="M6.500 16.500c1-1.500 1-3 1-5.500a4.500 4.500 0 0 1 9 0c0 2.500 0 4 1 5.500z"/><path d="M10.500 20q1.500 1.200 3 0M12 4v2"/></symbol>"##,
    r##"<symbol id="i-hourglass" viewBox="0 0 24 24"><path d="M7 4h10M7 20h10M8 4c0 5 4 5.500 4 8s-4 3-4 8M16 4c0 5-4 5.500-4 8s4 3 4 8"/></symbol>"##,
    r##"<symbol id="i-flag" viewBox="0 0 24 24"><path d="M6 21V4"/><path fill="currentColor" d="M6 5h11l-2.500 3.500L17 12H6z"/></symbol>"##,
    r##"<symbol id="i-more" viewBox="0 0 24 24"><g fill="currentColor" stroke="none"><circle cx="5" cy="12" r="2.200"/><circle cx="12" cy="12" r="2.200"/><circle cx="19" cy="12" r="2.200"/></g></symbol>"##,
    r##"<symbol id="i-help" viewBox="0 0 24 24"><path d="M8.500 9a3.500 3.500 0 1 1 5 3.200c-1.200.6-1.500 1.300-1.500 2.500M12 18.600v.1"/></symbol>"##,
);

//! The room behind the pet. The hour sets the sky and the lights, sleep closes the curtains (`assets/room.css`); the clock's hands are turned
//! by `transform` attributes, here and by the page's own clock.

use maud::{Markup, PreEscaped, html};

/// How far through the day it is, where the player sits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Dawn,
    Day,
    Dusk,
    Night,
}

impl Phase {
    /// 6 to 9, to 17:30, to 20:30, and the night.
    pub(crate) fn at(minute_of_day: i64) -> Self {
        match minute_of_day {
            360..540 => Self::Dawn,
            540..1050 => Self::Day,
            1050..1230 => Self::Dusk,
            _ => Self::Night,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Dawn => "dawn",
            Self::Day => "day",
            Self::Dusk => "dusk",
            Self::Night => "night",
        }
    }
}

/// The room at this minute of the day.
pub(crate) fn room(minute_of_day: i64) -> Markup {
    let hour_hand = format!("rotate({} 378 132)", minute_of_day % 720 / 2);
    let minute_hand = format!("rotate({} 378 132)", minute_of_day % 60 * 6);
    html! {
        svg.room viewBox="0 -58 480 462" preserveAspectRatio="xMidYMax slice" aria-hidden="true" {
            (PreEscaped(WALL))
            (PreEscaped(WINDOW))
            g.clock {
                circle.frame cx="378" cy="132" r="40" {}
                circle.dial cx="378" cy="132" r="33" {}
                path.ticks d="M378 104v6M378 154v6M350 132h6M400 132h6" {}
                path.hand.hour-hand d="M378 134V115" transform=(hour_hand) {}
                path.hand.minute-hand d="M378 136V107" transform=(minute_hand) {}
                circle.pin cx="378" cy="132" r="3.500" {}
            }
            (PreEscaped(THINGS))
            rect.dim x="-200" y="-200" width="900" height="700" {}
            (PreEscaped(LIGHTS))
        }
    }
}

/// The meadow, which needs no clock.
pub(super) fn meadow() -> Markup {
    html! {
        svg.room viewBox="0 0 408 250" preserveAspectRatio="xMidYMax slice" aria-hidden="true" { (PreEscaped(MEADOW)) }
    }
}

const MEADOW: &str = r##"<rect class="sky" width="408" height="250"/><circle class="sun" cx="340" cy="48" r="25"/><g class="cloud"><circle cx="66" cy="56" r="13"/><circle cx="84" cy="48" r="17"/><circle cx="103" cy="57" r="12"/><rect x="54" y="55" width="60" height="14" rx="7"/><g opacity=".85"><circle cx="222" cy="36" r="8"/><circle cx="235" cy="31" r="11"/><circle cx="248" cy="37" r="7.500"/><rect x="215" y="35" width="40" height="9" rx="4.500"/></g></g><path class="far" d="M0 150Q70 92 160 134Q260 78 408 136V250H0Z"/><path class="grass" d="M0 178Q110 138 230 168Q330 190 408 160V250H0Z"/><path class="blades" d="M116 196l-4-11M122 196l2-12M292 188l-4-11M298 188l2-12M18 232l-4-11M24 232l2-12M300 236l-3-10M306 236l3-10"/><path class="blades" d="M36 196v14"/><g class="petals"><circle cx="31" cy="196" r="4.500"/><circle cx="41" cy="196" r="4.500"/><circle cx="36" cy="191" r="4.500"/><circle cx="36" cy="201" r="4.500"/></g><circle class="pollen" cx="36" cy="196" r="3.500"/><path class="blades" d="M78 222v14"/><g class="petals pink"><circle cx="73" cy="222" r="4.500"/><circle cx="83" cy="222" r="4.500"/><circle cx="78" cy="217" r="4.500"/><circle cx="78" cy="227" r="4.500"/></g><circle class="pollen" cx="78" cy="222" r="3.500"/><path class="blades" d="M332 218v14"/><g class="petals"><circle cx="327" cy="218" r="4.500"/><circle cx="337" cy="218" r="4.500"/><circle cx="332" cy="213" r="4.500"/><circle cx="332" cy="223" r="4.500"/></g><circle class="pollen" cx="332" cy="218" r="3.500"/><path class="blades" d="M376 192v14"/><g class="petals pink"><circle cx="371" cy="192" r="4.500"/><circle cx="381" cy="192" r="4.500"/><circle cx="376" cy="187" r="4.500"/><circle cx="376" cy="197" r="4.500"/></g><circle class="pollen" cx="376" cy="192" r="3.500"/><path class="blades" d="M352 240v14"/><g class="petals"><circle cx="347" cy="240" r="4.500"/><circle cx="357" cy="240" r="4.500"/><circle cx="352" cy="235" r="4.500"/><circle cx="352" cy="245" r="4.500"/></g><circle class="pollen" cx="352" cy="240" r="3.500"/>"##;

const WALL: &str = r##"<defs><radialGradient id="dusk" cx=".5" cy=".62" r=".75"><stop offset="0" stop-color="#8A7EDB"/><stop offset="1" stop-color="#2B2170"/></radialGradient><pattern id="dots" width="34" height="34" patternUnits="userSpaceOnUse"><circle cx="8" cy="8" r="3"/><circle cx="25" cy="25" r="3"/></pattern></defs><rect class="wall" x="-200" y="-200" width="900" height="490"/><rect class="dots" x="-200" y="-200" width="900" height="490" fill="url(#dots)"/><rect class="floor" x="-200" y="296" width="900" height="110"/><path class="boards" d="M-200 332H700M-200 370H700M60 296v36M210 296v36M370 296v36M20 332v38M140 332v38M300 332v38M430 332v38M90 370v36M240 370v36M380 370v36"/><rect class="skirting" x="-200" y="284" width="900" height="13"/>"##;

const WINDOW: &str = r##"<g class="window"><rect class="wood" x="20" y="78" width="130" height="140" rx="16"/><svg x="30" y="88" width="110" height="120" viewBox="30 88 110 120"><rect class="sky" x="30" y="88" width="110" height="120" rx="8"/><circle class="sun" cx="108" cy="124" r="17"/><g class="moon"><circle cx="108" cy="122" r="17"/><circle class="bite" cx="100" cy="117" r="15"/></g><path class="night-stars" d="M48 108l2 4 4 2-4 2-2 4-2-4-4-2 4-2zM74 132l1.500 3 3 1.500-3 1.500-1.500 3-1.500-3-3-1.500 3-1.500zM58 156l1.500 3 3 1.500-3 1.500-1.500 3-1.500-3-3-1.500 3-1.500zM126 156l1.500 3 3 1.500-3 1.500-1.500 3-1.500-3-3-1.500 3-1.500z"/><g class="cloud"><circle cx="50" cy="138" r="9"/><circle cx="62" cy="133" r="11"/><circle cx="74" cy="139" r="8"/><rect x="42" y="137" width="40" height="10" rx="5"/><g opacity=".85"><circle cx="108" cy="166" r="6"/><circle cx="117" cy="163" r="7.500"/><circle cx="126" cy="167" r="5.500"/><rect x="103" y="165" width="28" height="7" rx="3.500"/></g></g><path class="hills" d="M20 216Q44 168 84 196Q112 170 150 200V216Z"/></svg><path class="cross" d="M85 88v120M30 148h110"/><rect class="sash" x="30" y="88" width="110" height="120" rx="8"/><rect class="wood" x="8" y="212" width="154" height="11" rx="5.500"/></g><g class="curtains"><g class="tied"><path d="M9 76H43C46 116 37 146 21 184Q14 190 9 186Z"/><path d="M161 76H127C124 116 133 146 149 184Q156 190 161 186Z"/><path class="pleat" d="M20 80Q24 130 14 176M32 80Q34 122 22 166M150 80Q146 130 156 176M138 80Q136 122 148 166"/></g><g class="drawn drawn-l"><path d="M9 76H86Q82 140 88 216Q79 220 70 215Q60 220 50 215Q40 220 30 215Q19 220 9 215Z"/><path class="pleat" d="M26 82Q22 150 28 210M46 82Q43 150 48 210M66 82Q63 150 68 210"/></g><g class="drawn drawn-r"><path d="M161 76H84Q88 140 82 216Q91 220 100 215Q110 220 120 215Q130 220 140 215Q151 220 161 215Z"/><path class="pleat" d="M144 82Q148 150 142 210M124 82Q127 150 122 210M104 82Q107 150 102 210"/></g><rect class="rod" x="2" y="68" width="166" height="9" rx="4.500"/></g>"##;

const THINGS: &str = r##"<g class="shelf"><rect class="wood" x="356" y="214" width="110" height="9" rx="4.500"/><rect class="book-1" x="368" y="184" width="13" height="30" rx="3"/><rect class="book-2" x="383" y="178" width="11" height="36" rx="3"/><rect class="book-3" x="396" y="188" width="12" height="26" rx="3"/><path class="pot" d="M424 192h34l-5 22h-24z"/><path class="plant" d="M441 192Q440 172 430 160Q446 162 443 184Q444 160 462 150Q462 172 445 190Z"/></g><ellipse class="rug" cx="240" cy="362" rx="178" ry="34"/><ellipse class="stitch" cx="240" cy="362" rx="162" ry="27"/><g class="bowl"><path class="food" d="M60 350Q66 334 80 336Q88 326 98 334Q112 334 116 350Z"/><path class="dish" d="M50 348H126Q124 386 88 386Q52 386 50 348Z"/><ellipse class="rim" cx="88" cy="348" rx="38" ry="6"/><path class="food" d="M64 348Q70 336 82 338Q90 330 98 337Q108 338 112 348Q88 353 64 348Z"/><path class="shine" d="M74 366q14 7 28 0"/></g><g class="ball"><circle cx="398" cy="362" r="22"/><path d="M384 345q12 17 0 34M412 345q-12 17 0 34"/></g>"##;

const LIGHTS: &str = r##"<path class="wire" d="M-20-34Q240 46 500-34"/><defs><radialGradient id="gleam"><stop offset="0" stop-color="#FFE9A8" stop-opacity=".95"/><stop offset=".35" stop-color="#FFD977" stop-opacity=".45"/><stop offset="1" stop-color="#FFD977" stop-opacity="0"/></radialGradient></defs><g class="lights"><g class="lamp-y"><circle class="glow" cx="36" cy="-8" r="24"/><circle cx="36" cy="-8" r="7.500"/><rect class="socket" x="32" y="-21" width="8" height="7" rx="2"/></g><g class="lamp-p"><circle class="glow" cx="98" cy="7" r="24"/><circle cx="98" cy="7" r="7.500"/><rect class="socket" x="94" y="-6" width="8" height="7" rx="2"/></g><g class="lamp-m"><circle class="glow" cx="164" cy="15" r="24"/><circle cx="164" cy="15" r="7.500"/><rect class="socket" x="160" y="2" width="8" height="7" rx="2"/></g><g class="lamp-y"><circle class="glow" cx="240" cy="18" r="24"/><circle cx="240" cy="18" r="7.500"/><rect class="socket" x="236" y="5" width="8" height="7" rx="2"/></g><g class="lamp-p"><circle class="glow" cx="316" cy="15" r="24"/><circle cx="316" cy="15" r="7.500"/><rect class="socket" x="312" y="2" width="8" height="7" rx="2"/></g><g class="lamp-m"><circle class="glow" cx="382" cy="7" r="24"/><circle cx="382" cy="7" r="7.500"/><rect class="socket" x="378" y="-6" width="8" height="7" rx="2"/></g><g class="lamp-y"><circle class="glow" cx="444" cy="-8" r="24"/><circle cx="444" cy="-8" r="7.500"/><rect class="socket" x="440" y="-21" width="8" height="7" rx="2"/></g></g>"##;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sky_follows_the_hour() {
        let phases: Vec<_> = [0, 359, 360, 540, 1049, 1050, 1230, 1439]
            .map(|minute| Phase::at(minute).as_str())
            .into();
        assert_eq!(
            phases,
            [
                "night", "night", "dawn", "day", "day", "dusk", "night", "night"
            ]
        );
    }
}

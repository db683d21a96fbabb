//! The pet, drawn: one rig for all. Species, mood and stage only show, hide or pose its groups (`assets/pet.css`); the coat is five
//! custom properties. Ground line y 264, face low and wide.

use maud::{Markup, PreEscaped, html};

use crate::pet::{Colour, Mood, Pet, Species, Stage};

/// What a drawing shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Looks {
    pub(crate) species: Species,
    pub(crate) colour: Colour,
    pub(crate) stage: Stage,
    pub(crate) mood: Mood,
}

impl Looks {
    /// As the pet looks now.
    pub(crate) fn of(pet: &Pet) -> Self {
        Self {
            species: pet.species,
            colour: pet.colour,
            stage: pet.stage(),
            mood: pet.mood(),
        }
    }
}

/// The whole pet. `label` is what a screen reader says; without one it is decoration.
pub(crate) fn pet(looks: Looks, label: Option<&str>) -> Markup {
    html! {
        svg.pet viewBox="0 0 320 300"
            data-species=(looks.species) data-coat=(looks.colour) data-mood=(looks.mood) data-stage=(looks.stage)
            role=[label.map(|_| "img")] aria-label=[label] aria-hidden=[label.is_none().then_some("true")] {
            ellipse.shadow cx="160" cy="267" rx="92" ry="11" {}
            (PreEscaped(EGG))
            g.body-and-soul {
                g.pose {
                    (PreEscaped(tail(looks.species)))
                    (PreEscaped(ears(looks.species)))
                    (PreEscaped(BODY))
                    (PreEscaped(marks(looks.species)))
                    (PreEscaped(FACE))
                    (PreEscaped(nose(looks.species)))
                    (PreEscaped(limbs(looks.species)))
                    (PreEscaped(SPROUT))
                }
                (PreEscaped(BLANKET))
                (PreEscaped(EFFECTS))
            }
        }
    }
}

const EGG: &str = r##"<g class="egg"><path class="a line" d="M160 78C204 78 240 152 240 197C240 240 206 264 160 264C114 264 80 240 80 197C80 152 116 78 160 78Z"/><path class="b" d="M84 216C92 246 122 261 160 261C198 261 228 246 236 216C214 240 188 246 160 246C132 246 106 240 84 216Z"/><g class="b"><circle cx="122" cy="176" r="15"/><circle cx="196" cy="148" r="12"/><circle cx="204" cy="208" r="17"/><circle cx="152" cy="222" r="9"/><circle cx="160" cy="112" r="8"/></g><ellipse class="gloss" cx="126" cy="130" rx="13" ry="25" transform="rotate(24 126 130)"/><path class="crack" d="M82 190l22-14 18 20"/><path class="crack crack-2" d="M122 196l20-22 20 22"/><path class="crack crack-3" d="M162 196l20-20 18 18 18-16 20 14"/></g>"##;

const BODY: &str = r##"<g class="arms-up"><ellipse class="a line" cx="68" cy="182" rx="14" ry="27" transform="rotate(-32 68 182)"/><ellipse class="a line" cx="252" cy="182" rx="14" ry="27" transform="rotate(32 252 182)"/></g><path class="a line trunk" d="M160 92C219 92 260 144 260 202C260 246 222 264 160 264C98 264 60 246 60 202C60 144 101 92 160 92Z"/><path class="b shade" d="M66 220C74 249 108 261.500 160 261.500C212 261.500 246 249 254 220C238 242 204 248 160 248C116 248 82 242 66 220Z"/><ellipse class="gloss" cx="116" cy="125" rx="27" ry="12" transform="rotate(-32 116 125)"/>"##;

const FACE: &str = r##"<g class="face"><g class="cheeks"><ellipse cx="97" cy="204" rx="15.500" ry="9.500"/><ellipse cx="223" cy="204" rx="15.500" ry="9.500"/></g><g class="eyes e-open"><g class="glance"><g class="lids"><ellipse class="ink" cx="120" cy="180" rx="11.500" ry="14"/><ellipse class="ink" cx="200" cy="180" rx="11.500" ry="14"/><g class="glints"><circle cx="116" cy="174.500" r="4.800"/><circle cx="124" cy="185.500" r="2.300"/><circle cx="196" cy="174.500" r="4.800"/><circle cx="204" cy="185.500" r="2.300"/></g></g></g></g><g class="e-half"><path class="a" d="M104 160H137V175L103 188Z"/><path class="a" d="M216 160H183V175L217 188Z"/><path class="stroke" d="M106 187L135 176M214 187L185 176"/></g><path class="stroke e-arc" d="M106 184q14-17 28 0M186 184q14-17 28 0"/><path class="stroke e-shut" d="M105 179q15 14 30 0M185 179q15 14 30 0"/><path class="stroke e-squeeze" d="M108 171l20 10-20 10M212 171l-20 10 20 10"/><path class="stroke brows" d="M105 160q10-9 22-10M215 160q-10-9-22-10"/><path class="stroke m-w" d="M144 203q1 10 8.500 10q7.500 0 7.500-8q0 8 7.500 8q7.500 0 8.500-10"/><path class="stroke m-doubt" d="M148 211q6-6 12 0q6 5 12 0"/><path class="stroke m-wave" d="M143 212q5.500-9 11 0q5.500 8 11 0q5.500-9 11 0"/><path class="drool" d="M171 214q7 10 0 14q-7-4 0-14z"/><ellipse class="mouth m-o" cx="160" cy="211" rx="6" ry="7"/><ellipse class="mouth m-chew" cx="160" cy="210" rx="9" ry="4.500"/><g class="m-open"><path class="mouth" d="M142 203Q160 209 178 203Q178 230 160 230Q142 230 142 203Z"/><path class="tongue" d="M150 224q10-9 20 0q-4 5-10 5q-6 0-10-5z"/></g></g>"##;

const SPROUT: &str = r##"<g class="sprout"><path class="stem" d="M160 97q-2-14 1-26"/><path class="leaf leaf-r" d="M161 79q12-20 33-12q-10 21-33 12z"/><path class="leaf leaf-l" d="M160 79q-12-20-33-12q10 21 33 12z"/><g class="flower"><circle cx="160" cy="44" r="11"/><circle cx="174" cy="54" r="11"/><circle cx="169" cy="70" r="11"/><circle cx="151" cy="70" r="11"/><circle cx="146" cy="54" r="11"/><circle class="heart" cx="160" cy="58" r="8.500"/></g></g>"##;

const BLANKET: &str = r##"<g class="blanket"><path class="back" d="M50 238C84 206 122 224 160 218C202 211 240 212 270 238L276 262q-13.500 15-27 0q-13.500 15-27 0q-13.500 15-27 0q-13.500 15-27 0q-13.500 15-27 0q-13.500 15-27 0q-13.500 15-27 0q-13.500 15-27 0z"/><path class="fold" d="M50 238C84 206 122 224 160 218C202 211 240 212 270 238C236 230 204 240 160 240C118 240 86 232 50 238Z"/><path class="stars" d="M92 244l3 6.500 7 .8-5.200 4.800 1.400 7-6.200-3.500-6.200 3.500 1.400-7-5.200-4.800 7-.8zM138 247l3 6.500 7 .8-5.200 4.800 1.400 7-6.200-3.500-6.200 3.500 1.400-7-5.200-4.800 7-.8zM186 247l3 6.500 7 .8-5.200 4.800 1.400 7-6.200-3.500-6.200 3.500 1.400-7-5.200-4.800 7-.8zM232 243l3 6.500 7 .8-5.200 4.800 1.400 7-6.200-3.500-6.200 3.500 1.400-7-5.200-4.800 7-.8z"/></g>"##;

const EFFECTS: &str = r##"<g class="zzz"><g class="z1"><path class="z-rim" d="M250 136h18l-18 22h18"/><path d="M250 136h18l-18 22h18"/></g><g class="z2"><path class="z-rim" d="M268 98h23l-23 27h23"/><path d="M268 98h23l-23 27h23"/></g><g class="z3"><path class="z-rim" d="M290 52h28l-28 34h28"/><path d="M290 52h28l-28 34h28"/></g></g><g class="hearts"><path d="M78 96c-9-15-30-6-24 10c3 9 14 15 24 23c10-8 21-14 24-23c6-16-15-25-24-10z"/><path d="M262 82c-7-12-24-5-19 8c3 7 11 12 19 18c8-6 16-11 19-18c5-13-12-20-19-8z"/></g><g class="sparks"><path d="M50 118l5 14 14 5-14 5-5 14-5-14-14-5 14-5zM276 92l6 16 16 6-16 6-6 16-6-16-16-6 16-6zM246 52l4 10 10 4-10 4-4 10-4-10-10-4 10-4z"/></g><g class="crumbs"><circle cx="140" cy="234" r="4"/><circle cx="178" cy="238" r="3"/><circle cx="152" cy="246" r="3.500"/><circle cx="168" cy="228" r="2.500"/></g><path class="sweat" d="M238 140q12 17 0 24q-12-7 0-24z"/><path class="rumble" d="M50 214q-8 14 0 28M38 208q-11 20 0 40M270 214q8 14 0 28M282 208q11 20 0 40"/>"##;

const PAWS: &str = r##"<g class="feet"><rect class="a line" x="103" y="241" width="54" height="28" rx="14"/><rect class="a line" x="163" y="241" width="54" height="28" rx="14"/><path class="toe" d="M122 257v7M138 257v7M182 257v7M198 257v7"/></g><g class="arms"><ellipse class="a line" cx="85" cy="222" rx="12" ry="18" transform="rotate(24 85 222)"/><ellipse class="a line" cx="235" cy="222" rx="12" ry="18" transform="rotate(-24 235 222)"/></g>"##;

const CRAB_LEGS: &str = r##"<path class="limb-o" d="M82 238L54 246L44 264M96 250L74 260L68 272M238 238L266 246L276 264M224 250L246 260L252 272"/><path class="limb" d="M82 238L54 246L44 264M96 250L74 260L68 272M238 238L266 246L276 264M224 250L246 260L252 272"/>"##;

fn tail(species: Species) -> &'static str {
    match species {
        Species::Cat => {
            r##"<g class="tail"><path class="tail-o" d="M232 240C282 252 310 222 299 190C292 170 266 174 268 194"/><path class="tail-a" d="M232 240C282 252 310 222 299 190C292 170 266 174 268 194"/></g>"##
        }
        Species::Bunny => r##"<circle class="c line tail" cx="260" cy="232" r="22"/>"##,
        Species::Bear => r##"<circle class="a line tail" cx="258" cy="240" r="16"/>"##,
        Species::Axolotl => {
            r##"<g class="tail"><path class="b line" d="M236 250C270 262 296 246 312 214C286 210 262 212 240 232Z"/><path class="i" d="M250 244C272 248 288 238 300 220C280 220 264 224 250 236Z"/></g>"##
        }
        Species::Crab => CRAB_LEGS,
    }
}

fn ears(species: Species) -> &'static str {
    match species {
        Species::Cat => {
            r##"<g class="ear ear-l"><path class="a line" d="M76 158C70 118 74 82 86 66C92 60 126 88 146 106Z"/><path class="i" d="M90 136C87 112 90 94 95 85C105 90 118 101 127 110Z"/></g><g class="ear ear-r"><path class="a line" d="M244 158C250 118 246 82 234 66C228 60 194 88 174 106Z"/><path class="i" d="M230 136C233 112 230 94 225 85C215 90 202 101 193 110Z"/></g>"##
        }
        Species::Bunny => {
            r##"<g class="ear ear-l"><path class="a line" d="M98 128C74 76 74 16 98 6C124 0 140 58 142 112Z"/><path class="i" d="M106 104C92 68 92 32 102 24C114 24 124 64 127 98Z"/></g><g class="ear ear-r"><path class="a line" d="M180 110C184 52 208 18 240 18C276 20 286 58 266 78C254 66 240 56 224 66C224 86 222 108 218 124Z"/><path class="i" d="M194 104C198 62 214 36 236 34C216 46 208 68 208 108Z"/><path class="fold" d="M224 66C232 48 250 40 270 48"/></g>"##
        }
        Species::Bear => {
            r##"<g class="ear ear-l"><circle class="a line" cx="92" cy="112" r="31"/><circle class="i" cx="93" cy="113" r="16"/></g><g class="ear ear-r"><circle class="a line" cx="228" cy="112" r="31"/><circle class="i" cx="227" cy="113" r="16"/></g>"##
        }
        Species::Axolotl => {
            r##"<g class="ear ear-l"><path class="gill-o" d="M92 138Q62 112 50 82M80 158Q46 146 24 126M72 180Q44 180 16 174"/><path class="gill" d="M92 138Q62 112 50 82M80 158Q46 146 24 126M72 180Q44 180 16 174"/></g><g class="ear ear-r"><path class="gill-o" d="M228 138Q258 112 270 82M240 158Q274 146 296 126M248 180Q276 180 304 174"/><path class="gill" d="M228 138Q258 112 270 82M240 158Q274 146 296 126M248 180Q276 180 304 174"/></g>"##
        }
        Species::Crab => {
            r##"<path class="a line" d="M92 128Q88 104 104 106Q106 90 124 98Q132 80 146 90Q160 72 174 90Q188 80 196 98Q214 90 216 106Q232 104 228 128Z"/><g class="claw claw-l"><path class="limb-o" d="M76 206Q44 206 40 176"/><path class="limb" d="M76 206Q44 206 40 176"/><path class="a line" d="M38 184C8 178-4 138 18 112C22 128 28 136 38 140C40 126 48 118 62 112C78 142 68 178 38 184Z"/></g><g class="claw claw-r"><path class="limb-o" d="M244 206Q276 206 280 176"/><path class="limb" d="M244 206Q276 206 280 176"/><path class="a line" d="M282 184C312 178 324 138 302 112C298 128 292 136 282 140C280 126 272 118 258 112C242 142 252 178 282 184Z"/></g>"##
        }
    }
}

fn marks(species: Species) -> &'static str {
    match species {
        Species::Bear => {
            r##"<ellipse class="c belly" cx="160" cy="243" rx="52" ry="18"/><ellipse class="c" cx="160" cy="205" rx="33" ry="25"/>"##
        }
        Species::Crab => {
            r##"<path class="c belly" d="M96 246Q160 232 224 246Q206 261 160 261Q114 261 96 246Z"/>"##
        }
        _ => r##"<ellipse class="c belly" cx="160" cy="241" rx="52" ry="21"/>"##,
    }
}

fn nose(species: Species) -> &'static str {
    match species {
        Species::Cat => {
            r##"<g class="face"><path class="ink" d="M151 192q9-4 18 0q-2 9-9 10q-7-1-9-10z"/><path class="whisker" d="M80 196L50 190M80 206L48 208M240 196L270 190M240 206L272 208"/></g>"##
        }
        Species::Bunny => {
            r##"<g class="face"><path class="pink" d="M152 193q8-4 16 0q-2 8-8 9q-6-1-8-9z"/></g>"##
        }
        Species::Bear => {
            r##"<g class="face"><ellipse class="ink" cx="160" cy="194" rx="10.500" ry="7.500"/><ellipse class="glints" cx="157" cy="191.500" rx="3" ry="1.800"/></g>"##
        }
        Species::Axolotl | Species::Crab => "",
    }
}

fn limbs(species: Species) -> &'static str {
    match species {
        Species::Crab => "",
        _ => PAWS,
    }
}

/// A small head, for lists: it neither moves nor shows a mood but sleep.
pub(crate) fn head(looks: Looks) -> Markup {
    html! {
        svg.head viewBox="30 40 260 240" data-coat=(looks.colour) data-mood=(looks.mood) data-stage=(looks.stage) aria-hidden="true" {
            @if looks.stage == Stage::Egg { (PreEscaped(EGG)) }
            @else {
                (PreEscaped(ears(looks.species)))
                path.a.line d="M160 92C219 92 260 144 260 202C260 246 222 264 160 264C98 264 60 246 60 202C60 144 101 92 160 92Z" {}
                (PreEscaped(SMALL_FACE))
            }
        }
    }
}

const SMALL_FACE: &str = r##"<g class="cheeks"><ellipse cx="97" cy="208" rx="17" ry="11"/><ellipse cx="223" cy="208" rx="17" ry="11"/></g><g class="awake ink"><ellipse cx="120" cy="182" rx="13" ry="16"/><ellipse cx="200" cy="182" rx="13" ry="16"/></g><path class="stroke dozing" d="M103 180q17 16 34 0M183 180q17 16 34 0"/><path class="stroke" d="M143 208q2 10 9 10q8 0 8-8q0 8 8 8q7 0 9-10"/>"##;

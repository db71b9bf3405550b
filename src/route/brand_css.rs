//! The colours of a brand as a style sheet over `web/src/styles/house.css`.
//!
//! An admin chooses an accent by its look; whether letters of it, and on it, can be read is seen
//! to here.

use crate::config::{Colour, Colours};

/// What the accent is where only the background was chosen.
const OWN_ACCENT: Colour = Colour::new(0x33, 0x58, 0xd4);

/// Deskway's own colours in one of the two looks, as the style sheet has them.
struct Look {
    ground: Colour,
    /// What letters stand on besides the ground.
    surfaces: &'static [Colour],
    /// Where letters of the accent go to be readable.
    towards: Colour,
    /// How far they go in any case, in percent.
    at_least: u8,
    /// How much of the accent is in `--accent-soft`, in percent.
    soft: u8,
}

const LIGHT: Look = Look {
    ground: Colour::new(0xf5, 0xf6, 0xf8),
    surfaces: &[Colour::WHITE],
    towards: Colour::BLACK,
    at_least: 8,
    soft: 12,
};
const DARK: Look = Look {
    ground: Colour::new(0x0f, 0x11, 0x14),
    surfaces: &[Colour::new(0x18, 0x1b, 0x20), Colour::new(0x1f, 0x23, 0x2a)],
    towards: Colour::WHITE,
    at_least: 50,
    soft: 28,
};
/// By so many percent a button changes below the pointer.
const HOVER: u8 = 12;
/// Steps towards readable letters, in percent.
const STEP: usize = 4;

/// `None` where every colour is Deskway's own.
pub(super) fn style_sheet(colours: &Colours) -> Option<String> {
    if *colours == Colours::default() {
        return None;
    }
    let light_accent = colours.accent.unwrap_or(OWN_ACCENT);
    let dark_accent = colours.accent_dark.unwrap_or(light_accent);
    let light_ground = colours.background.unwrap_or(LIGHT.ground);
    let dark_ground = colours.background_dark.unwrap_or(DARK.ground);
    let rows = [
        ("--accent", light_accent, dark_accent),
        ("--accent-hover", hover(light_accent), hover(dark_accent)),
        ("--on-accent", on(light_accent), on(dark_accent)),
        (
            "--accent-text",
            LIGHT.letters(light_accent, light_ground),
            DARK.letters(dark_accent, dark_ground),
        ),
        ("--ground", light_ground, dark_ground),
    ];
    let rows = rows.map(|(name, light, dark)| format!("  {name}: light-dark({light}, {dark});\n"));
    Some(format!(":root {{\n{}}}\n", rows.concat()))
}

impl Look {
    /// The accent as a colour of letters, readable on everything that they may stand on.
    fn letters(&self, accent: Colour, ground: Colour) -> Colour {
        let plain = self.surfaces.iter().copied().chain([ground]);
        let soft = plain.clone().map(|plain| plain.mixed(accent, self.soft));
        let grounds: Vec<Colour> = plain.chain(soft).collect();
        (self.at_least..=100)
            .step_by(STEP)
            .map(|share| accent.mixed(self.towards, share))
            .find(|letters| grounds.iter().all(|ground| letters.is_readable_on(*ground)))
            .unwrap_or(self.towards)
    }
}

/// White, or black where white cannot be read.
fn on(accent: Colour) -> Colour {
    if Colour::WHITE.is_readable_on(accent) {
        Colour::WHITE
    } else {
        Colour::BLACK
    }
}

/// Away from the letters on it.
fn hover(accent: Colour) -> Colour {
    let away = if on(accent) == Colour::WHITE {
        Colour::BLACK
    } else {
        Colour::WHITE
    };
    accent.mixed(away, HOVER)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Colours from all over the cube.
    fn many() -> impl Iterator<Item = Colour> {
        let steps = [0_u8, 51, 102, 153, 204, 255];
        steps.into_iter().flat_map(move |red| {
            steps
                .into_iter()
                .flat_map(move |green| steps.map(move |blue| Colour::new(red, green, blue)))
        })
    }

    #[test]
    fn whatever_the_accent_letters_of_it_and_on_it_can_be_read() {
        for accent in many() {
            assert!(on(accent).is_readable_on(accent), "on {accent}");
            assert!(
                on(accent).is_readable_on(hover(accent)),
                "on {accent} below the pointer"
            );
            for look in [LIGHT, DARK] {
                let letters = look.letters(accent, look.ground);
                for ground in look.surfaces.iter().chain([&look.ground]) {
                    let soft = ground.mixed(accent, look.soft);
                    assert!(letters.is_readable_on(*ground), "{accent} on {ground}");
                    assert!(letters.is_readable_on(soft), "{accent} on {soft}");
                }
            }
        }
    }

    #[test]
    fn the_colours_are_those_of_the_style_sheet() {
        let css = include_str!("../../web/src/styles/house.css");
        let ground = format!("--ground: light-dark({}, {});", LIGHT.ground, DARK.ground);
        for line in [ground, format!("--accent: {OWN_ACCENT};")] {
            assert!(css.contains(&line), "{line}");
        }
    }

    #[test]
    fn nothing_chosen_is_nothing_said() {
        assert_eq!(style_sheet(&Colours::default()), None);
        let accent = Some(Colour::new(0x2a, 0x6f, 0x97));
        let colours = Colours {
            accent,
            ..Colours::default()
        };
        let sheet = style_sheet(&colours).unwrap();
        assert!(
            sheet.contains("--accent: light-dark(#2a6f97, #2a6f97);"),
            "{sheet}"
        );
        assert!(
            sheet.contains("--ground: light-dark(#f5f6f8, #0f1114);"),
            "{sheet}"
        );
    }
}

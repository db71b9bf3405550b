//! The size of a screen.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A screen's size in pixels, each side from [`Geometry::MIN`] to [`Geometry::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "(u16, u16)", into = "(u16, u16)")]
pub struct Geometry {
    width: u16,
    height: u16,
}

/// A size that no screen may have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no screen size: write WIDTHxHEIGHT in pixels, each from {min} to {max}, such as 1280x800", min = Geometry::MIN, max = Geometry::MAX)]
pub struct BadGeometry(String);

impl Geometry {
    /// The smallest side, in pixels: below it no desktop can be used.
    pub const MIN: u16 = 200;
    /// The largest side, in pixels: half of what TigerVNC takes, and more than any monitor has.
    pub const MAX: u16 = 8192;

    /// # Errors
    /// When a side is outside `MIN..=MAX`.
    pub fn new(width: u16, height: u16) -> Result<Self, BadGeometry> {
        let fits = |side| (Self::MIN..=Self::MAX).contains(&side);
        if fits(width) && fits(height) {
            Ok(Self { width, height })
        } else {
            Err(BadGeometry(format!("{width}x{height}")))
        }
    }

    pub fn width(self) -> u16 {
        self.width
    }

    pub fn height(self) -> u16 {
        self.height
    }
}

impl TryFrom<(u16, u16)> for Geometry {
    type Error = BadGeometry;

    fn try_from((width, height): (u16, u16)) -> Result<Self, BadGeometry> {
        Self::new(width, height)
    }
}

impl From<Geometry> for (u16, u16) {
    fn from(geometry: Geometry) -> Self {
        (geometry.width, geometry.height)
    }
}

impl FromStr for Geometry {
    type Err = BadGeometry;

    fn from_str(text: &str) -> Result<Self, BadGeometry> {
        let bad = || BadGeometry(text.to_owned());
        let (width, height) = text.split_once('x').ok_or_else(bad)?;
        let side = |side: &str| side.parse().map_err(|_| bad());
        Self::new(side(width)?, side(height)?).map_err(|_| bad())
    }
}

impl fmt::Display for Geometry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_prints() {
        let geometry: Geometry = "1280x800".parse().unwrap();
        assert_eq!(geometry.to_string(), "1280x800");
    }

    #[test]
    fn refuses_what_no_screen_has() {
        for text in [
            "",
            "1280",
            "0x0",
            "1280x",
            "x800",
            "-1x5",
            "99999x800",
            "1280x800x24",
            "199x800",
        ] {
            let error = text.parse::<Geometry>().unwrap_err().to_string();
            assert!(error.contains("1280x800"), "{text}: {error}");
        }
    }
}

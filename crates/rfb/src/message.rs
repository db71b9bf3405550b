//! The messages of a viewer: how each is told from its first bytes, and how long it is.

use super::FramerError;

/// The most encodings that a viewer may list; noVNC lists about 25.
pub const MAX_ENCODINGS: u16 = 512;

/// The longest clipboard text or bundle, in bytes. It is passed on in parts, never kept.
pub const MAX_CUT_TEXT: u32 = 16 * 1024 * 1024;

/// The longest payload of a fence, in bytes: the protocol's own limit.
pub const MAX_FENCE: u8 = 64;

/// The most screens that a viewer may ask for.
pub const MAX_SCREENS: u8 = 16;

/// What a message or a piece of the handshake is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Handshake: the version that the viewer speaks (RFC 6143 §7.1.1).
    Version,
    /// Handshake: the security type that it chose (§7.1.2).
    Security,
    /// Handshake: the answer to the VncAuth challenge (§7.2.2).
    Response,
    /// Handshake: one byte, not 0 when others may stay connected (§7.3.1).
    ClientInit,
    /// Type 0 (§7.5.1).
    SetPixelFormat,
    /// Type 2 (§7.5.2).
    SetEncodings,
    /// Type 3 (§7.5.3).
    UpdateRequest,
    /// Type 4 (§7.5.4).
    Key,
    /// Type 5 (§7.5.5), or with one more byte for more buttons (pseudo-encoding −316).
    Pointer,
    /// Type 6 (§7.5.6); a negative length is the extended clipboard.
    CutText,
    /// Type 150 (community RFB specification, EnableContinuousUpdates).
    ContinuousUpdates,
    /// Type 248 (community RFB specification, ClientFence).
    Fence,
    /// Type 250 (community RFB specification, xvp): shut down, reboot, reset.
    Xvp,
    /// Type 251 (community RFB specification, SetDesktopSize).
    SetDesktopSize,
    /// Type 255, subtype 0 (community RFB specification, QEMU extended key event).
    QemuKey,
    /// Type 255, subtype 1 (community RFB specification, QEMU audio).
    QemuAudio,
}

/// What the first bytes of a message say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A message of that many bytes, which may not all be there yet.
    Known { kind: Kind, len: usize },
    /// That many more bytes are needed to say more.
    Need(usize),
    /// A type, or a subtype, that is not in the table.
    Unknown(u8),
}

/// Reads the shape of the message that `bytes` begin with. `long_pointer` is whether the
/// viewer said that it knows more than seven buttons (−316).
pub(crate) fn shape(bytes: &[u8], long_pointer: bool) -> Result<Shape, FramerError> {
    let Some(&message_type) = bytes.first() else {
        return Ok(Shape::Need(1));
    };
    let known = |kind, len| Ok(Shape::Known { kind, len });
    match message_type {
        0 => known(Kind::SetPixelFormat, 20),
        2 => counted(bytes, encodings),
        3 => known(Kind::UpdateRequest, 10),
        4 => known(Kind::Key, 8),
        5 => match bytes.get(1) {
            None if long_pointer => Ok(Shape::Need(1)),
            Some(buttons) if long_pointer && buttons & 0x80 != 0 => known(Kind::Pointer, 7),
            _ => known(Kind::Pointer, 6),
        },
        6 => counted(bytes, cut_text),
        150 => known(Kind::ContinuousUpdates, 10),
        248 => counted(bytes, fence),
        250 => known(Kind::Xvp, 4),
        251 => counted(bytes, screens),
        255 => qemu(bytes),
        other => Ok(Shape::Unknown(other)),
    }
}

/// A message whose length stands in its first `N` bytes.
fn counted<const N: usize>(
    bytes: &[u8],
    read: fn([u8; N]) -> Result<Shape, FramerError>,
) -> Result<Shape, FramerError> {
    match bytes.first_chunk::<N>() {
        Some(head) => read(*head),
        None => Ok(Shape::Need(N.saturating_sub(bytes.len()))),
    }
}

fn encodings([_, _, high, low]: [u8; 4]) -> Result<Shape, FramerError> {
    let count = u16::from_be_bytes([high, low]);
    if count > MAX_ENCODINGS {
        return Err(FramerError::Encodings(count));
    }
    Ok(Shape::Known {
        kind: Kind::SetEncodings,
        len: usize::from(count).saturating_mul(4).saturating_add(4),
    })
}

fn cut_text([_, _, _, _, a, b, c, d]: [u8; 8]) -> Result<Shape, FramerError> {
    // Negative: the extended clipboard, whose length is the number without its sign.
    let len = i32::from_be_bytes([a, b, c, d]).unsigned_abs();
    if len > MAX_CUT_TEXT {
        return Err(FramerError::CutText(len));
    }
    let len = usize::try_from(len).map_err(|_| FramerError::CutText(len))?;
    Ok(Shape::Known {
        kind: Kind::CutText,
        len: len.saturating_add(8),
    })
}

fn fence([_, _, _, _, _, _, _, _, len]: [u8; 9]) -> Result<Shape, FramerError> {
    if len > MAX_FENCE {
        return Err(FramerError::Fence(len));
    }
    Ok(Shape::Known {
        kind: Kind::Fence,
        len: usize::from(len).saturating_add(9),
    })
}

fn screens([_, _, _, _, _, _, count, _]: [u8; 8]) -> Result<Shape, FramerError> {
    if count > MAX_SCREENS {
        return Err(FramerError::Screens(count));
    }
    Ok(Shape::Known {
        kind: Kind::SetDesktopSize,
        len: usize::from(count).saturating_mul(16).saturating_add(8),
    })
}

fn qemu(bytes: &[u8]) -> Result<Shape, FramerError> {
    let known = |kind, len| Ok(Shape::Known { kind, len });
    match (bytes.get(1), bytes.get(2..4)) {
        (None, _) => Ok(Shape::Need(1)),
        (Some(0), _) => known(Kind::QemuKey, 12),
        (Some(1), None) => Ok(Shape::Need(4_usize.saturating_sub(bytes.len()))),
        // Switch it on, switch it off, set the format of the samples.
        (Some(1), Some([0, 0 | 1])) => known(Kind::QemuAudio, 4),
        (Some(1), Some([0, 2])) => known(Kind::QemuAudio, 10),
        _ => Ok(Shape::Unknown(255)),
    }
}

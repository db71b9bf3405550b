//! Close frames (RFC 6455 §5.5.1, §7.4).

use super::frame::{MAX_CONTROL, Violation};

/// What a close frame from a browser says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseFrame {
    /// `None` when it gives no code.
    pub code: Option<u16>,
}

/// Reads the payload of a close frame.
///
/// # Errors
/// When it is one byte long, its code is none that may be sent, or its reason is not UTF-8.
pub fn check_close(payload: &[u8]) -> Result<CloseFrame, Violation> {
    if payload.is_empty() {
        return Ok(CloseFrame { code: None });
    }
    let (code, reason) = payload.split_first_chunk().ok_or(Violation::ClosePayload)?;
    let code = u16::from_be_bytes(*code);
    if !may_be_sent(code) {
        return Err(Violation::CloseCode(code));
    }
    std::str::from_utf8(reason).map_err(|_| Violation::CloseReason)?;
    Ok(CloseFrame { code: Some(code) })
}

/// The codes that RFC 6455 §7.4 and IANA's registry let an endpoint send.
fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// The longest reason in bytes: what a control frame leaves beside the code.
pub(crate) const MAX_REASON: usize = MAX_CONTROL - 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_nobody_may_send_are_refused() {
        for code in [
            0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535_u16,
        ] {
            assert_eq!(
                check_close(&code.to_be_bytes()),
                Err(Violation::CloseCode(code))
            );
        }
        for code in [
            1000, 1001, 1002, 1003, 1007, 1011, 1012, 3000, 4409, 4999_u16,
        ] {
            let close = check_close(&code.to_be_bytes()).unwrap();
            assert_eq!(close.code, Some(code));
        }
    }

    #[test]
    fn payloads_that_are_no_close_are_refused() {
        assert_eq!(check_close(&[]), Ok(CloseFrame { code: None }));
        assert_eq!(check_close(&[3]), Err(Violation::ClosePayload));
        assert_eq!(
            check_close(b"\x03\xe8\xce\xba\xe1\xbd\xb9\xcf\x83\xed\xa0\x80"),
            Err(Violation::CloseReason)
        );
        assert!(check_close("\u{3}\u{fffd}".as_bytes()).is_err());
        let mut fine = 1000_u16.to_be_bytes().to_vec();
        fine.extend("Grüße".as_bytes());
        assert!(check_close(&fine).is_ok());
    }
}

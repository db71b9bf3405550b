//! Answers that may be long, made to fit one message.

use crate::launcher::protocol::{Answer, FromLauncher, MAX_ANSWER, encode};
use crate::model::{DesktopInfo, DesktopState};

/// An answer as bytes, with shorter logs when it would be too long.
pub(super) fn fitting(id: u64, answer: Answer) -> Vec<u8> {
    match answer {
        Answer::Desktops(desktops) => shortened(desktops, |desktops| FromLauncher::Answer {
            id,
            answer: Answer::Desktops(desktops),
        }),
        Answer::Overview { desktops, more } => paged(desktops, more, |desktops, more| {
            let answer = Answer::Overview { desktops, more };
            FromLauncher::Answer { id, answer }
        }),
        Answer::People { sign_ins, more } => paged(sign_ins, more, |sign_ins, more| {
            let answer = Answer::People { sign_ins, more };
            FromLauncher::Answer { id, answer }
        }),
        answer => encode(&FromLauncher::Answer { id, answer }, MAX_ANSWER).unwrap_or_default(),
    }
}

/// Halves a page until it fits; what is left out comes with the next one.
fn paged<T: Clone>(
    mut page: Vec<T>,
    mut more: bool,
    message: impl Fn(Vec<T>, bool) -> FromLauncher,
) -> Vec<u8> {
    loop {
        match encode(&message(page.clone(), more), MAX_ANSWER) {
            Ok(bytes) => return bytes,
            Err(_) if page.is_empty() => return Vec::new(),
            Err(_) => {}
        }
        page.truncate(page.len() / 2);
        more = true;
    }
}

/// Halves the logs until the message fits, then leaves desktops out.
pub(super) fn shortened(
    mut desktops: Vec<DesktopInfo>,
    message: impl Fn(Vec<DesktopInfo>) -> FromLauncher,
) -> Vec<u8> {
    loop {
        match encode(&message(desktops.clone()), MAX_ANSWER) {
            Ok(bytes) => return bytes,
            Err(_) if desktops.is_empty() => return Vec::new(),
            Err(_) => {}
        }
        let mut shorter = false;
        for desktop in &mut desktops {
            if let DesktopState::Failed { log, .. } = &mut desktop.state
                && !log.is_empty()
            {
                let half = log.ceil_char_boundary(log.len().div_ceil(2));
                *log = log.get(half..).unwrap_or_default().to_owned();
                shorter = true;
            }
        }
        if !shorter {
            desktops.truncate(desktops.len() / 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launcher::protocol::decode;
    use crate::model::EndCause;

    #[test]
    fn a_page_that_is_too_long_is_cut_and_says_that_there_is_more() {
        let sign_in = crate::model::SignInReport {
            account: "alice".parse().unwrap(),
            full_name: "x".repeat(4000),
            is_admin: false,
            peer: std::net::Ipv4Addr::LOCALHOST.into(),
            since: 1,
            until: 2,
        };
        let answer = Answer::People {
            sign_ins: vec![sign_in; 100],
            more: false,
        };
        let message: FromLauncher = decode(&fitting(7, answer)).unwrap();
        let FromLauncher::Answer {
            answer: Answer::People { sign_ins, more },
            ..
        } = message
        else {
            panic!("{message:?}");
        };
        assert!(more && sign_ins.len() == 25, "{}", sign_ins.len());
    }

    #[test]
    fn an_answer_with_many_long_logs_is_made_to_fit() {
        let desktops: Vec<DesktopInfo> = (0..500)
            .map(|number| DesktopInfo {
                id: format!("alice/d{number}").parse().unwrap(),
                profile: None,
                state: DesktopState::Failed {
                    cause: EndCause::AgentDied,
                    log: "ä".repeat(4096),
                    at: 1,
                },
                active: None,
                notices: Vec::new(),
            })
            .collect();
        let bytes = fitting(7, Answer::Desktops(desktops));
        assert!(bytes.len() <= MAX_ANSWER);
        let message: FromLauncher = decode(&bytes).unwrap();
        let FromLauncher::Answer {
            id: 7,
            answer: Answer::Desktops(desktops),
        } = message
        else {
            panic!("{message:?}");
        };
        assert_eq!(desktops.len(), 500);
    }
}

//! What the front is told for the metrics.

use deskway::launcher::protocol::{Answer, FromLauncher, Measure, Totals};
use deskway::model::Stage;

use crate::account::Person;
use crate::front::{Front, sign_in};
use crate::site::Site;

fn measure(front: &mut Front) -> Measure {
    front.news(|news| match news {
        FromLauncher::Measured(measure) => Some(measure),
        _ => None,
    })
}

fn totals(front: &mut Front, wanted: impl Fn(&Totals) -> bool) -> Totals {
    front.news(|news| match news {
        FromLauncher::Totals(totals) if wanted(&totals) => Some(totals),
        _ => None,
    })
}

#[test]
fn starts_ends_and_refusals_are_told_as_they_happen() {
    let alice = Person::new("a");
    let (site, mut front) = Site::new();
    let wrong = front.ask(sign_in(&alice.name, "wrong"));
    assert!(matches!(wrong, Answer::Refused(_)), "{wrong:?}");
    let why = "wrong".to_owned();
    assert_eq!(measure(&mut front), Measure::SignInRefused { why });
    let handle = front.sign_in(&alice);
    front.start_profile(&handle, None);
    for expected in [Stage::Screen, Stage::Session] {
        let Measure::Started { stage, millis } = measure(&mut front) else {
            panic!("no start");
        };
        assert_eq!(stage, expected);
        assert!((1..60_000).contains(&millis), "{millis}");
    }
    let there = totals(&mut front, |it| it.desktops.ready == 1);
    assert_eq!((there.sign_ins, there.desktops.starting), (1, 0));
    // A new front is told at once.
    front.hang_up();
    front.accept();
    totals(&mut front, |it| it.desktops.ready == 1);
    front.stop(&handle);
    let cause = "stopped".to_owned();
    assert_eq!(measure(&mut front), Measure::Ended { cause });
    totals(&mut front, |it| it.desktops.ready == 0);
    site.assert_nothing_is_left(&[&alice]);
}

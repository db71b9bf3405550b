//! The public index: shown where it is wanted, and asked of root seldom.

use futures_util::future::join_all;

use super::House;

async fn public() -> House {
    let house = House::with(|config| config.portal.public_index = true, None).await;
    house
        .world
        .show(&["alice", "alice/work", "bob", "zoe"], false);
    house
}

#[tokio::test]
async fn without_being_asked_for_it_shows_nothing_and_asks_nobody() {
    let house = House::open().await;
    house.world.show(&["alice"], false);
    let guest = house.browser();
    assert_eq!(guest.get("/").await.location(), "/sign-in");
    let bob = house.bob().await;
    assert_eq!(bob.get("/d/alice/").await.status, 404);
    assert_eq!(house.world.asked("Index"), 0);
}

#[tokio::test]
async fn a_guest_finds_every_desktop_and_each_leads_past_the_sign_in() {
    let house = public().await;
    let mut guest = house.browser();
    let page = guest.get("/").await;
    assert_eq!(page.status, 200);
    for link in ["/d/alice/", "/d/alice/work/", "/d/bob/", "/d/zoe/"] {
        let link = link.replace('/', "&#x2f;");
        assert!(
            page.body.contains(&format!("href=\"{link}\"")),
            "{link} in {}",
            page.body
        );
    }
    assert!(!page.body.contains("There are more than"));
    let turned_away = guest.get("/d/alice/work/").await;
    let sign_in = turned_away.location();
    assert_eq!(sign_in, "/sign-in?next=%2Fd%2Falice%2Fwork%2F");
    let answer = guest
        .sign_in_to("alice", "wonderland", "/d/alice/work/")
        .await;
    assert_eq!(answer.location(), "/d/alice/work/");
    assert_eq!(
        guest.get("/").await.body.matches("index-list").count(),
        0,
        "her own portal"
    );
}

#[tokio::test]
async fn the_links_of_the_old_index_lead_there_too() {
    let house = public().await;
    let old = "/novnc/alice/vnc.html?resize=remote&path=novnc/alice/websockify";
    let mut guest = house.browser();
    let sign_in = guest.get(old).await.location().to_owned();
    let next = sign_in.strip_prefix("/sign-in?next=").unwrap();
    let next = form_urlencoded::parse(format!("n={next}").as_bytes())
        .next()
        .unwrap()
        .1
        .into_owned();
    assert_eq!(next, old);
    assert_eq!(
        guest
            .sign_in_to("alice", "wonderland", &next)
            .await
            .location(),
        old
    );
    assert_eq!(guest.get(old).await.status, 200);
}

#[tokio::test]
async fn a_stranger_is_told_whose_it_is_and_only_of_what_everybody_may_know() {
    let house = public().await;
    let bob = house.bob().await;
    let page = bob.get("/d/alice/").await;
    assert_eq!(page.status, 403);
    assert!(
        page.body
            .contains("This is the desktop of alice. You are signed in as bob"),
        "{}",
        page.body
    );
    assert_eq!(bob.get("/d/alice/secret/").await.status, 404);
    assert_eq!(bob.get("/d/carol/").await.status, 404);
    let refused = bob.ask("GET", "/d/alice/websockify", &[], "").await;
    assert_eq!(refused.status, 403);
}

#[tokio::test]
async fn a_flood_of_guests_is_one_question() {
    let house = public().await;
    let guest = house.browser();
    let pages = join_all((0..50).map(|_| guest.get("/"))).await;
    assert!(pages.iter().all(|page| page.status == 200));
    assert_eq!(house.world.asked("Index"), 1);
}

#[tokio::test]
async fn a_launcher_that_says_no_is_not_asked_again_by_every_guest() {
    let house = House::with(|config| config.portal.public_index = true, None).await;
    let guest = house.browser();
    for _ in 0..5 {
        assert_eq!(guest.get("/").await.location(), "/sign-in");
    }
    assert_eq!(house.world.asked("Index"), 1);
}

#[tokio::test]
async fn it_is_searched_without_a_script_and_says_when_it_ends_early() {
    let house = House::with(|config| config.portal.public_index = true, None).await;
    let names: Vec<String> = (0..20).map(|n| format!("u{n:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    house.world.show(&names, true);
    let guest = house.browser();
    let all = guest.get("/").await.body;
    assert_eq!(all.matches("<li ").count(), 20);
    assert!(all.contains("There are more than these 20."), "{all}");
    let found = guest.get("/?q=U1").await.body;
    assert_eq!(found.matches("<li ").count(), 10);
    let none = guest.get("/?q=%3Cscript%3Ealert(1)").await.body;
    assert_eq!(none.matches("<li ").count(), 0);
    assert!(
        none.contains("No desktop goes by that name.") && !none.contains("<script>alert"),
        "{none}"
    );
}

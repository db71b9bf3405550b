//! Brands: the place's own, those of its groups, and their files.

use deskway::config::Config;
use deskway::config::{Logos, Overrides};
use deskway::launcher::protocol::FromLauncher;

use super::{Browser, House};
use crate::support::soon;

const SVG: &str = "<svg xmlns='http://www.w3.org/2000/svg' width='8' height='8'><script>alert(1)</script><rect width='8' height='8'/></svg>";

fn config(text: &str) -> Config {
    let defaults = Config::default_for(1000);
    deskway::config::over(defaults, text, "deskway.toml", &Overrides::default()).unwrap()
}

/// Physics with a logo, and staff; the file stays as long as the directory.
fn two_groups(dir: &tempfile::TempDir) -> String {
    let logo = dir.path().join("logo.svg");
    std::fs::write(&logo, SVG).unwrap();
    format!(
        r##"
        [brand]
        name = "Everybody"
        [[group]]
        name = "physics"
        title = "Physics"
        hosts = ["physics.example.org"]
        logo = "{}"
        accent = "#7a3e9d"
        links = [{{ text = "Help", url = "/help" }}, {{ text = "Web", url = "https://example.org/" }}]
        [[group]]
        name = "staff"
        title = "Staff"
        "##,
        logo.display()
    )
}

async fn house(text: &str) -> House {
    let new = config(text);
    House::with(|old| *old = new, None).await
}

/// The boot JSON's brand.
async fn brand(browser: &Browser, path: &str) -> serde_json::Value {
    let page = browser.get(path).await;
    let boot = page.body.split(r#"id="boot">"#).nth(1).unwrap();
    let boot = boot.split("</script>").next().unwrap();
    serde_json::from_str::<serde_json::Value>(boot).unwrap()["brand"].clone()
}

#[tokio::test]
async fn each_person_sees_the_brand_of_their_group_on_every_page() {
    let dir = tempfile::tempdir().unwrap();
    let house = house(&two_groups(&dir)).await;
    house.world.put_into("alice", "physics");
    house.world.put_into("bob", "staff");
    let (alice, bob) = (house.alice().await, house.bob().await);
    for path in ["/", "/d/alice/", "/nothing"] {
        assert_eq!(brand(&alice, path).await["name"], "Physics", "{path}");
    }
    assert_eq!(brand(&bob, "/").await["name"], "Staff");
    assert_eq!(brand(&bob, "/").await["logo"], serde_json::Value::Null);
    let mut guest = house.browser();
    assert_eq!(brand(&guest, "/sign-in").await["name"], "Everybody");
    guest.host = "physics.example.org".to_owned();
    assert_eq!(brand(&guest, "/sign-in").await["name"], "Physics");
    assert_eq!(brand(&guest, "/nothing").await["name"], "Physics");
    let links = &brand(&alice, "/").await["links"];
    assert_eq!(links[0]["url"], "/help");
    assert_eq!(links[1]["url"], "https://example.org/");
    let page = guest.get("/sign-in").await.body;
    assert!(
        page.contains(r#"<a href="&#x2f;help" rel="noreferrer">Help</a>"#),
        "{page}"
    );
}

#[tokio::test]
async fn a_logo_is_a_picture_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let house = house(&two_groups(&dir)).await;
    house.world.put_into("alice", "physics");
    let alice = house.alice().await;
    let logo = brand(&alice, "/").await["logo"].clone();
    let file = house.browser().get(logo.as_str().unwrap()).await;
    assert_eq!((file.status, file.body.as_str()), (200, SVG));
    assert_eq!(file.header("content-type"), Some("image/svg+xml"));
    assert_eq!(file.header("x-content-type-options"), Some("nosniff"));
    let policy = file.header("content-security-policy").unwrap();
    assert!(
        policy.starts_with("default-src 'none'; ") && policy.ends_with("; sandbox"),
        "{policy}"
    );
    assert!(file.header("cache-control").unwrap().contains("immutable"));
    let gone = house.browser().get("/brand/none.svg").await;
    assert_eq!(
        (gone.status, gone.header("cache-control")),
        (404, Some("no-store"))
    );
}

#[tokio::test]
async fn a_brand_s_colours_are_a_style_sheet_of_the_page() {
    let dir = tempfile::tempdir().unwrap();
    let house = house(&two_groups(&dir)).await;
    let mut guest = house.browser();
    guest.host = "physics.example.org".to_owned();
    let page = guest.get("/sign-in").await.body;
    let sheet = page
        .split(r#"href="&#x2f;brand&#x2f;"#)
        .find(|part| part.contains(".css"));
    let sheet = sheet.unwrap().split('"').next().unwrap();
    let sheet = guest.get(&format!("/brand/{sheet}")).await;
    assert_eq!(
        sheet.header("content-type"),
        Some("text/css; charset=utf-8")
    );
    assert!(
        sheet
            .body
            .contains("--accent: light-dark(#7a3e9d, #7a3e9d);"),
        "{}",
        sheet.body
    );
}

#[tokio::test]
async fn a_new_configuration_brings_new_logos_and_keeps_the_files_of_pages_just_sent() {
    let dir = tempfile::tempdir().unwrap();
    let house = house(&two_groups(&dir)).await;
    house.world.put_into("alice", "physics");
    let alice = house.alice().await;
    let old = brand(&alice, "/").await["logo"].clone();

    let png = dir.path().join("logo.png");
    std::fs::write(&png, b"\x89PNG\r\n\x1a\n").unwrap();
    let text = format!("[brand]\nname = \"New\"\nlogo = \"{}\"\n", png.display());
    let (logos, errors) = Logos::read(&config(&text));
    assert!(errors.is_empty());
    let packed = deskway::runtime::seal("logos", &postcard::to_allocvec(&logos).unwrap()).unwrap();
    house
        .launcher()
        .hand_over(FromLauncher::Logos, packed)
        .await;
    house.launcher().say(FromLauncher::Config { text }).await;
    soon(async { while brand(&alice, "/").await["name"] != "New" {} }).await;
    let new = brand(&alice, "/").await["logo"].clone();
    let picture = alice.get(new.as_str().unwrap()).await;
    assert_eq!(picture.header("content-type"), Some("image/png"));
    assert_eq!(alice.get(old.as_str().unwrap()).await.status, 200);
}

#[tokio::test]
async fn who_changes_the_group_sees_it_without_signing_in_again() {
    let dir = tempfile::tempdir().unwrap();
    let house = house(&two_groups(&dir)).await;
    let alice = house.alice().await;
    assert_eq!(brand(&alice, "/").await["name"], "Everybody");
    let news = FromLauncher::Group {
        account: "alice".parse().unwrap(),
        group: Some("staff".to_owned()),
    };
    house.launcher().say(news).await;
    soon(async { while brand(&alice, "/").await["name"] != "Staff" {} }).await;
}

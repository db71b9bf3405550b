//! What `deskway doctor --url` asks for: there for who shows the key, and for nobody else.

use super::House;
use crate::support::{Message, soon};

#[tokio::test]
async fn a_doctor_is_told_how_its_request_looks() {
    let house = House::with(|config| config.server.base_path = "/desk".to_owned(), None).await;
    let mut browser = house.browser();
    browser.base = "/desk".to_owned();
    let pass = house.doctors_pass();
    let told = "X-Forwarded-For: 192.0.2.66";
    let answer = browser.ask("GET", "/doctor/seen", &[&pass, told], "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = answer.json();
    assert_eq!(seen["address"], "127.0.0.1");
    assert_eq!(seen["base"], "/desk");
    assert_eq!(seen["host"], browser.host);
    assert_eq!(seen["scheme"], "http");
    assert_eq!(seen["local"], house.address.to_string());
    assert_eq!(seen["headers"]["x-forwarded-for"][0], "192.0.2.66");
}

#[tokio::test]
async fn to_others_it_is_as_an_address_that_does_not_exist() {
    let house = House::open().await;
    let alice = house.alice().await;
    let pass = house.doctors_pass();
    let nothing = alice.get("/nothing").await;
    let wrong = pass.replace("Deskway-Doctor: 1", "Deskway-Doctor: 2");
    house.set_time(100_000);
    for pass in ["X-Nothing: at all", "Deskway-Doctor: x", &wrong, &pass] {
        for path in ["/doctor/seen", "/doctor/events", "/doctor/echo"] {
            let answer = alice.ask("GET", path, &[pass], "").await;
            assert_eq!(answer.status, 404, "{path} with {pass}");
            assert_eq!(answer.body, nothing.body, "{path} with {pass}");
            let (head, _) = alice
                .try_websocket(path, &[&alice.origin_header(), pass])
                .await;
            assert!(head.starts_with("HTTP/1.1 404 "), "{path}: {head}");
        }
    }
}

#[tokio::test]
async fn the_echo_sends_each_frame_back_whole_and_ends_when_asked_to() {
    let house = House::open().await;
    let browser = house.browser();
    let headers = [house.doctors_pass(), browser.origin_header()];
    let headers = headers.each_ref().map(String::as_str);
    let (head, mut socket) = browser.try_websocket("/doctor/echo", &headers).await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    let large: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    for message in [&b"short"[..], b"", &large] {
        soon(socket.send(message)).await.unwrap();
        let back = soon(socket.next()).await.unwrap();
        assert_eq!(back, Message::Binary(message.to_vec()));
    }
    soon(socket.send_frame(0x89, b"there?")).await.unwrap();
    let back = soon(socket.next()).await.unwrap();
    assert_eq!(back, Message::Pong(b"there?".to_vec()));
    soon(socket.send_close(1000)).await.unwrap();
    assert_eq!(soon(socket.closed()).await.unwrap().code, Some(1000));
    assert_eq!(soon(socket.next()).await.unwrap(), Message::End);
}

#[tokio::test]
async fn the_echo_takes_no_more_than_it_says_and_there_are_few() {
    let house = House::open().await;
    let browser = house.browser();
    let headers = [house.doctors_pass(), browser.origin_header()];
    let headers = headers.each_ref().map(String::as_str);
    let mut open = Vec::new();
    for _ in 0..8 {
        let (head, socket) = browser.try_websocket("/doctor/echo", &headers).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        open.push(socket);
    }
    let (head, _) = browser.try_websocket("/doctor/echo", &headers).await;
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    // The head of a frame of 4 MiB and one byte.
    let head = [0x82, 0xff, 0, 0, 0, 0, 0, 0x40, 0, 1, 0, 0, 0, 0];
    let mut socket = open.pop().unwrap();
    soon(tokio::io::AsyncWriteExt::write_all(
        &mut socket.stream,
        &head,
    ))
    .await
    .unwrap();
    assert_eq!(soon(socket.next()).await.unwrap(), Message::End);
}

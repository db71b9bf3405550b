//! The whole front in this process, with a launcher that does as the test says.

mod access;
mod admin;
mod api;
mod browser;
mod compression;
mod doctor;
mod doors;
mod events;
mod fake_launcher;
mod house;
mod http2;
mod index;
mod introduced;
mod looks;
mod metrics;
mod pages;
mod proxies;
mod restarts;
mod sandbox;
mod sign_in;
mod tls;
mod viewers;

use browser::Browser;
use fake_launcher::{FakeLauncher, World};
use house::{House, entrance};

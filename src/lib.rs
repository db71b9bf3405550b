//! Deskway: a group's Linux desktops in the browser.
//!
//! The modules stand in reading order. The first five are the path of one
//! connection; `ARCHITECTURE.md` follows one through them.

pub mod listen;

pub mod auth;

pub mod route;

pub mod desktop;

pub mod bridge;

// beside the path

pub mod websockify;

pub mod agent;

pub mod launcher;

mod relay;

// under and around it

pub mod model;

pub mod config;

pub mod templates;

pub mod certificates;

pub mod acme;

pub mod cgroup;

pub mod store;

pub mod metrics;

pub mod audit;

pub mod runtime;

pub mod cli;

pub mod app;

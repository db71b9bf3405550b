//! What the cases are made of: the program under test, its clients, its targets.

mod answer;
mod cert;
mod process;
mod start;
mod subject;
mod target;
mod web_service;
mod wire;
mod ws;

pub(crate) use answer::{Answer, get, upgrade};
pub(crate) use cert::{Authority, Pair, client_of, client_with};
pub(crate) use process::{Process, free_port, python, session_of, until};
pub(crate) use start::{Start, proxy, serving};
pub(crate) use subject::Subject;
pub(crate) use target::{Target, exchange, pattern};
pub(crate) use web_service::WebService;
pub(crate) use wire::{Wire, patience, with_patience};
pub(crate) use ws::{Ws, frame, head};

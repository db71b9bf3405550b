//! The cases, by what they are about.

mod bytes;
mod closing;
mod gate;
mod handshake;
mod life;
mod listening;
mod output;
mod rules;
mod targets;
mod tls;
mod token_services;
mod tokens;
mod usage;
mod web;
mod wrap;

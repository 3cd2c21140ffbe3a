//! Exchanges between programs: channels, publishing, requests, services, over every transport, also with
//! hostile peers.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "in a test a panic is the report"
)]

mod acknowledgement;
mod api;
mod away;
mod batches;
mod byte_loans;
mod calls;
mod conformance;
mod descriptors;
mod fifo;
mod forks;
mod framing;
mod full_links;
mod futures;
mod hostile;
mod hostile_schemas;
mod hostile_shm;
mod hostile_views;
mod interrupted;
mod latest_in_slots;
mod lent_bytes;
mod lingering;
mod loans;
mod lockstep;
mod long_bodies;
mod long_memory;
mod loss;
mod many_absent;
mod out_of_memory;
mod own_memory;
mod prolonged;
mod publish_conformance;
mod publish_loss;
mod published_arrays;
mod publisher_lives;
mod registry;
mod relay;
mod schema_exchange;
mod session_room;
mod sessions;
mod several_names;
mod short_wait;
mod silent_names;
mod silent_peer;
mod slots;
mod support;
mod tcp;
mod tcp_keys;
mod threads;
mod too_large;
mod transport_conformance;
mod unread_answers;
mod untaken;
mod viewed_bytes;
mod waits;
mod waking;
mod withdrawal;
mod without_descriptors;
mod workers;

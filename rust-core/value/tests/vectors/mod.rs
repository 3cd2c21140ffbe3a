//! The vectors: public suites and Linkspan's own, for every encoding.
//!
//! | what | lives in |
//! |---|---|
//! | own values, their bytes in four encodings, other accepted bytes, refused bytes | `values`, `accepted`, `invalid`; held in `law` |
//! | JSONTestSuite, CBOR's appendices, the BSON corpus, Smile documents by Jackson | `json`, `cbor`, `bson`, `smile` |
//! | the well-known libraries as oracles | `oracles` |
//! | random values through any pair of encodings; shrinks and prints its seed | `round_trip` |
//! | every vector damaged in every way: a value or an error | `damage` |
//! | schemas: texts and their fingerprints, pairs and their differences, values and their faults | `schemas` |
//! | limits: depth, nodes, memory, length | `limits` |

mod accepted;
mod bson;
mod cbor;
mod damage;
mod files;
mod invalid;
mod json;
mod law;
mod limits;
mod oracles;
mod random;
mod round_trip;
mod schemas;
mod smile;
pub mod strict;
mod values;

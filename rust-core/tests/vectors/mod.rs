//! The vectors: public suites and our own law, for every encoding.
//!
//! | what | lives in |
//! |---|---|
//! | the law's values, their bytes in four encodings, other bytes that mean the same, bytes that are refused | `values`, `accepted`, `invalid`; held in `law` |
//! | JSONTestSuite, CBOR's appendices, the BSON corpus, Smile documents by Jackson | `json`, `cbor`, `bson`, `smile` |
//! | the well-known libraries as oracles | `oracles` |
//! | any value through any pair of encodings; shrinks and prints its seed | `round_trip` |
//! | every vector damaged in every way: an error, or a value, and never a panic | `damage` |
//! | schemas: texts and their fingerprints, pairs and what differs, values and what is wrong | `schemas` |
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
mod strict;
mod values;

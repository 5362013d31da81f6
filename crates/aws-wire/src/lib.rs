//! What every AWS wire protocol shares: bodies, error answers, signatures,
//! event streams, XML and form encoding. Pure computing; no sockets, no files.

pub mod body;
pub mod error;
pub mod eventstream;
pub mod form;
pub mod sigv4;
pub mod xml;

pub use body::Body;

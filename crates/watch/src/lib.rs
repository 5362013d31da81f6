//! What happens, told to who watches: who answered a request, how often and how long
//! things take, and by which way a request came. No network and no files here: what is
//! collected is written and sent by who composes the server.

mod about;

pub use about::About;

//! What a map needs of an engine or of AWS, which are two places of the same client.
//!
//! Reading order: [`function`] what is known of a function before it runs, [`invoke`]
//! running it, [`refusal`] reading how that failed, [`exchange`] payloads that are too
//! large to be sent.

mod exchange;
mod function;
mod invoke;
mod refusal;

#[cfg(test)]
mod tests;

pub use exchange::S3Exchange;
pub use function::Function;
pub use invoke::LambdaInvoke;

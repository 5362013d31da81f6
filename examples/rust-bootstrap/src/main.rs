//! A Lambda function in Rust by the `lambda_runtime` crate: doubles `n`.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_runtime::run(service_fn(double)).await
}

async fn double(event: LambdaEvent<Value>) -> Result<Value, Error> {
    let Some(n) = event.payload["n"].as_i64() else {
        return Err("n must be a whole number".into());
    };
    println!("doubling {n}");
    Ok(json!({
        "doubled": 2 * n,
        "request": event.context.request_id,
        "function": event.context.env_config.function_name,
    }))
}

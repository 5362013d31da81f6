//! Arguments of `squall share`.

use clap::Args;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  squall share http://lab.execute-api.us-east-1.localhost:8080/results/7 --expires 2d
  squall share /execute-api/lab/results/7?format=csv
  squall share /execute-api/lab/results/7 --json | jq -r .url

Whoever has the link may GET what is behind it until it ends, without key or token, if
squall.toml says share = true of the route. The link is signed with your keys: it is good
for this address with this query alone, and it ends early if the keys do.")]
pub struct ShareArgs {
    /// The address of a result, or its path at the gateway: /execute-api/API/PATH
    #[arg(value_name = "ADDRESS|PATH")]
    pub what: String,
    /// For how long, such as 30m, 12h or 7d, which is the longest
    #[arg(long, value_name = "TIME", default_value = "1h")]
    pub expires: String,
}

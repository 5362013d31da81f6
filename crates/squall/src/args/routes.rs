//! Arguments of `squall routes`.

use clap::{Args, Subcommand};
use types::FunctionName;

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  squall routes                                   what is served where
  squall routes add / --map features              tables sent to / go to the function
  squall routes add /temps --map mean --by sensor --value celsius --item list
  squall routes add / --map features --set on_error=collect --set chunksize=10
  squall routes add /admission --model s3://models/admission.rds --set threshold=0.5
  squall routes rm /temps

A table goes there as: curl -T data.csv http://127.0.0.1:8080/
A row goes to a model as: curl 'http://127.0.0.1:8080/admission?gre=800&gpa=4&rank=1'
docs/csv-service.md and docs/models.md say what may be asked of a route."
)]
pub struct RoutesArgs {
    #[command(subcommand)]
    pub action: Option<RoutesAction>,
}

#[derive(Debug, Subcommand)]
pub enum RoutesAction {
    /// List routes
    Ls,
    /// Make a route, or change the one on its path
    Add(AddRouteArgs),
    /// Take a route away
    Rm {
        /// Where it begins, such as / or /features
        path: String,
    },
}

#[derive(Debug, Args)]
pub struct AddRouteArgs {
    /// Where it begins, such as / or /features
    pub path: String,
    /// Map the tables that come over this function: an instance gets some of the items,
    /// the answer has a row for each
    #[arg(long, value_name = "FUNCTION", required_unless_present = "model")]
    pub map: Option<FunctionName>,
    /// Let this model answer: an object that R's saveRDS, squall model fit or ONNX made
    #[arg(long, value_name = "s3://BUCKET/KEY", conflicts_with_all = ["map", "qualifier", "by", "value", "item"])]
    pub model: Option<String>,
    /// Version or alias of the function
    #[arg(long)]
    pub qualifier: Option<String>,
    /// The column of ids, if a request names none [default: id]
    #[arg(long, value_name = "COLUMN")]
    pub by: Option<String>,
    /// The column of values, if a request names none [default: value]
    #[arg(long, value_name = "COLUMN")]
    pub value: Option<String>,
    /// How the function wants each item: series, array, list, frame, dict or json
    #[arg(long, value_name = "KIND")]
    pub item: Option<String>,
    /// Any other option of a request, for those that do not name it
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub set: Vec<(String, String)>,
    /// Let pages of this origin call it from browsers; * is any
    #[arg(long, value_name = "ORIGIN")]
    pub cors: Vec<String>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| "it is NAME=VALUE, such as chunksize=10".to_owned())?;
    Ok((name.to_owned(), value.to_owned()))
}

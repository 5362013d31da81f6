//! `squall model show`: what a model is, and its summary as R prints it.

use model::any::{AnyModel, Unreadable, read_model};
use model::{file, summary};
use serde_json::{Value, json};

use super::{in_r, place};
use crate::args::{Global, ShowArgs};
use crate::failure::Failure;
use crate::output;

pub async fn run(global: &Global, args: ShowArgs) -> Result<(), Failure> {
    let bytes = place::bytes(global, &args.model).await?;
    let own = bytes.clone();
    let read = place::aside(move || {
        let any = AnyModel::read(&own)?;
        let model = any.model().map(|_| read_model(&own)).transpose()?;
        Ok::<_, Unreadable>((any, model))
    })
    .await;
    let (any, model) = match read {
        Ok(read) => read,
        Err(Unreadable::NeedsR(why)) if !args.no_r && in_r::is_there() => {
            output::note(&format!("{why}: R itself shows it"));
            return place::aside(move || in_r::show(&bytes)).await;
        }
        Err(error) => return Err(place::unreadable(&args.model, &error)),
    };
    let fields: Vec<Value> = any
        .fields()
        .iter()
        .map(|field| json!({"name": field.name, "type": field.kind.as_str(), "levels": field.levels}))
        .collect();
    if global.json {
        let mut shown = json!({ "fields": fields });
        for (name, value) in any.facts() {
            shown[name] = value.into();
        }
        if let Some(model) = &model {
            let written = file::write(model).map_err(Failure::mistake)?;
            shown["file"] = serde_json::from_slice(&written).map_err(anyhow::Error::from)?;
        }
        output::json(&shown)?;
        return Ok(());
    }
    let mut text = String::new();
    match &model {
        Some(model) => text.push_str(&summary::text(model)),
        None => {
            for (name, value) in any.facts() {
                text.extend([name, ": ", &value, "\n"]);
            }
        }
    }
    text.push_str("\nFields:\n");
    let mut table = output::Table::new(&["NAME", "TYPE", "LEVELS"]);
    for field in any.fields() {
        let levels = match field.levels.as_slice() {
            [] => "-".to_owned(),
            levels => levels.join(", "),
        };
        table.row([
            field.name.to_string(),
            field.kind.as_str().to_owned(),
            levels,
        ]);
    }
    text.push_str(&table.render());
    output::bytes(text.as_bytes())?;
    Ok(())
}

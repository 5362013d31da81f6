//! `squall doctor`: what this machine gives, and what would make it better.

use std::fmt::Write as _;
use std::net::TcpListener;

use sandbox::Check;

use crate::args::Global;
use crate::failure::Failure;
use crate::machine;
use crate::output::{self, Table};

/// Fewer open files than this, and a thousand instances do not fit.
const ENOUGH_FILES: u64 = 8_192;

pub fn run(global: &Global) -> Result<(), Failure> {
    let mut checks = sandbox::doctor();
    checks.push(open_files());
    checks.push(loopback());
    checks.push(pythons());
    checks.push(aws_sdk());
    checks.push(r());
    if global.json {
        output::json(&checks)?;
    } else {
        output::bytes(report(&checks).as_bytes())?;
    }
    // What is missing here is no failure: the engine says at start what it cannot do.
    Ok(())
}

fn open_files() -> Check {
    let limit = machine::raise_open_files();
    let ok = limit >= ENOUGH_FILES;
    Check {
        name: "open files".to_owned(),
        ok,
        found: limit.to_string(),
        advice: (!ok).then(|| "raise the hard limit: ulimit -Hn 65536".to_owned()),
    }
}

fn loopback() -> Check {
    let bound = TcpListener::bind("127.0.0.1:0");
    Check {
        name: "loopback".to_owned(),
        ok: bound.is_ok(),
        found: match bound {
            Ok(_) => "available".to_owned(),
            Err(error) => format!("cannot listen on 127.0.0.1: {error}"),
        },
        advice: None,
    }
}

fn pythons() -> Check {
    let found = sandbox::find_interpreters(&machine::python_folders());
    let ok = !found.is_empty();
    let names: Vec<String> = found
        .iter()
        .map(|python| format!("{} ({})", python.version, python.executable.display()))
        .collect();
    Check {
        name: "python".to_owned(),
        ok,
        found: if ok {
            names.join(", ")
        } else {
            "none".to_owned()
        },
        advice: (!ok).then(|| {
            "install one, such as: apt-get install python3; or name its folder in \
             engine.toml: python_folders = [\"/opt/python/bin\"]"
                .to_owned()
        }),
    }
}

fn aws_sdk() -> Check {
    let found = sandbox::AwsSdk::find(&machine::python_folders());
    Check {
        name: "boto3".to_owned(),
        ok: found.is_some(),
        found: match &found {
            Some(sdk) => {
                let place = sdk.place().map(|place| format!(" ({})", place.display()));
                format!("{}{}", sdk.version, place.unwrap_or_default())
            }
            None => "none".to_owned(),
        },
        advice: found.is_none().then(|| {
            "AWS's Python has it, and functions that import it need it here: pip install boto3, \
             for any of the interpreters above, before the engine starts"
                .to_owned()
        }),
    }
}

/// Not having it is no fault: few functions are written in R.
fn r() -> Check {
    let (found, left_out) = sandbox::look_for_r(&machine::r_folders());
    let told = |r: &sandbox::RHome| {
        let how = if r.is_shared {
            ""
        } else {
            ", without libR.so: instances are not forked"
        };
        format!("{} ({}{how})", r.version, r.home.display())
    };
    let names: Vec<String> = found.iter().map(told).collect();
    let mut found = if names.is_empty() {
        "none; functions in R need one, such as: apt-get install r-base-core".to_owned()
    } else {
        names.join(", ")
    };
    for sandbox::LeftOut { program, why } in &left_out {
        let _ = write!(found, "; not used: {}: {why}", program.display());
    }
    Check {
        name: "r".to_owned(),
        ok: true,
        found,
        advice: None,
    }
}

fn report(checks: &[Check]) -> String {
    let mut table = Table::new(&["", "CHECK", "FOUND"]);
    for check in checks {
        let mark = if check.ok { "ok" } else { "!!" };
        table.row([mark.to_owned(), check.name.clone(), check.found.clone()]);
    }
    let advice = checks.iter().filter(|check| !check.ok).filter_map(|check| {
        let advice = check.advice.as_ref()?;
        Some(format!("\nhint: {}: {advice}\n", check.name))
    });
    std::iter::once(table.render()).chain(advice).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_comes_with_advice() {
        let check = |name: &str, ok, advice: Option<&str>| Check {
            name: name.to_owned(),
            ok,
            found: "x".to_owned(),
            advice: advice.map(str::to_owned),
        };
        let text = report(&[check("a", true, Some("no")), check("b", false, Some("do"))]);
        assert_eq!(
            text,
            "    CHECK  FOUND\nok  a      x\n!!  b      x\n\nhint: b: do\n"
        );
    }
}

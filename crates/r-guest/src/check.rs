//! Whether R and packages can be loaded here: for trying out a layer.

use std::env;
use std::ffi::OsString;
use std::io::Write;

use crate::error::Failure;
use crate::function::Function;
use crate::runtime_api;

pub(crate) fn run(packages: impl Iterator<Item = OsString>) -> i32 {
    let packages: Vec<String> = packages
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    match checked(&packages) {
        Ok(mut line) => {
            line.push(b'\n');
            i32::from(std::io::stdout().write_all(&line).is_err())
        }
        Err(failure) => {
            failure.log();
            1
        }
    }
}

fn checked(packages: &[String]) -> Result<Vec<u8>, Failure> {
    let places = runtime_api::places();
    env::set_current_dir("/tmp").map_err(|error| Failure::new("error", error.to_string()))?;
    let function = Function::start(&places.home)
        .map_err(|error| Failure::new("Runtime.NoR", error.to_string()))?;
    let libraries: Vec<String> = places
        .libraries()
        .iter()
        .map(|path| path.to_string_lossy().into_owned())
        .collect();
    function.check(&libraries, packages)
}

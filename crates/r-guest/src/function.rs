//! The user's function: loaded once, then asked for each event.

use std::path::Path;

use rdata::{Data, Limits, Value, Version};
use serde::Deserialize;

use crate::Places;
use crate::error::Failure;
use crate::home;
use crate::r::{self, Given, RError, Session};

/// The closures of the glue, by their places in its list.
const LOAD: usize = 0;
const SERVE: usize = 1;
const PREPARE: usize = 2;
const BEGIN: usize = 3;
const CHECK: usize = 4;
const NATIVE: usize = 5;
pub(crate) const DESCRIBE: usize = 6;
pub(crate) const CHUNK: usize = 7;
const PLAIN: usize = 8;
/// Times as lists, whose zone only R can tell.
const CALENDAR: &str = "POSIXlt";
/// What R code wants of [`convert`], before the bytes.
const FROM_JSON: u8 = 0;

/// An answer may be large; what is not believed is only its claims.
pub(crate) const LIMITS: Limits = Limits {
    unpacked: 1 << 32,
    memory: 1 << 32,
    depth: 1000,
};

/// What is said of an event besides itself.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Meta {
    pub(crate) id: String,
    pub(crate) arn: String,
    /// In milliseconds since 1970.
    pub(crate) deadline: i64,
    pub(crate) trace: Option<String>,
}

impl Meta {
    #[allow(
        clippy::cast_precision_loss,
        reason = "milliseconds of this age are exact"
    )]
    pub(crate) fn deadline_value(&self) -> Value {
        Data::Real(vec![self.deadline as f64]).into()
    }
}

/// What to start R for.
pub(crate) struct Function {
    session: Session,
}

impl Function {
    /// Starts R with our glue, and no function yet.
    pub(crate) fn start(home: &Path) -> Result<Self, RError> {
        home::prepare(home);
        let mut session = Session::start(home)?;
        session.source(sandbox::R_GLUE)?;
        session.offer(NATIVE, convert)?;
        Ok(Self { session })
    }

    /// Starts R and sources the file of the handler.
    pub(crate) fn load(places: &Places, handler: &str) -> Result<Self, Failure> {
        let function = Self::start(&places.home)
            .map_err(|error| Failure::new("Runtime.NoR", error.to_string()))?;
        let libraries = places.libraries();
        let libraries: Vec<_> = libraries
            .iter()
            .map(|path| path.to_string_lossy())
            .collect();
        let request = Value::list([
            ("root", Value::strings([&*places.task.to_string_lossy()])),
            (
                "libraries",
                Value::strings(libraries.iter().map(|path| &**path)),
            ),
            ("handler", Value::strings([handler])),
        ]);
        function.ask(LOAD, &request)?;
        r::flush();
        Ok(function)
    }

    /// Whether packages can be loaded: a list of their versions, as JSON.
    pub(crate) fn check(
        &self,
        libraries: &[String],
        packages: &[String],
    ) -> Result<Vec<u8>, Failure> {
        let texts = |texts: &[String]| Value::strings(texts.iter().map(String::as_str));
        let request = Value::list([
            ("libraries", texts(libraries)),
            ("packages", texts(packages)),
        ]);
        self.json(&self.ask(CHECK, &request)?)
    }

    /// Does once what every fork would do again.
    pub(crate) fn prepare(&self) -> Result<(), Failure> {
        self.given(PREPARE, &[])?;
        // R's own folder of temporary files is made anew in each fork; an empty one need
        // not be copied there. Where it is not empty it stays.
        if let Some(folder) = self.session.temporary() {
            let _ = std::fs::remove_dir(folder);
        }
        Ok(())
    }

    /// Begins to be an instance of its own, after a fork.
    pub(crate) fn begin(&self) -> Result<(), Failure> {
        let mut entropy = [0; 8];
        let [folder, seed] = [
            nix::unistd::mkdtemp("/tmp/RtmpXXXXXX").map_err(|error| error.to_string()),
            getrandom::fill(&mut entropy)
                .map(|()| std::path::PathBuf::new())
                .map_err(|error| error.to_string()),
        ];
        let failed = |what: String| Failure::new("Runtime.ForkFailed", what);
        self.session.set_temporary(&folder.map_err(failed)?);
        seed.map_err(failed)?;
        let [a, b, c, d, rest @ ..] = entropy;
        r::seed_c(u32::from_ne_bytes(rest));
        // R's NA is no seed, and the only integer that is none.
        let seed = i32::from_ne_bytes([a, b, c, d]).max(i32::MIN + 1);
        self.ask(BEGIN, &Data::Integer(vec![seed]).into())?;
        Ok(())
    }

    /// One event: the answer as JSON, or what the handler did not handle.
    pub(crate) fn answer(&self, meta: &Meta, payload: &[u8]) -> Result<Vec<u8>, Failure> {
        if let Some(trace) = &meta.trace {
            r::set_variable("_X_AMZN_TRACE_ID", trace);
        }
        let answer = self.answered(meta, payload);
        r::flush();
        if let Err(failure) = &answer {
            failure.log();
        }
        answer
    }

    fn answered(&self, meta: &Meta, payload: &[u8]) -> Result<Vec<u8>, Failure> {
        if let Some(answer) = crate::map::serve(self, meta, payload) {
            return answer;
        }
        let event = rdata::json::from_json(payload).map_err(|error| {
            let message = format!("Unable to unmarshal input: {error}");
            Failure::new("Runtime.UnmarshalError", message)
        })?;
        // Of a keep-warm schedule, or to see whether the function can be loaded.
        if event
            .get("squall")
            .is_some_and(|own| own.get("warm").is_some())
        {
            return Ok(payload.to_vec());
        }
        let request = Value::list([
            ("", event),
            ("id", Value::strings([meta.id.as_str()])),
            ("arn", Value::strings([meta.arn.as_str()])),
            ("deadline", meta.deadline_value()),
        ]);
        self.json(&self.ask(SERVE, &request)?)
    }

    /// What the function gave, as JSON.
    pub(crate) fn json(&self, bytes: &[u8]) -> Result<Vec<u8>, Failure> {
        let mut value = read(bytes)?;
        if holds_calendar(&value) {
            value = read(&self.given(PLAIN, bytes)?)?;
        }
        rdata::json::to_json(&value).map_err(|error| unwritable(&error.to_string()))
    }

    pub(crate) fn ask(&self, closure: usize, request: &Value) -> Result<Vec<u8>, Failure> {
        let bytes = rdata::write(request, Version::Two).map_err(|error| {
            let message = format!("Unable to unmarshal input: {error}");
            Failure::new("Runtime.UnmarshalError", message)
        })?;
        self.given(closure, &bytes)
    }

    pub(crate) fn given(&self, closure: usize, bytes: &[u8]) -> Result<Vec<u8>, Failure> {
        match self.session.call(closure, bytes) {
            Ok(Given::Bytes(bytes)) => Ok(bytes),
            Ok(Given::Texts(texts)) => Err(Failure::told(texts)),
            Err(error) => Err(Failure::new("error", error.to_string())),
        }
    }
}

/// For R code: JSON to R's stream and back.
fn convert(request: &[u8]) -> Result<Vec<u8>, String> {
    let (mode, bytes) = request.split_first().ok_or("there is nothing to convert")?;
    if *mode == FROM_JSON {
        let value = rdata::json::from_json(bytes).map_err(|error| error.to_string())?;
        return rdata::write(&value, Version::Two).map_err(|error| error.to_string());
    }
    let value = rdata::read(bytes, &LIMITS).map_err(|error| error.to_string())?;
    rdata::json::to_json(&value).map_err(|error| error.to_string())
}

fn read(bytes: &[u8]) -> Result<Value, Failure> {
    rdata::read(bytes, &LIMITS).map_err(|error| unwritable(&error.to_string()))
}

fn unwritable(what: &str) -> Failure {
    let message = format!("Unable to marshal response: {what}");
    Failure::new("Runtime.MarshalError", message)
}

fn holds_calendar(value: &Value) -> bool {
    match &value.data {
        Data::List(elements) => value.inherits(CALENDAR) || elements.iter().any(holds_calendar),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calendars_are_found_wherever_they_are() {
        let calendar = Value::from(Data::List(vec![])).with("class", Value::strings(["POSIXlt"]));
        assert!(holds_calendar(&calendar));
        let plain = Value::list([("a", Value::strings(["POSIXlt"]))]);
        assert!(!holds_calendar(&plain));
        assert!(holds_calendar(&Value::list([
            ("a", plain),
            ("b", calendar)
        ])));
    }

    #[test]
    fn r_code_gets_json_and_the_other_way() {
        let stream = convert(b"\x00{\"a\": [1, 2]}").unwrap();
        let back = convert(&[&[1], stream.as_slice()].concat()).unwrap();
        assert_eq!(back, br#"{"a":[1,2]}"#);
        assert!(convert(b"\x00{").is_err());
        assert!(convert(b"\x01{").is_err());
        assert!(convert(b"").is_err());
    }
}

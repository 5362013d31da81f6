//! The files of a job that is not waited for, in its folder beside the book of jobs:
//! the body that it works on, and what came of it. That an outcome is there means
//! that the job is over; a folder with a body and no outcome is work to be done,
//! whatever ended the process that was at it.

use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use map::results::Table;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::jobs::JobId;
use types::RequestId;

use super::accept::Kind;
use super::asked::Pairs;
use super::outgoing::JsonList;
use super::refusal::Refusal;
use super::route::MapRoute;

const BODY: &str = "body";
const OUTCOME: &str = "outcome.json";
/// From which all other forms of the table can be made.
const TABLE: &str = "result.arrow";
const BUFFER: usize = 256 * 1024;

/// How a job can be begun anew: what its request asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Recipe {
    /// The path of its route, under which it is shown.
    pub base: String,
    #[serde(flatten)]
    pub route: MapRoute,
    /// The options of the request and those of the route.
    pub asked: Pairs,
    /// What the body is, if its sender said so.
    pub media_type: Option<String>,
    /// The form that the request asked for.
    pub kind: String,
    /// To whom the job belongs. None where the route knew nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// By what name it is counted what it uses. None where nobody pays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meter: Option<String>,
    /// The request that brought it, and the trace to which that belongs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<RequestId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
}

/// How a job ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    /// A table, in this form; with the items that failed, where they are collected.
    Table {
        kind: String,
        items: usize,
        failed: usize,
        failures: Option<Vec<Value>>,
    },
    /// What its client would have been told.
    Error { status: u16, error: Value },
}

/// The status of what was there and was taken away.
pub(crate) const GONE: u16 = 410;

impl Outcome {
    pub fn gone(id: &JobId) -> Self {
        let refusal = Refusal::JobGone { id: id.to_string() };
        Self::Error {
            status: GONE,
            error: refusal.shown(RequestId::random()),
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct JobFiles {
    folder: PathBuf,
}

impl JobFiles {
    pub fn of(folder: PathBuf) -> Self {
        Self { folder }
    }

    pub fn body(&self) -> PathBuf {
        self.folder.join(BODY)
    }

    /// Takes over a body that is on the disk for good, and keeps it for good.
    pub fn begin(&self, body: &Path) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        fs::rename(body, self.body())?;
        sync_folder(&self.folder)?;
        sync_folder(self.folder.parent().unwrap_or(Path::new(".")))
    }

    /// Whether there is work to be done.
    pub fn is_open(&self) -> bool {
        self.body().exists() && !self.folder.join(OUTCOME).exists()
    }

    /// None while there is none.
    pub fn outcome(&self) -> io::Result<Option<Outcome>> {
        let text = match fs::read(self.folder.join(OUTCOME)) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        serde_json::from_slice(&text).map(Some).map_err(Into::into)
    }

    /// Keeps the table in the form that was asked for, and in the one from which all
    /// others are made.
    pub fn keep_table(
        &self,
        table: &Table,
        kind: Kind,
        failures: Option<&[Value]>,
    ) -> io::Result<()> {
        for kind in [kind, Kind::Arrow] {
            let file = File::create(self.table(kind))?;
            let mut out = BufWriter::with_capacity(BUFFER, file);
            write_table(table, kind, failures, &mut out)?;
            out.into_inner()?.sync_all()?;
        }
        Ok(())
    }

    /// The job is over: its body is needed no more.
    pub fn conclude(&self, outcome: &Outcome) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let draft = self.folder.join("outcome.json.new");
        let mut file = File::create(&draft)?;
        serde_json::to_writer(&file, outcome)?;
        file.flush()?;
        file.sync_all()?;
        fs::rename(&draft, self.folder.join(OUTCOME))?;
        sync_folder(&self.folder)?;
        gone_is_good(fs::remove_file(self.body()))
    }

    /// Writes the table in a form that is asked for later.
    pub fn write_table(
        &self,
        kept: Kind,
        kind: Kind,
        failures: Option<&[Value]>,
        out: &mut (dyn Write + Send),
    ) -> io::Result<()> {
        if kept == kind {
            return io::copy(&mut File::open(self.table(kind))?, out).map(|_| ());
        }
        let table = Table::read_arrow(File::open(self.folder.join(TABLE))?);
        let table = table.map_err(io::Error::other)?;
        write_table(&table, kind, failures, out)
    }

    fn table(&self, kind: Kind) -> PathBuf {
        self.folder.join(format!("result.{}", kind.name()))
    }

    pub fn remove(&self) -> io::Result<()> {
        gone_is_good(fs::remove_dir_all(&self.folder))
    }
}

fn gone_is_good(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Writes a table. In JSON its failures stand beside it where they are collected, even
/// if there are none: the form of an answer must not depend on what is in it.
pub(crate) fn write_table(
    table: &Table,
    kind: Kind,
    failures: Option<&[Value]>,
    mut out: &mut (dyn Write + Send),
) -> io::Result<()> {
    if kind != Kind::Json {
        return table
            .write(kind.format(), &mut out)
            .map_err(io::Error::other);
    }
    let Some(failures) = failures else {
        return write_list(table, out);
    };
    out.write_all(b"{\"results\":")?;
    write_list(table, out)?;
    write!(out, ",\"failures\":{}}}", Value::from(failures))
}

fn write_list(table: &Table, out: &mut (dyn Write + Send)) -> io::Result<()> {
    let mut list = JsonList::new(out);
    let written = table.write(Kind::Json.format(), &mut list);
    written.map_err(io::Error::other)?;
    list.end().map(|_| ())
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

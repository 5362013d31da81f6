//! Who uses which content, by the rows of objects and uploads. For checking;
//! the counts that the store works with are in the table `contents`.

use std::collections::HashMap;

use rusqlite::{Connection, params};

use super::check::{CheckReport, Damage};
use super::model::{ContentHash, StoredBody};
use super::rows::{self, RawPart, RawVersion};
use crate::database::unsigned;
use crate::error::StoreError;

/// Findings that are held in memory at most.
const BAD_MAX: usize = 10_000;

/// A row that uses content.
struct User<'a> {
    bucket: i64,
    key: String,
    version: Option<String>,
    parts: &'a [RawPart],
}

/// Compares the counts with the uses, all of one moment. What is wrong with
/// content that is used goes into `bad`; content that nothing uses comes back.
pub(crate) fn compare(
    connection: &Connection,
    report: &mut CheckReport,
    bad: &mut HashMap<ContentHash, String>,
) -> Result<Vec<(ContentHash, u64)>, StoreError> {
    // In a temporary file, as there may be more contents than fit into memory.
    connection.execute_batch(
        "CREATE TEMP TABLE used (hash BLOB PRIMARY KEY, uses INTEGER NOT NULL) WITHOUT ROWID",
    )?;
    let moment = connection.unchecked_transaction()?;
    let mut count = moment.prepare(
        "INSERT INTO used (hash, uses) VALUES (?, 1)
         ON CONFLICT (hash) DO UPDATE SET uses = uses + 1",
    )?;
    report.objects = for_each_user(&moment, |user| {
        for part in user.parts {
            count.execute([part.hash.0])?;
        }
        Ok(())
    })?;
    drop(count);

    let mut unused = Vec::new();
    let mut statement = moment.prepare(
        "SELECT c.hash, c.size, c.refs, u.uses FROM contents c LEFT JOIN used u ON u.hash = c.hash
         WHERE c.refs IS NOT u.uses",
    )?;
    let mut found = statement.query([])?;
    while let Some(row) = found.next()? {
        let (hash, refs) = (ContentHash(row.get(0)?), row.get::<_, i64>(2)?);
        match row.get::<_, Option<i64>>(3)? {
            _ if bad.len() + unused.len() >= BAD_MAX => report.unlisted += 1,
            None => unused.push((hash, unsigned(row.get(1)?))),
            Some(uses) => {
                let problem = format!("its bytes are counted {refs} times and used {uses} times");
                bad.insert(hash, problem);
            }
        }
    }
    let mut statement = moment.prepare(
        "SELECT u.hash FROM used u WHERE NOT EXISTS (SELECT 1 FROM contents WHERE hash = u.hash)",
    )?;
    let mut found = statement.query([])?;
    while let Some(row) = found.next()? {
        if bad.len() >= BAD_MAX {
            report.unlisted += 1;
            continue;
        }
        bad.insert(ContentHash(row.get(0)?), "its bytes are missing".to_owned());
    }
    Ok(unused)
}

/// Adds a line for each object or part that uses what is bad.
pub(crate) fn name_users(
    connection: &Connection,
    bad: &HashMap<ContentHash, String>,
    report: &mut CheckReport,
) -> Result<(), StoreError> {
    let moment = connection.unchecked_transaction()?;
    let mut name_of = moment.prepare("SELECT name FROM buckets WHERE id = ?")?;
    for_each_user(&moment, |user| {
        if let Some(problem) = user.parts.iter().find_map(|part| bad.get(&part.hash)) {
            let name = name_of.query_row([user.bucket], |row| row.get(0));
            report.damage(Damage {
                bucket: name.unwrap_or_else(|_| format!("bucket {}", user.bucket)),
                key: user.key,
                version: user.version,
                problem: problem.clone(),
            });
        }
        Ok(())
    })?;
    Ok(())
}

/// Calls `visit` with everything that uses content; answers how many of them
/// are objects.
fn for_each_user(
    connection: &Connection,
    mut visit: impl FnMut(User<'_>) -> Result<(), StoreError>,
) -> Result<u64, StoreError> {
    let mut objects = 0;
    for table in ["objects", "versions"] {
        let sql = format!("SELECT {}, parts, bucket FROM {table}", rows::STORED);
        let mut statement = connection.prepare(&sql)?;
        let mut found = statement.query([])?;
        while let Some(row) = found.next()? {
            let RawVersion { stored, parts } = rows::version(row, false)?;
            objects += u64::from(matches!(stored.body, StoredBody::Object(_)));
            let user = User {
                bucket: row.get(9)?,
                key: stored.key.as_str().to_owned(),
                version: Some(stored.version.as_str().to_owned()),
                parts: &parts,
            };
            visit(user)?;
        }
    }
    let mut statement = connection.prepare(
        "SELECT u.bucket, u.key, p.hash, p.size, p.md5 FROM parts p
         LEFT JOIN uploads u ON u.id = p.upload",
    )?;
    let mut found = statement.query(params![])?;
    while let Some(row) = found.next()? {
        let key: Option<Vec<u8>> = row.get(1)?;
        let part = RawPart {
            hash: ContentHash(row.get(2)?),
            size: unsigned(row.get(3)?),
            md5: row.get(4)?,
            attributes: Vec::new(),
        };
        let user = User {
            bucket: row.get::<_, Option<i64>>(0)?.unwrap_or(0),
            key: String::from_utf8_lossy(&key.unwrap_or_default()).into_owned(),
            version: None,
            parts: &[part],
        };
        visit(user)?;
    }
    Ok(objects)
}

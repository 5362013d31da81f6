//! `squall ls`: buckets, folders and objects.

use std::fmt::Write;

use serde::Serialize;
use types::Timestamp;

use super::session;
use crate::args::{Global, LsArgs};
use crate::failure::Failure;
use crate::output;
use crate::place::Remote;
use crate::s3::{BucketLine, Listed, S3};
use crate::transfer::count;

/// As wide as `2026-11-21 05:46:00`.
const TIME_WIDTH: usize = 19;

pub async fn run(global: &Global, args: LsArgs) -> Result<(), Failure> {
    let s3 = session::s3(global, 1)?;
    let place = args.place.filter(|place| place != "s3://");
    let Some(place) = place else {
        return show_buckets(global, &s3.buckets().await?);
    };
    let place = Remote::parse(&place)?;
    let listing = if args.recursive {
        Listing {
            objects: s3
                .list_all(place.bucket.as_str(), &place.key, |_| {})
                .await?,
            ..Listing::default()
        }
    } else {
        list(&s3, &place).await?
    };
    if global.json {
        output::json(&Document::from(&listing))?;
        return Ok(());
    }
    if listing.is_empty() && !place.key.is_empty() {
        return Err(Failure::mistake(format!("nothing begins with {place}"))
            .hint(format!("squall ls {} lists what is there", place.bucket)));
    }
    output::bytes(render(&listing).as_bytes())?;
    output::note(&summary(&listing));
    Ok(())
}

#[derive(Debug, Default)]
struct Listing {
    /// What names are shown without.
    shown_below: String,
    folders: Vec<String>,
    objects: Vec<Listed>,
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    folders: &'a [String],
    objects: Vec<Object<'a>>,
}

#[derive(Debug, Serialize)]
struct Object<'a> {
    key: &'a str,
    size: u64,
    modified: String,
    etag: &'a str,
}

impl<'a> From<&'a Listing> for Document<'a> {
    fn from(listing: &'a Listing) -> Self {
        let objects = listing.objects.iter().map(|object| Object {
            key: &object.key,
            size: object.size,
            modified: object.modified.rfc3339(),
            etag: &object.etag,
        });
        Self {
            folders: &listing.folders,
            objects: objects.collect(),
        }
    }
}

impl Listing {
    fn is_empty(&self) -> bool {
        self.folders.is_empty() && self.objects.is_empty()
    }
}

/// One level. What names a folder is taken for it, as `ls` does.
async fn list(s3: &S3, place: &Remote) -> Result<Listing, Failure> {
    let listing = level(s3, place).await?;
    let folder = place.as_folder();
    if listing.objects.is_empty() && listing.folders == [folder.key.clone()] {
        return level(s3, &folder).await;
    }
    Ok(listing)
}

async fn level(s3: &S3, place: &Remote) -> Result<Listing, Failure> {
    let folder = place.key.rfind('/').map_or(0, |at| at + 1);
    let mut listing = Listing {
        shown_below: place.key[..folder].to_owned(),
        ..Listing::default()
    };
    let mut token: Option<String> = None;
    loop {
        let page = s3
            .list_page(
                place.bucket.as_str(),
                &place.key,
                Some("/"),
                token.as_deref(),
            )
            .await?;
        listing.folders.extend(page.prefixes);
        listing.objects.extend(page.objects);
        token = page.next;
        if token.is_none() {
            return Ok(listing);
        }
    }
}

fn render(listing: &Listing) -> String {
    let short = |key: &str| {
        let name = key.strip_prefix(&listing.shown_below).unwrap_or(key);
        // The folder's own object, as consoles make it.
        let name = if name.is_empty() { "./" } else { name };
        name.replace(char::is_control, "?")
    };
    let sizes: Vec<String> = listing
        .objects
        .iter()
        .map(|o| output::size(o.size))
        .collect();
    let width = sizes.iter().map(String::len).max().unwrap_or(0);
    let mut text = String::new();
    for folder in &listing.folders {
        let name = short(folder);
        let _ = writeln!(text, "{:TIME_WIDTH$}  {:>width$}  {name}", "", "");
    }
    for (object, size) in listing.objects.iter().zip(&sizes) {
        let (time, name) = (time(object.modified), short(&object.key));
        let _ = writeln!(text, "{time}  {size:>width$}  {name}");
    }
    text
}

fn summary(listing: &Listing) -> String {
    let bytes = listing.objects.iter().map(|object| object.size).sum();
    let objects = count(listing.objects.len() as u64, "object");
    let objects = format!("{objects}, {}", output::size(bytes));
    match listing.folders.len() as u64 {
        0 => objects,
        folders => format!("{}, {objects}", count(folders, "folder")),
    }
}

fn show_buckets(global: &Global, buckets: &[BucketLine]) -> Result<(), Failure> {
    if global.json {
        let lines: Vec<_> = buckets
            .iter()
            .map(|bucket| {
                serde_json::json!({ "name": bucket.name, "created": bucket.created.rfc3339() })
            })
            .collect();
        output::json(&lines)?;
        return Ok(());
    }
    if buckets.is_empty() {
        output::note("no buckets yet; make one: squall mb NAME");
    }
    for bucket in buckets {
        output::line(&format!("{}  {}", time(bucket.created), bucket.name))?;
    }
    Ok(())
}

/// `2026-11-21 05:46:00`, in UTC as all times here.
fn time(at: Timestamp) -> String {
    at.rfc3339()[..TIME_WIDTH].replace('T', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_come_first_and_names_are_those_below_the_folder() {
        let object = |key: &str, size| Listed {
            key: key.to_owned(),
            size,
            modified: Timestamp(1_700_000_000_000),
            etag: "e".to_owned(),
        };
        let listing = Listing {
            shown_below: "raw/".to_owned(),
            folders: vec!["raw/2026/".to_owned()],
            objects: vec![object("raw/a.csv", 1_536), object("raw/b\x1b[31m", 12)],
        };
        assert_eq!(
            render(&listing),
            "                             2026/\n\
             2023-11-14 22:13:20  1.5 KB  a.csv\n\
             2023-11-14 22:13:20    12 B  b?[31m\n"
        );
        assert_eq!(summary(&listing), "1 folder, 2 objects, 1.5 KB");
    }
}

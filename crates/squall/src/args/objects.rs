//! Arguments of the commands about buckets and objects.

use std::num::NonZeroUsize;

use clap::Args;
use types::glob::Filter;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  squall cp data.csv s3://lake/raw/           a file into a folder of a bucket
  squall cp data.csv s3://lake/raw/jan.csv    under another name
  squall cp s3://lake/raw/jan.csv .           back again
  squall cp -r models s3://lake/models        all that is in a folder
  squall cp -r s3://lake/models ./models      all that is below a prefix
  squall cp s3://lake/a.csv s3://pond/a.csv   from bucket to bucket, without loading it
  pg_dump db | squall cp - s3://lake/db.sql   from stdin
  squall cp s3://lake/a.csv.gz - | zcat       to stdout
  squall cp -r site s3://web --exclude .git --cache-control max-age=60

Paths: s3://BUCKET/KEY is in a bucket, everything else is a file. BUCKET/KEY alone
is understood, too, where the other side is clearly a file (it exists, or begins
with ./ or /, or is -) and the bucket exists.

A path that ends in / is a folder. -r copies what is in the source folder into the
target folder. Files are loaded beside their target and shown when they are whole;
their checksum is compared. Large ones go in parts, several at once; what breaks off
is tried again. Ctrl-C leaves nothing half done behind.

--exclude and --include are patterns with * ? [a-z] (* takes slashes, too). Without a
slash they mean any file or folder of that name. What is included is taken even if it
is excluded; with --include alone nothing else is taken.")]
pub struct CpArgs {
    /// A file, a folder, s3://BUCKET/KEY, or - for stdin
    #[arg(value_name = "SRC")]
    pub source: String,
    /// A file, a folder, s3://BUCKET/KEY, or - for stdout
    #[arg(value_name = "DST")]
    pub target: String,
    /// Copy all that is below a folder or prefix
    #[arg(short, long)]
    pub recursive: bool,
    #[command(flatten)]
    pub filter: FilterArgs,
    #[command(flatten)]
    pub object: ObjectArgs,
    #[command(flatten)]
    pub transfer: TransferArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  squall sync data s3://lake/data             send what is new or changed
  squall sync s3://lake/data ./data           load what is new or changed
  squall sync s3://lake/data s3://pond/data   from bucket to bucket
  squall sync site s3://web --delete          and remove what is not in site any more
  squall sync site s3://web --delete -n       only say what would be done
  squall sync . s3://lake --exclude .git --exclude '*.tmp'
  squall sync . s3://lake --include '*.csv'   nothing else

A file is sent if there is no such object, if the sizes differ, or if the contents do:
the file is read and compared with the object's MD5 (of objects in parts, the MD5s of
its parts), so a file that was only touched is not sent again, and one that was changed
without changing size or time is. A loaded file gets the time of its object, by which it
is known the next time. What --exclude leaves out is not deleted either.

Paths and patterns are those of squall cp; see squall cp --help.")]
pub struct SyncArgs {
    /// A folder, or s3://BUCKET/PREFIX
    #[arg(value_name = "SRC")]
    pub source: String,
    /// A folder, or s3://BUCKET/PREFIX
    #[arg(value_name = "DST")]
    pub target: String,
    /// Delete from DST what is not in SRC
    #[arg(long)]
    pub delete: bool,
    /// Say what would be done, and do nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub filter: FilterArgs,
    #[command(flatten)]
    pub object: ObjectArgs,
    #[command(flatten)]
    pub transfer: TransferArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  squall ls                     buckets
  squall ls lake                folders and objects at the top of a bucket
  squall ls lake/raw            what is in a folder (s3://lake/raw means the same)
  squall ls lake/raw/2026-      what begins like this
  squall ls -r lake             every object")]
pub struct LsArgs {
    /// BUCKET, BUCKET/PREFIX or s3://BUCKET/PREFIX; without it, buckets are listed
    #[arg(value_name = "BUCKET[/PREFIX]")]
    pub place: Option<String>,
    /// List all objects below, not folders
    #[arg(short, long)]
    pub recursive: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  squall rm lake/raw/jan.csv          one object
  squall rm -r lake/raw               all that is in a folder
  squall rm -r lake/raw -n            only say what would go
  squall rm -r lake/raw --include '*.tmp'

-r takes a folder: lake/raw does not mean lake/raw2. On a terminal it asks first; -y
answers. Where a bucket keeps versions they stay, behind a delete marker.")]
pub struct RmArgs {
    /// BUCKET/KEY or s3://BUCKET/KEY
    #[arg(value_name = "BUCKET/KEY")]
    pub place: String,
    /// Remove all that is in a folder
    #[arg(short, long)]
    pub recursive: bool,
    /// Say what would be removed, and remove nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    #[command(flatten)]
    pub filter: FilterArgs,
}

#[derive(Debug, Args)]
pub struct MbArgs {
    /// Name of the new bucket
    #[arg(value_name = "BUCKET")]
    pub bucket: String,
}

#[derive(Debug, Args)]
pub struct RbArgs {
    /// Name of the bucket
    #[arg(value_name = "BUCKET")]
    pub bucket: String,
    /// Remove all that is in it first, older versions included
    #[arg(long)]
    pub force: bool,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
}

#[derive(Debug, Clone, Default, Args)]
pub struct FilterArgs {
    /// Leave out what matches (may be given more than once)
    #[arg(long, value_name = "PATTERN")]
    pub exclude: Vec<String>,
    /// Take what matches, even if it is excluded (may be given more than once)
    #[arg(long, value_name = "PATTERN")]
    pub include: Vec<String>,
}

impl FilterArgs {
    pub fn filter(&self) -> Filter {
        Filter::new(&self.exclude, &self.include)
    }
}

#[derive(Debug, Clone, Default, Args)]
pub struct ObjectArgs {
    /// Content type of the objects [default: guessed from their names]
    #[arg(long, value_name = "TYPE")]
    pub content_type: Option<String>,
    /// How browsers may keep the objects, such as max-age=3600
    #[arg(long, value_name = "RULE")]
    pub cache_control: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub struct TransferArgs {
    /// Transfers at once
    #[arg(long, value_name = "N", default_value = "8")]
    pub parallel: NonZeroUsize,
    /// Show no progress
    #[arg(short, long)]
    pub quiet: bool,
}

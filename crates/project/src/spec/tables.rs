//! Every table and field of `squall.toml`.

mod routes;

use super::Kind::{
    Any, AnyTable, Either, List, Named, Number, Off, OneNumberOf, OneOf, Plain, Text, Truth,
};
use super::{Field, Kind, Table, field, forms};
use routes::{AUTH, DOCS as DOCS_TABLE, ROUTE};

pub use routes::MODEL_OPTIONS;

/// Days for which CloudWatch keeps logs; no other numbers are taken.
const LOG_DAYS: &[i64] = &[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
];

const TEXTS: Kind = List(&Text(&forms::TEXT));
const ORIGINS: Kind = List(&Text(&forms::ORIGIN));
const FUNCTION: Kind = Text(&forms::FUNCTION_NAME);
const ITEM: Kind = OneOf(&["series", "array", "list", "frame", "dict", "json"]);

/// The whole file.
pub static FILE: Table = Table {
    name: "the file",
    fields: &[
        field(
            "project",
            Kind::Table(&PROJECT),
            "What holds for all of the project.",
        ),
        field("functions", FUNCTIONS, "Functions, by their names."),
        field("routes", ROUTES, "Paths of the project's HTTP API."),
        field(
            "auth",
            AUTHS,
            "Who looks at what callers of routes bring: tokens of an issuer, or a function.",
        ),
        field("schedules", SCHEDULES, "What runs by the clock."),
        field(
            "triggers",
            TRIGGERS,
            "What runs when an object comes or goes.",
        ),
        field("buckets", BUCKETS, "Buckets, by their names."),
        field(
            "stages",
            Named(&forms::STAGE_NAME, &Kind::Table(&STAGE)),
            "What is different in a stage: any of the other tables again, with what differs.",
        ),
    ],
};

/// A stage may change everything but the project's name and its own.
pub static STAGE: Table = Table {
    name: "a stage",
    fields: &[
        field(
            "project",
            Kind::Table(&STAGE_PROJECT),
            "What holds for all of the stage.",
        ),
        field("functions", FUNCTIONS, "Functions, field by field."),
        field("routes", ROUTES, "All routes of this stage."),
        field("auth", AUTHS, "The same, field by field."),
        field("schedules", SCHEDULES, "Schedules, field by field."),
        field("triggers", TRIGGERS, "All triggers of this stage."),
        field("buckets", BUCKETS, "Buckets, field by field."),
    ],
};

const FUNCTIONS: Kind = Named(&forms::FUNCTION_NAME, &Kind::Table(&FUNCTION_TABLE));
const ROUTES: Kind = List(&Kind::Table(&ROUTE));
const AUTHS: Kind = Named(&forms::FUNCTION_NAME, &Kind::Table(&AUTH));
const SCHEDULES: Kind = Named(&forms::SCHEDULE_NAME, &Kind::Table(&SCHEDULE));
const TRIGGERS: Kind = List(&Kind::Table(&TRIGGER));
const BUCKETS: Kind = Named(&forms::BUCKET_NAME, &Kind::Table(&BUCKET));

static PROJECT: Table = Table {
    name: "project",
    fields: &[
        field(
            "name",
            Text(&forms::PROJECT_NAME),
            "Part of the names of everything that is made. Else the folder's name.",
        ),
        field(
            "stage",
            Text(&forms::STAGE_NAME),
            "The stage that commands mean if they name none.",
        )
        .or("dev"),
        REGION,
        LOG_DAYS_FIELD,
        HOSTS,
        DOCS,
        CERTIFICATE,
    ],
};

static STAGE_PROJECT: Table = Table {
    name: "a stage's project",
    fields: &[REGION, LOG_DAYS_FIELD, HOSTS, DOCS, CERTIFICATE],
};

const REGION: Field = field(
    "region",
    Text(&forms::REGION),
    "The region of AWS. Else what the aws CLI would take.",
);
const LOG_DAYS_FIELD: Field = field(
    "log_days",
    OneNumberOf(LOG_DAYS),
    "How many days logs are kept.",
)
.or("14");

const HOST_NAMES: Kind = List(&Text(&forms::HOST));
const HOSTS: Field = field(
    "hosts",
    HOST_NAMES,
    "Host names under which the routes answer, too, such as api.example.com.",
);
const READERS: Kind = Either(&[Truth, Kind::Table(&DOCS_TABLE)]);
const DOCS: Field = field(
    "docs",
    READERS,
    "Whether the engine serves a description of the routes, with a page to try them: to all, to nobody, or a table of who may see it.",
)
.or("true");
const CERTIFICATE: Field = field(
    "certificate",
    Text(&forms::CERTIFICATE),
    "Of the hosts, on AWS: the ARN of a certificate that is there.",
);

static FUNCTION_TABLE: Table = Table {
    name: "a function",
    fields: &[
        field(
            "runtime",
            Text(&forms::RUNTIME),
            "python3.N, r (or r4.N), or provided.al2023 for an executable named bootstrap. Else by the code, .python-version and pyproject.toml.",
        ),
        field(
            "handler",
            Text(&forms::HANDLER),
            "What is called: FILE.FUNCTION. Else it is looked for in the code.",
        ),
        field(
            "app",
            Text(&forms::APP),
            "A WSGI or ASGI app instead of a handler: MODULE:OBJECT.",
        ),
        field(
            "build",
            Text(&forms::TEXT),
            "A shell command run in the source folder, after which bootstrap is there.",
        ),
        field("source", Text(&forms::FOLDER), "The folder of the code.").or("."),
        field(
            "include",
            TEXTS,
            "Globs of files that go into the package although they would be left out, such as tests or a file .env.",
        ),
        field(
            "exclude",
            TEXTS,
            "Globs of files that do not go into the package, besides tests, caches, secrets and what describes the project.",
        ),
        field(
            "requirements",
            Either(&[Text(&forms::FOLDER), TEXTS, Off]),
            "A requirements file, a list of requirements, or false for none. Else requirements.txt, uv.lock or pyproject.toml, of the source folder or the project's.",
        ),
        field(
            "packages",
            Either(&[Text(&forms::FOLDER), List(&Text(&forms::R_PACKAGE)), Off]),
            "Packages of R: a list, a lock file of renv, or false for none. Else renv.lock, of the source folder or the project's.",
        ),
        field(
            "layers",
            List(&Text(&forms::LAYER)),
            "ARNs of layers that exist already.",
        ),
        field(
            "architecture",
            OneOf(&["x86_64", "arm64"]),
            "The processor it runs on.",
        )
        .or("x86_64"),
        field("memory", Number(128, 10_240), "Megabytes of memory.").or("512"),
        field(
            "timeout",
            Number(1, 900),
            "Seconds until an invocation is ended.",
        )
        .or("30"),
        field("tmp", Number(512, 10_240), "Megabytes of /tmp.").or("512"),
        field(
            "environment",
            Named(&forms::VARIABLE_NAME, &Plain),
            "Variables. ${bucket.NAME}, ${function.NAME}, ${project}, ${stage}, ${account} and ${region} are filled in.",
        ),
        field(
            "secrets",
            List(&Text(&forms::VARIABLE_NAME)),
            "Names of secrets, which the function finds as variables; squall secrets set gives them values.",
        ),
        field(
            "concurrency",
            Number(0, 100_000),
            "The most instances at once, which are kept free for it. Else what the account has.",
        ),
        field(
            "start",
            OneOf(&["auto", "fork", "spawn"]),
            "How the engine makes instances.",
        )
        .or("auto"),
        field(
            "keep_warm",
            Either(&[Truth, Number(1, 100), Kind::Table(&KEEP_WARM)]),
            "Keep instances that have started: true, how many, or a table.",
        )
        .or("false"),
        field(
            "retries",
            Number(0, 2),
            "How often an asynchronous invocation is tried again.",
        )
        .or("2"),
        field(
            "max_age",
            Number(60, 21_600),
            "Seconds after which an asynchronous invocation is given up.",
        )
        .or("21600"),
        field(
            "on_success",
            Text(&forms::DESTINATION),
            "A function of the project, or an ARN, that gets the outcome of asynchronous invocations.",
        ),
        field(
            "on_failure",
            Text(&forms::DESTINATION),
            "The same for those that failed for good.",
        ),
        field(
            "url",
            Either(&[Truth, Kind::Table(&URL)]),
            "An address of its own, without an API before it: true, or a table.",
        )
        .or("false; true for an app that no route leads to"),
        field(
            "calls",
            List(&FUNCTION),
            "Functions of the project that it may invoke.",
        ),
        field(
            "reads",
            List(&Text(&forms::OBJECTS)),
            "What it may get and list: a bucket of the project, with a prefix or without, or the ARN of another.",
        ),
        field(
            "writes",
            List(&Text(&forms::OBJECTS)),
            "What it may put and remove.",
        ),
        field(
            "permissions",
            List(&AnyTable),
            "What else it may, as statements of IAM: {Action = [...], Resource = [...]}.",
        ),
        field(
            "item",
            ITEM,
            "How a map gives it its items. Else what it asks for itself.",
        ),
        field(
            "slim",
            Truth,
            "Drop what its import never opens, even if all would fit.",
        )
        .or("false"),
    ],
};

static KEEP_WARM: Table = Table {
    name: "keep_warm",
    fields: &[
        field("every", Text(&forms::MOMENT), "How often.").or("rate(5 minutes)"),
        field("instances", Number(1, 100), "How many.").or("1"),
    ],
};

static URL: Table = Table {
    name: "url",
    fields: &[
        field(
            "signed",
            Truth,
            "Whether requests must be signed, as AWS's own are.",
        )
        .or("false"),
        field(
            "stream",
            Truth,
            "Whether answers go out while they are made.",
        )
        .or("false"),
        field("cors", ORIGINS, "Origins whose pages may call it."),
    ],
};

static SCHEDULE: Table = Table {
    name: "a schedule",
    fields: &[
        field(
            "when",
            Text(&forms::MOMENT),
            "rate(5 minutes), cron(0 3 * * ? *) or at(2027-01-31T12:00:00).",
        )
        .needed(),
        field(
            "timezone",
            Text(&forms::TIMEZONE),
            "Where that time is meant.",
        )
        .or("UTC"),
        field("function", FUNCTION, "The function that runs.").needed(),
        field("input", Any, "The event that it gets.").or("{}"),
        field("enabled", Truth, "Whether it runs.").or("true"),
    ],
};

static TRIGGER: Table = Table {
    name: "a trigger",
    fields: &[
        field(
            "bucket",
            Text(&forms::BUCKET_NAME),
            "A bucket of the project.",
        )
        .needed(),
        field(
            "events",
            List(&Text(&forms::S3_EVENT)),
            "What has to happen.",
        )
        .or("[\"s3:ObjectCreated:*\"]"),
        field("prefix", Text(&forms::PREFIX), "How keys begin."),
        field("suffix", Text(&forms::PREFIX), "How keys end."),
        field("function", FUNCTION, "The function that runs.").needed(),
    ],
};

static BUCKET: Table = Table {
    name: "a bucket",
    fields: &[
        field(
            "name",
            Text(&forms::WHOLE_BUCKET_NAME),
            "Its whole name, which must be free in all the world. Else PROJECT-STAGE-NAME-ACCOUNT.",
        ),
        field(
            "folder",
            Text(&forms::FOLDER),
            "A local folder whose files a deployment puts there.",
        ),
        field(
            "prefix",
            Text(&forms::PREFIX),
            "What their keys begin with.",
        ),
        field(
            "site",
            Either(&[Truth, Kind::Table(&SITE)]),
            "Serve it as a website: true, or a table.",
        )
        .or("false"),
        field(
            "keep",
            Truth,
            "Whether squall undeploy leaves the bucket and what is in it.",
        )
        .or("false"),
        field("cors", ORIGINS, "Origins whose pages may read it."),
    ],
};

static SITE: Table = Table {
    name: "site",
    fields: &[
        field("index", Text(&forms::TEXT), "The page of a folder.").or("index.html"),
        field(
            "error",
            Text(&forms::TEXT),
            "The page for what is not there.",
        ),
    ],
};

//! Routes, and who may call them.

use super::super::Kind::{Either, List, Number, OneNumberOf, OneOf, Plain, Text, Truth};
use super::super::{Kind, Table, field, forms};
use super::{FUNCTION, ORIGINS, TEXTS};

/// What who reads the description of all routes must bring.
pub static DOCS: Table = Table {
    name: "docs",
    fields: &[
        field("key", Truth, "Whether readers must bring an API key.").or("false"),
        field(
            "auth",
            Text(&forms::FUNCTION_NAME),
            "Who reads: iam for signed requests, or the name of an [auth.NAME].",
        ),
    ],
};

pub static ROUTE: Table = Table {
    name: "a route",
    fields: &[
        field(
            "path",
            Text(&forms::ROUTE),
            "Such as /, /items/{id} or /{proxy+}; $default is all that no other route takes.",
        )
        .needed(),
        field(
            "methods",
            List(&OneOf(&[
                "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS",
            ])),
            "Methods that it takes. Else all.",
        ),
        field("function", FUNCTION, "The function that answers."),
        field(
            "map",
            FUNCTION,
            "Instead: the function that a table is mapped over.",
        ),
        field(
            "model",
            Text(&forms::MODEL),
            "Instead: the model in a bucket that answers, such as models/admission.rds or s3://BUCKET/KEY.",
        ),
        field(
            "models",
            List(&Text(&forms::MODEL)),
            "Instead: several models, each below the path under the name of its file. One alone answers at the path itself, too.",
        ),
        field(
            "options",
            Kind::Table(&ROUTE_OPTIONS),
            "Of a map or a model: what holds for requests that do not say it.",
        ),
        field(
            "redirect",
            Text(&forms::REDIRECT),
            "Instead: another address, such as https://example.com/{id} or /new/{id}.",
        ),
        field(
            "status",
            OneNumberOf(&[301, 302, 303, 307, 308]),
            "Of a redirect: how it is told.",
        )
        .or("308"),
        field(
            "site",
            Text(&forms::SITE),
            "Instead: a bucket whose objects are pages, such as site, site/pages or s3://BUCKET/PREFIX.",
        ),
        field(
            "route",
            Text(&forms::ROUTE_PATH),
            "Instead: the path of another route of the project.",
        ),
        field(
            "auth",
            Text(&forms::FUNCTION_NAME),
            "Who may call it: iam for signed requests, or the name of an [auth.NAME]. Else everybody.",
        ),
        field(
            "scopes",
            List(&Text(&forms::SCOPE)),
            "Of tokens: they need one of these.",
        ),
        field(
            "key",
            Truth,
            "Whether calls must bring an API key; squall keys makes them.",
        )
        .or("false"),
        field(
            "share",
            Truth,
            "Whether a signed link of somebody who may call it lets in whoever has it; squall share makes them.",
        )
        .or("false"),
        field(
            "allow",
            List(&Text(&forms::ADDRESSES)),
            "Addresses from which it may be called, such as 10.0.0.0/8. Else all.",
        ),
        field(
            "cors",
            Either(&[ORIGINS, Kind::Table(&CORS)]),
            "Origins whose pages may call it: a list, or a table.",
        ),
        field(
            "timeout",
            Number(1, 30),
            "Seconds that the gateway waits for an answer.",
        )
        .or("30; of a map or a model as long as it takes"),
        field(
            "body_limit",
            Either(&[Text(&forms::SIZE), Number(0, forms::MOST_BYTES)]),
            "The largest body that is taken, such as 2MB.",
        ),
        field(
            "concurrency",
            Number(1, 100_000),
            "Requests that are worked on at one time; more are told to come again.",
        ),
        field(
            "rate",
            Number(1, 100_000),
            "Requests in a second; more are told to come again.",
        ),
        field(
            "burst",
            Number(1, 100_000),
            "Requests that may come at once.",
        )
        .or("as rate"),
        field(
            "cache",
            Number(1, 86_400),
            "Seconds for which an answer to GET or HEAD is given again.",
        ),
        field(
            "compress",
            Truth,
            "Whether answers are compressed for clients that take it.",
        )
        .or("true"),
        field(
            "stream",
            Truth,
            "Of a function: whether its answer goes out while it is made.",
        )
        .or("false"),
        field(
            "summary",
            Text(&forms::LINE),
            "What it is for, in one line.",
        ),
    ],
};

static CORS: Table = Table {
    name: "cors",
    fields: &[
        field("origins", ORIGINS, "Origins whose pages may call it.").needed(),
        field(
            "methods",
            List(&Text(&forms::METHOD)),
            "What they may send.",
        )
        .or("all"),
        field(
            "headers",
            List(&Text(&forms::HEADER)),
            "Headers that they may send.",
        )
        .or("all; with credentials authorization, content-type and x-api-key"),
        field(
            "expose",
            List(&Text(&forms::HEADER)),
            "Headers of answers that they may read.",
        )
        .or("all; with credentials none"),
        field(
            "credentials",
            Truth,
            "Whether browsers send cookies and the like along.",
        )
        .or("false"),
        field(
            "max_age",
            Number(0, 86_400),
            "Seconds for which browsers remember this.",
        )
        .or("3600"),
    ],
};

pub static AUTH: Table = Table {
    name: "auth",
    fields: &[
        field(
            "issuer",
            Text(&forms::ISSUER),
            "Whose tokens are taken: what they say as iss.",
        ),
        field(
            "audience",
            TEXTS,
            "For whom tokens must be: one of these must be in aud.",
        ),
        field(
            "jwks",
            Text(&forms::JWKS),
            "The public keys of the issuer: a file of the project, or an address. Else where the issuer says.",
        ),
        field(
            "token",
            Text(&forms::TOKEN_SOURCE),
            "Where the token stands.",
        )
        .or("$request.header.Authorization"),
        field(
            "function",
            FUNCTION,
            "Instead of tokens: a function of the project that is asked.",
        ),
        field(
            "identity",
            List(&Text(&forms::IDENTITY_SOURCE)),
            "What a request must bring before the function is asked, and by what its answers are kept.",
        )
        .or("[\"$request.header.Authorization\"]"),
        field(
            "ttl",
            Number(0, 3_600),
            "Seconds for which an answer of the function holds; 0 asks each time.",
        )
        .or("300"),
        field(
            "simple",
            Truth,
            "Whether the function answers {\"isAuthorized\": true} instead of a policy.",
        )
        .or("true"),
    ],
};

/// The options of maps and of models; which belong to which is told by
/// [`MODEL_OPTIONS`].
static ROUTE_OPTIONS: Table = Table {
    name: "options of a route",
    fields: &[
        field(
            "id_column",
            Plain,
            "The column by which rows belong together.",
        )
        .or("id"),
        field("value_column", Plain, "The column of values.").or("value"),
        field("chunksize", Plain, "Items in one invocation.").or("auto"),
        field("compression", Plain, "Whether chunks are compressed.").or("false"),
        field("invoke_lambda", Plain, "Whether instances share the work.").or("true"),
        field("item", Plain, "How the function gets its items."),
        field("format", Plain, "How items travel."),
        field("on_error", Plain, "stop or collect.").or("stop"),
        field("retries", Plain, "How often a failed item is tried again.").or("0"),
        field("max_time", Plain, "Seconds until it is given up."),
        field(
            "type",
            OneOf(&["response", "link", "terms"]),
            "Of a model: what is predicted.",
        )
        .or("response"),
        field(
            "threshold",
            Plain,
            "Of a model: whether a value is above it is told beside it.",
        ),
        field(
            "decision",
            Plain,
            "Of a model: what that is called in the answer.",
        )
        .or("decision"),
        field(
            "interval",
            OneOf(&["none", "confidence", "prediction"]),
            "Of a model: limits beside each value.",
        )
        .or("none"),
        field("level", Plain, "Of a model: how sure those limits are.").or("0.95"),
        field(
            "se",
            Truth,
            "Of a model: standard errors beside each value.",
        )
        .or("false"),
        field(
            "coerce",
            Truth,
            "Of a model: take texts of JSON for numbers and numbers for levels, where the model has these.",
        )
        .or("false"),
        field("max_rows", Plain, "Of a model: the most rows of a request."),
    ],
};

/// Options of models. All others are of maps.
pub const MODEL_OPTIONS: &[&str] = &[
    "coerce",
    "decision",
    "interval",
    "level",
    "max_rows",
    "se",
    "threshold",
    "type",
];

# Runs functions that are written in R, on R alone: a client of AWS's Runtime API.
#
# `_HANDLER` is `file.function`: the file is sourced once, then the function is called
# for each event. A function whose first argument is called `event` gets the whole
# event; any other gets the fields of the event as its arguments. One that has an
# argument called `context` gets that, too. What it returns becomes JSON, and a
# condition that it does not handle becomes an error as AWS has them.

squall <- new.env()

# ---- JSON

squall$plain_string <- "\"[^\"\\\\]*+(?:\\\\.[^\"\\\\]*+)*+\""
squall$token <- paste0(
  squall$plain_string,
  "|-?[0-9]++(?:\\.[0-9]++)?(?:[eE][+-]?[0-9]++)?|true|false|null|[\\[\\]{},:]"
)

# Values of JSON as R has them: arrays of scalars are vectors, arrays of flat objects
# are data frames, other arrays and objects are lists.
squall$from_json <- function(text) {
  if (requireNamespace("jsonlite", quietly = TRUE)) {
    return(jsonlite::parse_json(text, simplifyVector = TRUE, simplifyMatrix = FALSE))
  }
  found <- gregexpr(squall$token, text, perl = TRUE)[[1]]
  between <- regmatches(text, list(found), invert = TRUE)[[1]]
  if (any(grepl("[^ \t\r\n]", between))) stop("this is not JSON")
  reader <- new.env()
  reader$tokens <- if (found[[1]] < 0) character() else regmatches(text, list(found))[[1]]
  reader$at <- 1L
  value <- squall$value(reader)
  if (reader$at <= length(reader$tokens)) stop("this is not JSON: something follows its end")
  value
}

squall$take <- function(reader, wanted = NULL) {
  if (reader$at > length(reader$tokens)) stop("this is not JSON: it ends too early")
  token <- reader$tokens[[reader$at]]
  if (!is.null(wanted) && !(token %in% wanted)) stop("this is not JSON: ", token, " is out of place")
  reader$at <- reader$at + 1L
  token
}

squall$value <- function(reader) {
  token <- squall$take(reader)
  switch(substr(token, 1, 1),
    "{" = squall$object(reader),
    "[" = squall$simple(squall$array(reader)),
    "\"" = squall$unescaped(token),
    "t" = TRUE,
    "f" = FALSE,
    "n" = NULL,
    "]" = , "}" = , "," = , ":" = stop("this is not JSON: ", token, " is out of place"),
    squall$number(token)
  )
}

squall$number <- function(token) {
  value <- as.numeric(token)
  whole <- grepl("^-?[0-9]+$", token) && abs(value) <= .Machine$integer.max
  if (whole) as.integer(value) else value
}

squall$object <- function(reader) {
  names <- character()
  values <- list()
  repeat {
    token <- squall$take(reader)
    if (token == "}" && length(names) == 0) break
    if (substr(token, 1, 1) != "\"") stop("this is not JSON: ", token, " is no name")
    squall$take(reader, ":")
    names[[length(names) + 1L]] <- squall$unescaped(token)
    # In brackets, because NULL would be no element.
    values[length(names)] <- list(squall$value(reader))
    if (squall$take(reader, c(",", "}")) == "}") break
  }
  structure(values, names = names)
}

squall$array <- function(reader) {
  values <- list()
  if (reader$at <= length(reader$tokens) && reader$tokens[[reader$at]] == "]") {
    squall$take(reader)
    return(values)
  }
  repeat {
    values[length(values) + 1L] <- list(squall$value(reader))
    if (squall$take(reader, c(",", "]")) == "]") return(values)
  }
}

squall$is_scalar <- function(value) is.null(value) || (is.atomic(value) && length(value) == 1L)

squall$vector <- function(values) {
  values[vapply(values, is.null, TRUE)] <- NA
  unlist(values)
}

squall$simple <- function(values) {
  if (length(values) == 0) return(values)
  if (all(vapply(values, squall$is_scalar, TRUE))) return(squall$vector(values))
  flat <- function(value) {
    is.list(value) && !is.data.frame(value) && !is.null(names(value)) &&
      all(vapply(value, squall$is_scalar, TRUE))
  }
  if (!all(vapply(values, flat, TRUE))) return(values)
  names <- unique(unlist(lapply(values, names)))
  columns <- lapply(names, function(name) squall$vector(lapply(values, function(row) row[[name]])))
  structure(columns, names = names, row.names = seq_along(values), class = "data.frame")
}

squall$unescaped <- function(token) {
  text <- substr(token, 2, nchar(token) - 1)
  if (!grepl("\\", text, fixed = TRUE)) return(text)
  at <- gregexpr("\\\\u[dD][89abAB][0-9a-fA-F]{2}\\\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\\\u[0-9a-fA-F]{4}|\\\\.",
    text, perl = TRUE)
  regmatches(text, at) <- lapply(regmatches(text, at), vapply, squall$escape, "")
  text
}

squall$escape <- function(text) {
  kind <- substr(text, 2, 2)
  if (kind != "u") {
    plain <- c(n = "\n", t = "\t", r = "\r", b = "\b", f = "\f", "\"" = "\"", "\\" = "\\", "/" = "/")
    if (!(kind %in% names(plain))) stop("this is not JSON: \\", kind)
    return(plain[[kind]])
  }
  units <- strtoi(strsplit(text, "\\u", fixed = TRUE)[[1]][-1], 16L)
  if (length(units) == 0 || anyNA(units)) stop("this is not JSON: ", text)
  if (length(units) == 2) units <- 0x10000 + (units[[1]] - 0xD800) * 0x400 + units[[2]] - 0xDC00
  # R has no texts with zeros in them, and halves of a pair are no characters.
  if (units == 0 || (units >= 0xD800 && units <= 0xDFFF)) return("\uFFFD")
  intToUtf8(units)
}

# JSON of what a function returns. Vectors of length one are scalars, unless they are
# wrapped in `I()`; numbers keep all their digits; NA is null.
squall$to_json <- function(value) {
  if (inherits(value, "json")) return(paste(as.character(value), collapse = ""))
  if (is.null(value)) return("null")
  if (is.data.frame(value)) return(paste0("[", paste(squall$rows(value), collapse = ","), "]"))
  if (is.list(value)) {
    parts <- vapply(value, squall$to_json, "")
    if (is.null(names(value))) return(paste0("[", paste(parts, collapse = ","), "]"))
    if (length(value) == 0) return("{}")
    names <- names(value)
    names[names == ""] <- as.character(which(names == ""))
    return(paste0("{", paste0(squall$quoted(names), ":", parts, collapse = ","), "}"))
  }
  if (is.matrix(value)) {
    parts <- apply(value, 1, function(row) paste0("[", paste(squall$scalars(row), collapse = ","), "]"))
    return(paste0("[", paste(parts, collapse = ","), "]"))
  }
  parts <- squall$scalars(value)
  if (length(parts) == 1 && !inherits(value, "AsIs")) return(parts)
  paste0("[", paste(parts, collapse = ","), "]")
}

squall$rows <- function(frame) {
  if (nrow(frame) == 0) return(character())
  if (ncol(frame) == 0) return(rep("{}", nrow(frame)))
  columns <- lapply(names(frame), function(name) {
    column <- frame[[name]]
    parts <- if (is.data.frame(column)) {
      squall$rows(column)
    } else if (is.list(column)) {
      vapply(column, squall$to_json, "")
    } else {
      squall$scalars(column)
    }
    paste0(squall$quoted(name), ":", parts)
  })
  paste0("{", do.call(paste, c(columns, sep = ",")), "}")
}

squall$scalars <- function(values) {
  if (is.factor(values)) values <- as.character(values)
  if (inherits(values, "Date")) values <- format(values, "%Y-%m-%d")
  if (inherits(values, "POSIXt")) values <- format(values, "%Y-%m-%dT%H:%M:%SZ", tz = "UTC")
  missing <- is.na(values)
  parts <- switch(typeof(values),
    logical = ifelse(values, "true", "false"),
    integer = as.character(unclass(values)),
    double = squall$digits(unclass(values)),
    character = squall$quoted(values),
    stop("a value of the type ", typeof(values), " cannot be JSON")
  )
  if (is.double(values)) missing <- missing | !is.finite(values)
  parts[missing] <- "null"
  parts
}

# The shorter of 15 and 17 digits that is the number again.
squall$digits <- function(values) {
  values <- as.vector(values)
  values[!is.finite(values)] <- 0
  parts <- sprintf("%.15g", values)
  longer <- as.numeric(parts) != values
  parts[longer] <- sprintf("%.17g", values[longer])
  parts
}

squall$quoted <- function(texts) {
  if (length(texts) == 0) return(character())
  texts <- enc2utf8(as.character(texts))
  texts <- gsub("\\", "\\\\", texts, fixed = TRUE)
  texts <- gsub("\"", "\\\"", texts, fixed = TRUE)
  # Not by grepl of [[:cntrl:]]: what that is depends on the locale.
  if (any(grepl("[\001-\037]", texts, perl = TRUE))) {
    for (code in 1:31) {
      texts <- gsub(intToUtf8(code), sprintf("\\u%04x", code), texts, fixed = TRUE)
    }
  }
  paste0("\"", texts, "\"")
}

# ---- The Runtime API

# A year: an instance waits for its next event as long as it lives.
squall$patience <- 31536000L

squall$connect <- function() {
  address <- strsplit(Sys.getenv("AWS_LAMBDA_RUNTIME_API"), ":", fixed = TRUE)[[1]]
  arguments <- list(
    host = address[[1]], port = as.integer(address[[2]]), open = "r+b", blocking = TRUE,
    timeout = squall$patience
  )
  # Not in old R. Without it a small request may wait for an acknowledgement.
  if ("options" %in% names(formals(socketConnection))) arguments$options <- "no-delay"
  do.call(socketConnection, arguments)
}

# Status, headers and body of an answer, or NULL where the connection has ended.
squall$request <- function(connection, method, path, body = raw(), headers = character()) {
  head <- c(
    paste0(method, " /2018-06-01/runtime/", path, " HTTP/1.1"),
    paste0("Host: ", Sys.getenv("AWS_LAMBDA_RUNTIME_API")),
    paste0("Content-Length: ", length(body)),
    headers, "", ""
  )
  # In one piece: a second one would wait until the first is acknowledged.
  writeBin(c(charToRaw(paste(head, collapse = "\r\n")), body), connection)
  line <- squall$line(connection)
  if (is.null(line)) return(NULL)
  answer <- list(status = as.integer(strsplit(line, " ")[[1]][[2]]), headers = list())
  while (!is.null(line <- squall$line(connection)) && nzchar(line)) {
    colon <- regexpr(":", line, fixed = TRUE)
    name <- tolower(substr(line, 1, colon - 1))
    answer$headers[[name]] <- trimws(substr(line, colon + 1, nchar(line)))
  }
  answer$body <- squall$body(connection, answer$headers)
  answer
}

squall$line <- function(connection) {
  line <- readLines(connection, 1L, warn = FALSE)
  if (length(line) == 0) NULL else sub("\r$", "", line)
}

squall$body <- function(connection, headers) {
  if (!identical(headers[["transfer-encoding"]], "chunked")) {
    length <- headers[["content-length"]]
    return(if (is.null(length)) raw() else squall$bytes(connection, as.integer(length)))
  }
  parts <- list()
  repeat {
    size <- strtoi(sub(";.*", "", squall$line(connection)), 16L)
    if (size > 0) parts[[length(parts) + 1L]] <- squall$bytes(connection, size)
    squall$line(connection)
    if (size == 0) return(if (length(parts)) do.call(c, parts) else raw())
  }
}

squall$bytes <- function(connection, count) {
  parts <- list()
  while (count > 0) {
    part <- readBin(connection, "raw", count)
    if (length(part) == 0) stop("the Runtime API ended its answer early")
    parts[[length(parts) + 1L]] <- part
    count <- count - length(part)
  }
  if (length(parts) == 1) parts[[1]] else do.call(c, c(list(raw()), parts))
}

# ---- Invocations

# `file.function`: the file is beside this one, or in the folder that is named.
squall$load <- function(handler) {
  dot <- regexpr("\\.[^.]*$", handler)
  if (dot < 2) squall$fail("Runtime.MalformedHandlerName", "Bad handler '", handler, "': it is not like file.function")
  file <- paste0(substr(handler, 1, dot - 1), ".R")
  name <- substr(handler, dot + 1, nchar(handler))
  if (!file.exists(file)) squall$fail("Runtime.ImportModuleError", "Unable to source '", file, "': there is no such file")
  source(file, local = globalenv(), encoding = "UTF-8")
  found <- get0(name, globalenv(), mode = "function", inherits = FALSE)
  if (is.null(found)) squall$fail("Runtime.HandlerNotFound", "Handler '", name, "' is not a function of '", file, "'")
  found
}

squall$fail <- function(kind, ...) {
  stop(structure(list(message = paste0(...), call = NULL), class = c(kind, "error", "condition")))
}

squall$call <- function(handler, event, context) {
  names <- names(formals(args(handler)))
  arguments <- if (length(names) > 0 && names[[1]] == "event") {
    list(event = event)
  } else if (is.list(event) && !is.null(names(event))) {
    as.list(if ("..." %in% names) event else event[names(event) %in% names])
  } else if (is.null(event) || length(event) == 0 || length(names) == 0) {
    list()
  } else {
    list(event)
  }
  if ("context" %in% names) arguments$context <- context
  do.call(handler, arguments, quote = TRUE)
}

squall$context <- function(headers) {
  deadline <- as.numeric(headers[["lambda-runtime-deadline-ms"]])
  list(
    aws_request_id = headers[["lambda-runtime-aws-request-id"]],
    invoked_function_arn = headers[["lambda-runtime-invoked-function-arn"]],
    function_name = Sys.getenv("AWS_LAMBDA_FUNCTION_NAME"),
    function_version = Sys.getenv("AWS_LAMBDA_FUNCTION_VERSION"),
    memory_limit_in_mb = Sys.getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"),
    log_group_name = Sys.getenv("AWS_LAMBDA_LOG_GROUP_NAME"),
    log_stream_name = Sys.getenv("AWS_LAMBDA_LOG_STREAM_NAME"),
    get_remaining_time_in_millis = function() max(0, deadline - as.numeric(Sys.time()) * 1000)
  )
}

# The value of an expression, or the condition that ended it, with where that was.
squall$guarded <- function(expression) {
  calls <- NULL
  tryCatch(
    withCallingHandlers(
      list(value = expression),
      error = function(condition) calls <<- sys.calls()
    ),
    error = function(condition) list(error = squall$error(condition, calls))
  )
}

squall$error <- function(condition, calls) {
  lines <- vapply(as.list(calls), function(call) {
    paste(trimws(utils::head(deparse(call, nlines = 1L, width.cutoff = 120L), 1)), collapse = "")
  }, "")
  # Ours at the top, and R's own for conditions at the end.
  ours <- grepl("^squall\\$|^(tryCatch|withCallingHandlers|doTryCatch|do\\.call|\\.handleSimpleError|h\\(simpleError)", lines)
  list(
    errorMessage = enc2utf8(conditionMessage(condition)),
    errorType = class(condition)[[1]],
    stackTrace = I(enc2utf8(as.character(lines[!ours & !grepl("^tryCatch", lines)])))
  )
}

squall$report <- function(connection, path, error) {
  message("[ERROR] ", error$errorType, ": ", error$errorMessage)
  for (line in error$stackTrace) message("  ", line)
  kind <- paste0("Lambda-Runtime-Function-Error-Type: ", gsub("[^ -~]", "?", error$errorType))
  squall$request(connection, "POST", path, charToRaw(squall$to_json(error)), kind)
}

squall$serve <- function(connection, handler) {
  answer <- squall$request(connection, "GET", "invocation/next")
  if (is.null(answer)) quit(status = 0)
  headers <- answer$headers
  Sys.setenv("_X_AMZN_TRACE_ID" = if (is.null(headers[["lambda-runtime-trace-id"]])) "" else headers[["lambda-runtime-trace-id"]])
  path <- paste0("invocation/", headers[["lambda-runtime-aws-request-id"]])
  done <- squall$guarded({
    text <- rawToChar(answer$body)
    Encoding(text) <- "UTF-8"
    event <- squall$from_json(text)
    # Of a keep-warm schedule, or to see whether the function can be loaded.
    warms <- is.list(event) && is.list(event$squall) && !is.null(event$squall$warm)
    value <- if (warms) event else squall$call(handler, event, squall$context(headers))
    charToRaw(enc2utf8(squall$to_json(value)))
  })
  flush(stdout())
  if (is.null(done$error)) {
    squall$request(connection, "POST", paste0(path, "/response"), done$value, "Content-Type: application/json")
  } else {
    squall$report(connection, paste0(path, "/error"), done$error)
  }
}

# Puts an object of S3 into a file, unless that is there; returns the file's name. R has
# no signatures, curl has.
squall$get_object <- function(bucket, key, file = file.path("/tmp", basename(key))) {
  if (file.exists(file)) return(file)
  region <- Sys.getenv("AWS_REGION", "us-east-1")
  own <- Sys.getenv("AWS_ENDPOINT_URL_S3", Sys.getenv("AWS_ENDPOINT_URL"))
  base <- if (nzchar(own)) paste0(own, "/", bucket) else paste0("https://", bucket, ".s3.", region, ".amazonaws.com")
  part <- tempfile("object-", "/tmp")
  # Through its input, so that no list of processes shows the keys.
  options <- c(
    paste0("url = \"", base, "/", utils::URLencode(key), "\""),
    paste0("aws-sigv4 = \"aws:amz:", region, ":s3\""),
    paste0("user = \"", Sys.getenv("AWS_ACCESS_KEY_ID"), ":", Sys.getenv("AWS_SECRET_ACCESS_KEY"), "\""),
    paste0("header = \"x-amz-security-token: ", Sys.getenv("AWS_SESSION_TOKEN"), "\""),
    "header = \"x-amz-content-sha256: UNSIGNED-PAYLOAD\"",
    paste0("output = \"", part, "\""),
    "fail", "silent", "show-error", "retry = 3", "max-time = 300"
  )
  said <- suppressWarnings(system2("curl", c("-K", "-"), input = options, stdout = TRUE, stderr = TRUE))
  if (!is.null(attr(said, "status"))) {
    unlink(part)
    squall$fail("Squall.GetObject", "s3://", bucket, "/", key, " cannot be read: ", paste(said, collapse = " "))
  }
  file.rename(part, file)
  file
}

squall$main <- function() {
  # As they happen: nothing here ever comes back to where R would show them.
  options(warn = 1, encoding = "UTF-8")
  root <- Sys.getenv("LAMBDA_TASK_ROOT", getwd())
  setwd(root)
  own <- c(file.path(root, "library"), "/opt/R/library")
  .libPaths(c(own[dir.exists(own)], .libPaths()))
  connection <- squall$connect()
  loaded <- squall$guarded(squall$load(Sys.getenv("_HANDLER")))
  if (!is.null(loaded$error)) {
    squall$report(connection, "init/error", loaded$error)
    quit(status = 1)
  }
  repeat squall$serve(connection, loaded$value)
}

squall$main()

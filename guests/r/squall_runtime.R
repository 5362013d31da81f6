# Runs functions that are written in R, on R alone: a client of AWS's Runtime API, for
# where R cannot be loaded as a library. What handlers are is in `squall_glue.R`.

squall_files <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[[1]]))
source(file.path(squall_files, "squall_glue.R"), encoding = "UTF-8")

# As the glue, apart from what a function's file may call as we do.
local({

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

# `reader$kind` says what came: an array of one number looks like a number in R.
squall$value <- function(reader) {
  token <- squall$take(reader)
  value <- switch(substr(token, 1, 1),
    "{" = squall$object(reader),
    "[" = squall$array(reader),
    "\"" = squall$unescaped(token),
    "t" = TRUE,
    "f" = FALSE,
    "n" = NULL,
    "]" = , "}" = , "," = , ":" = stop("this is not JSON: ", token, " is out of place"),
    squall$number(token)
  )
  first <- substr(token, 1, 1)
  reader$kind <- if (first == "{" && reader$flat) "row" else if (first %in% c("{", "[")) "other" else "scalar"
  value
}

squall$number <- function(token) {
  value <- as.numeric(token)
  whole <- grepl("^-?[0-9]+$", token) && abs(value) <= .Machine$integer.max
  if (whole) as.integer(value) else value
}

squall$object <- function(reader) {
  names <- character()
  values <- list()
  flat <- TRUE
  repeat {
    token <- squall$take(reader)
    if (token == "}" && length(names) == 0) break
    if (substr(token, 1, 1) != "\"") stop("this is not JSON: ", token, " is no name")
    squall$take(reader, ":")
    names[[length(names) + 1L]] <- squall$unescaped(token)
    # In brackets, because NULL would be no element.
    values[length(names)] <- list(squall$value(reader))
    flat <- flat && reader$kind == "scalar"
    if (squall$take(reader, c(",", "}")) == "}") break
  }
  reader$flat <- flat
  structure(values, names = names)
}

squall$array <- function(reader) {
  values <- list()
  kinds <- character()
  if (reader$at <= length(reader$tokens) && reader$tokens[[reader$at]] == "]") {
    squall$take(reader)
    return(values)
  }
  repeat {
    values[length(values) + 1L] <- list(squall$value(reader))
    kinds[[length(values)]] <- reader$kind
    if (squall$take(reader, c(",", "]")) == "]") return(squall$simple(values, kinds))
  }
}

squall$vector <- function(values) {
  values[vapply(values, is.null, TRUE)] <- NA
  unlist(values)
}

squall$simple <- function(values, kinds) {
  if (all(kinds == "scalar")) return(squall$vector(values))
  if (!all(kinds == "row")) return(values)
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
  if (inherits(value, "POSIXlt")) value <- as.POSIXct(value)
  if (inherits(value, "json")) return(paste(as.character(value), collapse = ""))
  if (is.null(value)) return("null")
  if (is.data.frame(value)) return(paste0("[", paste(squall$rows(value), collapse = ","), "]"))
  if (is.list(value)) {
    parts <- vapply(value, squall$to_json, "")
    if (is.null(names(value))) return(paste0("[", paste(parts, collapse = ","), "]"))
    if (length(value) == 0) return("{}")
    names <- names(value)
    unnamed <- which(names == "")
    names[unnamed] <- as.character(unnamed)
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
  if (is.double(values) && isTRUE(squall$of_map)) squall$floats(parts, values) else parts
}

# In answers of a map, numbers are told from whole ones, and what JSON cannot write is an
# object.
squall$floats <- function(parts, values) {
  whole <- grepl("^-?[0-9]+$", parts)
  parts[whole] <- paste0(parts[whole], ".0")
  parts[is.nan(values)] <- "{\"squall\":\"nan\"}"
  infinite <- is.infinite(values)
  parts[infinite] <- ifelse(values[infinite] > 0, "{\"squall\":\"inf\"}", "{\"squall\":\"-inf\"}")
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

squall$report <- function(connection, path, error) {
  message("[ERROR] ", error$errorType, ": ", error$errorMessage)
  for (line in error$stackTrace) message("  ", line)
  kind <- paste0("Lambda-Runtime-Function-Error-Type: ", gsub("[^ -~]", "?", error$errorType))
  squall$request(connection, "POST", path, charToRaw(squall$to_json(error)), kind)
}

# One step of an invocation whose errors have a name of AWS's.
squall$step <- function(kind, words, expression) {
  tryCatch(expression, error = function(condition) {
    squall$fail(kind, words, ": ", conditionMessage(condition))
  })
}

squall$answer <- function(body, meta) {
  event <- squall$step("Runtime.UnmarshalError", "Unable to unmarshal input", {
    text <- rawToChar(body)
    Encoding(text) <- "UTF-8"
    squall$from_json(text)
  })
  # Of a keep-warm schedule, or to see whether the function can be loaded.
  if (is.list(event) && is.list(event$squall) && !is.null(event$squall$warm)) return(body)
  if (is.list(event) && is.list(event$squall) && !is.null(event$squall$map)) return(squall$mapped(event, meta))
  value <- squall$call(event, meta)
  squall$step("Runtime.MarshalError", "Unable to marshal response", {
    charToRaw(enc2utf8(squall$to_json(value)))
  })
}

# The events of a map, with items as JSON alone: what else there is wants a faster reader.
squall$mapped <- function(event, meta) {
  header <- event$squall
  if (header$map == "describe") {
    said <- list(item = squall$kind(), formats = I("json"), numpy = FALSE, pandas = FALSE)
    return(charToRaw(enc2utf8(squall$to_json(list(squall = said)))))
  }
  if (header$map != "chunk" || is.null(event$items)) {
    squall$fail("Squall.BadChunk", "chunks are only read here as JSON that lies in the event")
  }
  items <- squall$items(event$items, header)
  if (length(items) != header$count) squall$fail("Squall.BadChunk", "there are not ", header$count, " items")
  done <- squall$each(items, header$item, meta)
  errors <- done$errors
  parts <- character(length(done$results))
  for (at in seq_along(parts)) {
    part <- tryCatch(squall$row_json(done$results[[at]]), error = identity)
    if (is.character(part)) {
      parts[[at]] <- part
    } else {
      message <- paste0("Unable to marshal response: ", conditionMessage(part))
      error <- list(place = at - 1L, errorMessage = message, errorType = "Runtime.MarshalError", stackTrace = I(character()))
      errors[[length(errors) + 1L]] <- error
      parts[[at]] <- "null"
    }
  }
  pairs <- lapply(errors, function(error) list(error$place, error[names(error) != "place"]))
  for (error in utils::head(errors, 10L)) {
    message("[ERROR] item ", error$place, " of ", header$count, ": ", error$errorType, ": ", error$errorMessage)
  }
  charToRaw(enc2utf8(paste0(
    "{\"results\":[", paste(parts, collapse = ","), "],\"errors\":", squall$to_json(pairs),
    ",\"took\":", squall$to_json(list(wall = done$wall, cpu = done$cpu)), "}"
  )))
}

# What has names is a row, a data frame of one row is that row.
squall$row_json <- function(value) {
  squall$of_map <- TRUE
  on.exit(squall$of_map <- FALSE)
  if (is.data.frame(value) && nrow(value) == 1) return(squall$rows(value))
  if (is.atomic(value) && !is.null(names(value)) && is.null(dim(value))) value <- as.list(value)
  squall$to_json(value)
}

# A row as the object that it was.
squall$fields <- function(row, frame) {
  lapply(frame, function(column) if (is.data.frame(column)) squall$fields(row, column) else column[[row]])
}

squall$items <- function(items, header) {
  kind <- header$item
  if (is.data.frame(items)) items <- lapply(seq_len(nrow(items)), squall$fields, items)
  items <- as.list(items)
  if (kind == "json") return(items)
  types <- as.list(header$columns)$type
  typed <- function(values, type) {
    values <- unlist(values)
    switch(type,
      float = as.numeric(values),
      int = if (is.null(values)) integer() else values,
      bool = as.logical(values),
      as.character(values)
    )
  }
  if (kind == "dict") {
    return(lapply(items, function(item) {
      item <- as.list(item)
      item$values <- typed(item$values, types[[1]])
      item
    }))
  }
  if (kind != "frame") return(lapply(items, typed, types[[1]]))
  lapply(items, function(item) {
    columns <- Map(typed, as.list(item), types)
    rows <- if (length(columns) > 0) length(columns[[1]]) else 0L
    structure(columns, names = header$columns$name, row.names = seq_len(rows), class = "data.frame")
  })
}

squall$serve <- function(connection) {
  answer <- squall$request(connection, "GET", "invocation/next")
  if (is.null(answer)) quit(status = 0)
  headers <- answer$headers
  trace <- headers[["lambda-runtime-trace-id"]]
  Sys.setenv("_X_AMZN_TRACE_ID" = if (is.null(trace)) "" else trace)
  meta <- list(
    id = headers[["lambda-runtime-aws-request-id"]],
    arn = headers[["lambda-runtime-invoked-function-arn"]],
    deadline = as.numeric(headers[["lambda-runtime-deadline-ms"]])
  )
  path <- paste0("invocation/", meta$id)
  done <- squall$guarded(squall$answer(answer$body, meta))
  flush(stdout())
  if (is.null(done$error)) {
    squall$request(connection, "POST", paste0(path, "/response"), done$value, "Content-Type: application/json")
  } else {
    squall$report(connection, paste0(path, "/error"), done$error)
  }
}

squall$main <- function() {
  root <- Sys.getenv("LAMBDA_TASK_ROOT", getwd())
  squall$settle(root)
  squall$prefer(c(file.path(root, "library"), "/opt/r/site-library", "/opt/R/library"))
  connection <- squall$connect()
  loaded <- squall$guarded(squall$load(Sys.getenv("_HANDLER")))
  if (!is.null(loaded$error)) {
    squall$report(connection, "init/error", loaded$error)
    quit(status = 1)
  }
  repeat squall$serve(connection)
}

squall$main()

}, envir = list2env(list(squall = squall), parent = baseenv()))

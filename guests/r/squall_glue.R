# What functions in R are to Squall: how their handler is found and called, what its
# errors become, and what they get to help them. Wherever such a function runs, this
# file is in it: in the program that loads R itself, and in `squall_runtime.R`.
#
# `_HANDLER` is `file.function`: the file is sourced once, then the function is called
# for each event. A function whose first argument is called `event` gets the whole
# event; any other gets the fields of the event as its arguments. One that has an
# argument called `context` gets that, too. A condition that it does not handle becomes
# an error as AWS has them.

# In an environment of its own: what a function's file calls `squall`, `list` or `names`
# stays its own business.
squall <- local({
  squall <- new.env()
  # Where the handler's call is evaluated: the handler, and what is special to a call.
  scope <- new.env(parent = globalenv())
  # How many calls of an error's trace are told, at most, of its beginning and its end.
  told <- 25L

  squall$fail <- function(kind, ...) {
    stop(structure(list(message = paste0(...), call = NULL), class = c(kind, "error", "condition")))
  }

  # ---- Loading

  # Folders of packages that come before R's own.
  squall$prefer <- function(folders) .libPaths(c(folders[dir.exists(folders)], .libPaths()))

  # As they happen: nothing here ever comes back to where R would show them.
  squall$settle <- function(root) {
    options(warn = 1, encoding = "UTF-8")
    setwd(root)
  }

  # `file.function`: the file is in the working directory, or in the folder that is named.
  squall$load <- function(handler) {
    dot <- regexpr("\\.[^.]*$", handler)
    if (dot < 2) squall$fail("Runtime.MalformedHandlerName", "Bad handler '", handler, "': it is not like file.function")
    file <- paste0(substr(handler, 1, dot - 1), ".R")
    name <- substr(handler, dot + 1, nchar(handler))
    if (!file.exists(file)) squall$fail("Runtime.ImportModuleError", "Unable to source '", file, "': there is no such file")
    # What is called there comes below `source`, `withVisible`, and `eval` twice.
    squall$depth <- sys.nframe() + 4L
    source(file, local = globalenv(), encoding = "UTF-8")
    squall$depth <- NULL
    found <- get0(name, globalenv(), mode = "function", inherits = FALSE)
    if (is.null(found)) squall$fail("Runtime.HandlerNotFound", "Handler '", name, "' is not a function of '", file, "'")
    squall$handle(found, name)
  }

  squall$handle <- function(handler, name) {
    assign(name, handler, envir = scope)
    squall$name <- as.name(name)
    squall$arguments <- names(formals(args(handler)))
    squall$takes_event <- length(squall$arguments) > 0 && squall$arguments[[1]] == "event"
    squall$takes_context <- "context" %in% squall$arguments
    squall$takes_all <- "..." %in% squall$arguments
  }

  # ---- Calling

  squall$call <- function(event, meta) {
    arguments <- if (squall$takes_event) {
      list(event = event)
    } else if (is.list(event) && !is.null(names(event))) {
      as.list(if (squall$takes_all) event else event[names(event) %in% squall$arguments])
    } else if (length(event) == 0 || length(squall$arguments) == 0) {
      list()
    } else {
      list(event)
    }
    if (squall$takes_context) {
      # Made when it is looked at: most handlers only take it.
      delayedAssign("context", squall$context(meta), assign.env = scope)
      arguments["context"] <- list(quote(context))
    }
    # `eval` is there twice.
    squall$depth <- sys.nframe() + 2L
    value <- eval(as.call(c(list(squall$name), arguments)), scope)
    squall$depth <- NULL
    value
  }

  squall$context <- function(meta) {
    deadline <- meta$deadline
    list(
      aws_request_id = meta$id,
      invoked_function_arn = meta$arn,
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
    squall$depth <- NULL
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
    message <- tryCatch(paste(conditionMessage(condition), collapse = "\n"), error = function(e) "")
    list(
      errorMessage = enc2utf8(message),
      errorType = enc2utf8(class(condition)[[1]]),
      stackTrace = I(squall$trace(as.list(calls)))
    )
  }

  # The calls of the function's own, each in a line.
  squall$trace <- function(calls) {
    # Ours come first.
    ours <- squall$depth
    if (is.null(ours)) return(character())
    calls <- calls[-seq_len(min(ours, length(calls)))]
    if (length(calls) > 2L * told) {
      left <- length(calls) - 2L * told
      between <- paste("...", left, "more ...")
      calls <- c(calls[seq_len(told)], list(between), calls[length(calls) - told + seq_len(told)])
    }
    lines <- vapply(calls, squall$line_of, "")
    # R's own ways to signal come last.
    signals <- grepl("^(\\.handleSimpleError\\(|h\\(simpleError|\\(function ?\\(condition\\))", lines)
    as.character(lines[!signals])
  }

  squall$line_of <- function(call) {
    if (is.character(call)) return(call)
    line <- tryCatch(deparse(call, width.cutoff = 120L, nlines = 1L)[[1]], error = function(e) "...")
    enc2utf8(substr(trimws(line), 1, 200))
  }

  # ---- Maps
  #
  # Items instead of an event: docs/map-protocol.md says what is sent. A vector or a data
  # frame is the function's first argument; an object's fields are its arguments where it
  # has arguments of these names.

  squall$kinds <- c("series", "array", "list", "frame", "dict", "json")

  # How the function wants its items: said by its settings, by its attribute `item`, or by
  # the name of its first argument.
  squall$kind <- function() {
    handler <- get(as.character(squall$name), envir = scope)
    said <- Sys.getenv("SQUALL_ITEM")
    if (!nzchar(said)) said <- attr(handler, "item", exact = TRUE)
    if (!is.null(said)) {
      if (!(said %in% squall$kinds)) squall$fail("Squall.ItemKind", "there is no kind of items called '", said, "'")
      return(said)
    }
    arguments <- formals(args(handler))
    if (length(arguments) == 0) squall$fail("Squall.ItemKind", "the function takes no arguments; a map gives it an item")
    first <- squall$arguments[[1]]
    if (first %in% c("frame", "df", "data")) return("frame")
    needed <- vapply(arguments, function(default) is.symbol(default) && !nzchar(default), TRUE)
    needed <- setdiff(squall$arguments[needed], c("context", "..."))
    if (first %in% c("item", "row", "event") || length(needed) > 1) "dict" else "series"
  }

  # The function as one of an item alone.
  squall$of_item <- function(kind, meta) {
    arguments <- list(squall$name, quote(item))
    if (squall$takes_context) {
      assign("context", squall$context(meta), envir = scope)
      arguments <- c(arguments, if (squall$arguments[[1]] == "context") list() else list(context = quote(context)))
    }
    plain <- eval(call("function", as.pairlist(alist(item = )), as.call(arguments)), scope)
    if (squall$takes_event || !(kind %in% c("dict", "json"))) return(plain)
    function(item) {
      has_fields <- is.list(item) && any(names(item) %in% squall$arguments)
      if (!has_fields) return(plain(item))
      depth <- squall$depth
      value <- squall$call(item, meta)
      squall$depth <- depth
      value
    }
  }

  # What became of each item. An error ends its item alone: the handlers of conditions are
  # set once for all items up to it, for setting them takes longer than a small function.
  squall$each <- function(items, kind, meta) {
    one <- squall$of_item(kind, meta)
    # `sys.nframe` of an argument's own code would be that of this function.
    deep <- function() sys.nframe()
    count <- length(items)
    results <- vector("list", count)
    failed <- list()
    at <- 0L
    began <- proc.time()
    while (at < count) {
      done <- squall$guarded({
        squall$depth <- deep()
        while (at < count) {
          at <- at + 1L
          value <- one(items[[at]])
          if (!is.null(value)) results[[at]] <- value
        }
      })
      if (!is.null(done$error)) failed[[length(failed) + 1L]] <- c(list(place = at - 1L), done$error)
    }
    took <- proc.time() - began
    list(results = results, errors = failed, wall = took[[3L]], cpu = took[[1L]] + took[[2L]])
  }

  # ---- Helpers of functions

  # Puts an object of S3 into a file, unless that is there; returns the file's name. R has
  # no signatures, curl has.
  squall$get_object <- function(bucket, key, file = NULL) {
    # Of the whole name: two objects may have the same last part.
    encoded <- function(text) utils::URLencode(text, reserved = TRUE, repeated = TRUE)
    whole <- encoded(paste0(bucket, "/", key))
    if (is.null(file)) file <- file.path("/tmp", whole)
    if (file.exists(file)) return(file)
    path <- gsub("%2F", "/", encoded(key), fixed = TRUE)
    host <- encoded(bucket)
    region <- Sys.getenv("AWS_REGION", "us-east-1")
    own <- Sys.getenv("AWS_ENDPOINT_URL_S3", Sys.getenv("AWS_ENDPOINT_URL"))
    base <- if (nzchar(own)) paste0(own, "/", host) else paste0("https://", host, ".s3.", region, ".amazonaws.com")
    part <- tempfile("object-", "/tmp")
    # Through its input, so that no list of processes shows the keys.
    options <- c(
      paste0("url = \"", base, "/", path, "\""),
      paste0("aws-sigv4 = \"aws:amz:", region, ":s3\""),
      paste0("user = \"", Sys.getenv("AWS_ACCESS_KEY_ID"), ":", Sys.getenv("AWS_SECRET_ACCESS_KEY"), "\""),
      paste0("header = \"x-amz-security-token: ", Sys.getenv("AWS_SESSION_TOKEN"), "\""),
      "header = \"x-amz-content-sha256: UNSIGNED-PAYLOAD\"",
      paste0("output = \"", part, "\""),
      "fail", "globoff", "silent", "show-error", "retry = 3", "max-time = 300"
    )
    said <- suppressWarnings(system2("curl", c("-K", "-"), input = options, stdout = TRUE, stderr = TRUE))
    if (!is.null(attr(said, "status"))) {
      unlink(part)
      squall$fail("Squall.GetObject", "s3://", bucket, "/", key, " cannot be read: ", paste(said, collapse = " "))
    }
    file.rename(part, file)
    file
  }

  # Times as R's calendar has them, which is a list, become such as are numbers.
  squall$plain <- function(value) {
    if (inherits(value, "POSIXlt")) return(as.POSIXct(value))
    if (!is.list(value)) return(value)
    own <- attributes(value)
    value <- lapply(unclass(value), squall$plain)
    attributes(value) <- own
    value
  }

  # R reads a function of a package from disk when it is first called. Those by which the
  # usual models predict are called before forks are made if the function holds such a
  # model: with data of our own, and nothing of the function's.
  squall$predict_once <- function() {
    held <- function(name) inherits(get0(name, globalenv(), inherits = FALSE), "lm")
    if (!any(vapply(ls(globalenv()), held, NA))) return()
    rows <- data.frame(y = c(0, 1, 1, 0, 1, 0), x = 1:6, g = factor(rep(c("a", "b"), 3L)))
    fit <- stats::glm(y ~ x + g, stats::binomial(), rows)
    stats:::predict.glm(fit, rows[1L, ], type = "response")
  }

  # ---- Inside the program that loads R
  #
  # Each takes a vector of bytes, most of them a serialized list, and gives back one, or
  # the texts of an error: its class, its message, its calls.

  squall$guest <- list(
    # Settles in and sources the function's file.
    load = function(bytes) {
      request <- unserialize(bytes)
      squall$texts_or_bytes(squall$guarded({
        squall$settle(request$root)
        squall$prefer(request$libraries)
        squall$load(request$handler)
        raw()
      }))
    },
    # One event.
    serve = function(bytes) {
      request <- unserialize(bytes)
      squall$texts_or_bytes(squall$guarded(
        serialize(squall$call(request[[1L]], request), NULL, xdr = FALSE, version = 2L)
      ))
    },
    # Before forks are made of this process: what each would do again, and no garbage.
    prepare = function(bytes) {
      for (place in list(globalenv(), squall)) {
        for (name in ls(place)) {
          own <- get0(name, place, mode = "function", inherits = FALSE)
          if (typeof(own) != "closure" || bindingIsLocked(name, place)) next
          try(assign(name, compiler::cmpfun(own), envir = place), silent = TRUE)
        }
      }
      name <- as.character(squall$name)
      squall$handle(function(event) event, "squall_warming")
      event <- serialize(list(list(), id = "", arn = "", deadline = 0), NULL)
      for (time in 1:3) squall$guest$serve(event)
      rm("squall_warming", envir = scope)
      squall$handle(get0(name, globalenv(), mode = "function", inherits = FALSE), name)
      try(suppressWarnings(squall$predict_once()), silent = TRUE)
      gc()
      raw()
    },
    # In a fork: none must draw the numbers of another one.
    begin = function(bytes) {
      seen <- ".Random.seed"
      if (exists(seen, envir = globalenv(), inherits = FALSE)) rm(list = seen, envir = globalenv())
      set.seed(unserialize(bytes))
      raw()
    },
    # Whether packages can be loaded, and which versions they are.
    check = function(bytes) {
      squall$texts_or_bytes(squall$guarded({
        request <- unserialize(bytes)
        squall$prefer(request$libraries)
        versions <- lapply(request$packages, function(name) {
          loadNamespace(name)
          as.character(utils::packageVersion(name))
        })
        names(versions) <- request$packages
        answer <- list(r = as.character(getRversion()), packages = versions)
        serialize(answer, NULL, xdr = FALSE, version = 2L)
      }))
    },
    # Takes a pointer by which JSON is converted where that is faster than in R.
    native = function(pointer) {
      text_of <- function(bytes) {
        text <- rawToChar(bytes)
        Encoding(text) <- "UTF-8"
        text
      }
      converted <- function(mode, bytes) {
        answer <- .Call(pointer, c(as.raw(mode), bytes))
        if (answer[[1L]] != 0) stop(text_of(answer[-1L]), call. = FALSE)
        answer[-1L]
      }
      squall$from_json <- function(text) {
        unserialize(converted(0, charToRaw(enc2utf8(paste(text, collapse = "\n")))))
      }
      squall$to_json <- function(value) {
        text_of(converted(1, serialize(squall$plain(value), NULL, xdr = FALSE, version = 2L)))
      }
      raw()
    },
    # How the function wants the items of a map.
    describe = function(bytes) {
      squall$texts_or_bytes(squall$guarded(serialize(squall$kind(), NULL, xdr = FALSE, version = 2L)))
    },
    # The items of a chunk.
    chunk = function(bytes) {
      request <- unserialize(bytes)
      squall$texts_or_bytes(squall$guarded(
        serialize(squall$each(request[[1L]], request$kind, request), NULL, xdr = FALSE, version = 2L)
      ))
    },
    # A value once more, without what only R can tell the meaning of.
    plain = function(bytes) {
      squall$texts_or_bytes(squall$guarded(
        serialize(squall$plain(unserialize(bytes)), NULL, xdr = FALSE, version = 2L)
      ))
    }
  )

  squall$texts_or_bytes <- function(done) {
    if (is.null(done$error)) return(done$value)
    error <- done$error
    as.character(c(error$errorType, error$errorMessage, error$stackTrace))
  }

  squall
}, envir = new.env(parent = baseenv()))

squall$guest

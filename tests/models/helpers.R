# How models, data and what R says of them are written for the tests.

suppressPackageStartupMessages(library(splines))

models <- list()
refused <- list()

# A model, data to predict from, and whether `squall model fit` shall find the same.
# `summary`: whether the text of its summary is compared, too.
add <- function(name, model, new, fit = FALSE, summary = FALSE) {
  stopifnot(is.null(models[[name]]))
  model <- suppressWarnings(force(model))
  models[[name]] <<- list(model = model, new = force(new), fit = fit, summary = summary)
}

# What cannot be predicted from without R, and the word that the reason must have. `new` where R
# itself can do it.
refuse <- function(name, object, reason, new = NULL) {
  refused[[name]] <<- list(object = force(object), reason = reason, new = new)
}

# New data with the columns of the old: values of different rows meet in one, measured numbers (or
# those of `noisy`) differ by up to a tenth, and one row for each column of `missing` lacks it.
# With `far`, two rows are far outside of what was seen.
vary <- function(data, noisy = NULL, missing = NULL, far = FALSE, rows = 10, seed = 1) {
  set.seed(seed)
  data <- as.data.frame(data)
  if (is.null(noisy)) noisy <- names(data)[vapply(data, measured, NA)]
  mixed <- as.data.frame(lapply(data, function(column) sample(column[!is.na(column)], rows, replace = TRUE)))
  names(mixed) <- names(data)
  for (name in noisy) mixed[[name]] <- mixed[[name]] * runif(rows, 0.9, 1.1)
  if (far) {
    for (name in noisy) {
      mixed[[name]][rows] <- mixed[[name]][rows] * 30
      mixed[[name]][rows - 1] <- -mixed[[name]][rows - 1] * 30
    }
  }
  for (at in seq_along(missing)) mixed[at, missing[[at]]] <- NA
  mixed
}

measured <- function(column) is.double(column) && any(column != round(column), na.rm = TRUE)

one <- jsonlite::unbox

hex <- function(x) {
  x <- as.double(x)
  text <- sprintf("%a", x)
  text[is.nan(x)] <- "NaN"
  text[is.na(x) & !is.nan(x)] <- NA
  text
}

columns <- function(x) {
  x <- as.matrix(x)
  lapply(seq_len(ncol(x)), function(at) hex(x[, at]))
}

# All digits: `write.csv` has 15.
write_table <- function(data, file) {
  cells <- lapply(data, function(column) {
    if (is.double(column)) {
      text <- sprintf("%.17g", column)
    } else if (is.logical(column) || is.integer(column)) {
      text <- as.character(column)
    } else {
      text <- paste0('"', gsub('"', '""', enc2utf8(as.character(column)), fixed = TRUE), '"')
    }
    text[is.na(column)] <- "NA"
    text
  })
  head <- paste0('"', gsub('"', '""', enc2utf8(names(data)), fixed = TRUE), '"', collapse = ",")
  writeLines(c(head, do.call(paste, c(unname(cells), sep = ","))), file, useBytes = TRUE)
}

# Every form in which R writes an object into a file.
forms <- list(
  "v2" = function(x, file) saveRDS(x, file, version = 2),
  "bzip2" = function(x, file) saveRDS(x, file, compress = "bzip2"),
  "xz-v2" = function(x, file) saveRDS(x, file, compress = "xz", version = 2),
  "plain" = function(x, file) saveRDS(x, file, compress = FALSE),
  "plain-v2" = function(x, file) saveRDS(x, file, compress = FALSE, version = 2),
  "ascii" = function(x, file) saveRDS(x, file, ascii = TRUE),
  "ascii-v2" = function(x, file) saveRDS(x, file, ascii = TRUE, version = 2, compress = FALSE),
  "hex" = function(x, file) saveRDS(x, file, ascii = NA, compress = FALSE),
  "native" = function(x, file) writeBin(serialize(x, NULL, xdr = FALSE), file)
)
PER_MODEL <- 3

# What R predicts, for each way to ask: a matrix with named columns.
predictions <- function(model, new) {
  seen <- list()
  if (inherits(model, "mlm")) {
    seen$response <- predict(model, new)
    return(seen)
  }
  types <- if (inherits(model, "glm")) c("response", "link") else "response"
  for (type in types) {
    got <- predict(model, new, type = type, se.fit = TRUE)
    seen[[type]] <- cbind(fit = got$fit, se_fit = got$se.fit)
  }
  got <- predict(model, new, type = "terms")
  if (ncol(got)) seen$terms <- matrix(got, nrow(got), dimnames = dimnames(got))
  if (!inherits(model, "glm")) {
    seen$confidence <- predict(model, new, interval = "confidence")
    seen$prediction <- predict(model, new, interval = "prediction", level = 0.9)
  }
  seen
}

# The same row by row as for all rows at once, as far as a user sees. But where one row lacks
# something, R multiplies all of them in another way, with more digits (`options("matprod")`). So what
# it says of whole rows is asked for apart from the others.
asked <- function(model, new) {
  seen <- predictions(model, new)
  lacking <- is.na(rowSums(as.matrix(seen[[1]])))
  if (any(lacking)) {
    whole <- predictions(model, new[!lacking, , drop = FALSE])
    for (kind in names(seen)) {
      stopifnot(isTRUE(all.equal(seen[[kind]][!lacking, ], whole[[kind]][seq_len(sum(!lacking)), ], check.attributes = FALSE)))
      seen[[kind]][!lacking, ] <- whole[[kind]]
    }
  }
  lapply(seen, function(got) list(columns = colnames(got), values = columns(got)))
}

response <- function(model, new) {
  got <- as.matrix(predict(model, new, type = "response"))
  lacking <- is.na(rowSums(got))
  if (any(lacking)) got[!lacking, ] <- as.matrix(predict(model, new[!lacking, , drop = FALSE], type = "response"))
  columns(got)
}

write_model <- function(name, at) {
  made <- models[[name]]
  file <- function(...) file.path(out, paste0(name, ...))
  write_table(made$new, file(".new.csv"))
  saveRDS(made$model, file(".rds"))
  chosen <- names(forms)[(at + seq(0, by = 4, length.out = PER_MODEL)) %% length(forms) + 1]
  others <- lapply(chosen, function(form) {
    forms[[form]](made$model, file(".", form, ".rds"))
    # Text with 15 digits loses some: what counts is what R reads from it.
    again <- if (form == "native") made$model else readRDS(file(".", form, ".rds"))
    list(form = one(form), fit = response(again, made$new))
  })
  list(
    name = one(name),
    class = one(class(made$model)[[1]]),
    responses = if (inherits(made$model, "mlm")) colnames(coef(made$model)),
    asked = asked(made$model, made$new),
    forms = others,
    fit = if (made$fit) refit(name, made)
  )
}

# As a CSV has them: no factors, and numbers where texts are numbers.
flat <- function(data) {
  data <- as.data.frame(data)
  factors <- vapply(data, is.factor, NA)
  data[factors] <- lapply(data[factors], function(column) type.convert(as.character(column), as.is = TRUE))
  data
}

# The same fit to data that came from a CSV, and all that R says of it.
refit <- function(name, made) {
  call <- made$model$call
  data <- flat(eval(call$data, globalenv()))
  new <- flat(made$new)
  text <- function(x) if (!is.null(x)) one(paste(deparse(x, width.cutoff = 500), collapse = " "))
  contrasts <- as.list(eval(call$contrasts))
  call$formula <- eval(call$formula)
  call$data <- quote(data)
  # R itself takes texts as predictors, but as a response only a factor.
  response <- all.vars(call$formula)[[1]]
  if (is.character(data[[response]])) data[[response]] <- factor(data[[response]])
  model <- eval(call, list(data = data), globalenv())
  write_table(data, file.path(out, paste0(name, ".data.csv")))
  write_table(new, file.path(out, paste0(name, ".fit.new.csv")))
  saveRDS(new, file.path(out, paste0(name, ".fit.new.rds")))
  said <- summary(model)
  glm <- inherits(model, "glm")
  table <- said$coefficients
  list(
    kind = one(if (glm) "glm" else "lm"),
    formula = text(made$model$call$formula),
    family = text(call$family),
    weights = text(call$weights),
    offset = text(call$offset),
    contrasts = if (length(contrasts)) paste0(names(contrasts), "=", unlist(contrasts)),
    names = names(coef(model)),
    coefficients = hex(coef(model)),
    table = columns(table),
    iterations = if (glm) one(model$iter),
    converged = if (glm) one(model$converged),
    deviance = one(hex(deviance(model))),
    null_deviance = if (glm) one(hex(model$null.deviance)),
    aic = if (glm) one(hex(model$aic)),
    df_residual = one(hex(df.residual(model))),
    r_squared = if (!glm) one(hex(said$r.squared)),
    sigma = if (!glm) one(hex(said$sigma)),
    covariance = columns(vcov(model)),
    response = response(model, new),
    se_fit = columns(predict(model, new, type = "response", se.fit = TRUE)$se.fit),
    printed = one(paste(capture.output(print(model)), collapse = "\n")),
    summary = if (made$summary) one(paste(capture.output(print(said)), collapse = "\n"))
  )
}

named_write <- function(name, at) {
  tryCatch(write_model(name, at), error = function(e) stop(name, ": ", conditionMessage(e), call. = FALSE))
}

write_refused <- function(name) {
  made <- refused[[name]]
  saveRDS(made$object, file.path(out, paste0("refused.", name, ".rds")))
  if (!is.null(made$new)) write_table(made$new, file.path(out, paste0("refused.", name, ".new.csv")))
  list(
    name = one(name),
    reason = one(made$reason),
    fit = if (!is.null(made$new)) columns(predict(made$object, made$new, type = "response"))
  )
}

write_all <- function() {
  said <- suppressWarnings(list(
    r = one(paste(R.version$major, R.version$minor, sep = ".")),
    blas = one(extSoftVersion()[["BLAS"]]),
    models = Map(named_write, names(models), seq_along(models)),
    refused = lapply(names(refused), write_refused)
  ))
  said$models <- unname(said$models)
  json <- jsonlite::toJSON(said, auto_unbox = FALSE, null = "null", na = "null", pretty = FALSE)
  writeLines(json, file.path(out, "models.json"), useBytes = TRUE)
}

# What bench/models.py runs in R.
#
#   Rscript models_r.R fit applicants.csv admission.rds      fits and saves the model
#   Rscript models_r.R plumber admission.rds PORT            serves it by plumber
#   Rscript models_r.R rserve admission.rds PORT             ... by Rserve
#   Rscript models_r.R once admission.rds                    predicts once
#   Rscript models_r.R bare admission.rds SECONDS            times `predict` alone: JSON
#   Rscript models_r.R glm.fit COLUMNS.bin ROWS COLUMNS TIMES  times a fit: JSON
#   Rscript models_r.R glm COLUMNS.bin ROWS COLUMNS TIMES
#   Rscript models_r.R glm.csv TABLE.csv                     reads a table and fits: JSON

arguments <- commandArgs(trailingOnly = TRUE)
file <- arguments[[2]]

admission <- function(gre, gpa, rank) {
  row <- data.frame(gre = as.numeric(gre), gpa = as.numeric(gpa), rank = factor(rank, 1:4))
  p <- predict(model, row, type = "response")
  list(admitted = unname(p > 0.5), probability = unname(p))
}

load <- function() model <<- readRDS(file)

# The most memory that this process has had, and has: in MB.
memory <- function(field = "VmHWM") {
  line <- grep(field, readLines("/proc/self/status"), value = TRUE)
  as.numeric(sub("[^0-9]*([0-9]+).*", "\\1", line)) / 1024
}

said <- function(...) cat(jsonlite::toJSON(list(...), auto_unbox = TRUE, digits = NA), "\n", sep = "")

# JSON of jsonlite has 15 digits.
digits <- function(x) sprintf("%.17g", x)

seconds_of <- function(work) {
  before <- proc.time()[["elapsed"]]
  work()
  proc.time()[["elapsed"]] - before
}

# Columns one after the other, the response last.
columns <- function() {
  rows <- as.numeric(arguments[[3]])
  count <- as.numeric(arguments[[4]])
  matrix(readBin(file, "double", rows * (count + 1)), rows)
}

# Repeated until a hundredth of a second is seen: R's clock has milliseconds.
timed <- function(work, times) {
  if (seconds_of(work) > 0.5) return(vapply(seq_len(times), function(n) seconds_of(work), 0))
  vapply(seq_len(times), function(n) seconds_of(function() for (i in 1:50) work()) / 50, 0)
}

switch(arguments[[1]],
  fit = {
    applicants <- read.csv(file)
    applicants$rank <- factor(applicants$rank)
    saveRDS(glm(admit ~ ., family = binomial, data = applicants), arguments[[3]])
  },
  plumber = {
    suppressPackageStartupMessages(library(plumber))
    load()
    router <- pr_get(pr(), "/predict", admission, serializer = serializer_unboxed_json(digits = NA))
    pr_run(router, host = "127.0.0.1", port = as.integer(arguments[[3]]), docs = FALSE, quiet = TRUE)
  },
  rserve = {
    load()
    Rserve::run.Rserve(port = as.integer(arguments[[3]]), remote = FALSE)
  },
  once = {
    load()
    cat(admission(800, 4, 1)$probability, "\n")
  },
  bare = {
    load()
    row <- data.frame(gre = 800, gpa = 4, rank = factor(1, 1:4))
    micros <- numeric()
    end <- Sys.time() + as.numeric(arguments[[3]])
    while (Sys.time() < end) {
      before <- Sys.time()
      predict(model, row, type = "response")
      micros <- c(micros, 1e6 * as.numeric(Sys.time() - before, units = "secs"))
    }
    whole <- numeric()
    end <- Sys.time() + as.numeric(arguments[[3]])
    while (Sys.time() < end) {
      before <- Sys.time()
      admission(800, 4, 1)
      whole <- c(whole, 1e6 * as.numeric(Sys.time() - before, units = "secs"))
    }
    said(p50_us = median(micros), handler_p50_us = median(whole), count = length(micros))
  },
  glm.fit = {
    data <- columns()
    last <- ncol(data)
    y <- data[, last]
    x <- cbind(1, data[, -last])
    rm(data)
    invisible(gc(full = TRUE))
    held <- memory("VmRSS")
    seconds <- timed(function() fit <<- glm.fit(x, y, family = binomial()), as.numeric(arguments[[5]]))
    said(seconds = seconds, memory_mb = memory(), held_mb = held, coefficients = digits(coef(fit)), iterations = fit$iter)
  },
  glm = {
    data <- as.data.frame(columns())
    names(data) <- c(paste0("x", seq_len(ncol(data) - 1)), "y")
    held <- memory("VmRSS")
    seconds <- timed(function() fit <<- glm(y ~ ., family = binomial, data = data), as.numeric(arguments[[5]]))
    said(seconds = seconds, memory_mb = memory(), held_mb = held, coefficients = digits(coef(fit)), iterations = fit$iter)
  },
  glm.csv = {
    data <- read.csv(file)
    fit <- glm(y ~ ., family = binomial, data = data)
    said(memory_mb = memory(), coefficients = digits(coef(fit)))
  }
)

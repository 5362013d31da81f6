# R reads our objects (NNN.ours.rds) beside its own (NNN.own.rds) and says where they differ.
folder <- commandArgs(TRUE)[1]
bound <- 1e-11
near <- function(a, b, by = bound) {
  a <- unlist(a); b <- unlist(b)
  if (length(a) != length(b) || !identical(names(a), names(b))) return(FALSE)
  if (length(a) == 0) return(TRUE)
  if (any(is.na(a) != is.na(b))) return(FALSE)
  scale <- max(1e-300, abs(b), na.rm = TRUE)
  all(is.na(a) | a == b | abs(a - b) <= by * pmax(abs(b), 1e-3 * scale))
}
said <- function(...) writeLines(paste(...))
for (path in list.files(folder, "ours.rds$", full.names = TRUE)) {
  ours <- readRDS(path)
  own <- readRDS(sub("ours", "own", path))
  data <- readRDS(sub("ours", "data", path))
  name <- paste(deparse(own$call), collapse = "")
  wrong <- function(what) said(name, ":", what)
  runs_away <- inherits(own, "glm") && own$family$family == "binomial" && any(own$fitted.values < 1e-9)
  quiet <- suppressWarnings
  text <- function(m) quiet(capture.output(print(summary(m))))
  if (!runs_away && !identical(text(ours), text(own))) { wrong("summary"); said(text(ours)) }
  if (!identical(capture.output(print(terms(ours))), capture.output(print(terms(own)))))  {
    a <- attributes(terms(ours)); b <- attributes(terms(own))
    for (n in setdiff(names(b), c("predvars", "dataClasses", ".Environment"))) if (!isTRUE(all.equal(a[[n]], b[[n]]))) wrong(paste("terms:", n))
  }
  types <- if (inherits(own, "glm")) c("link", "response") else "response"
  rows <- head(data, 40)
  for (type in types) {
    a <- quiet(predict(ours, rows, type = type, se.fit = TRUE))
    b <- quiet(predict(own, rows, type = type, se.fit = TRUE))
    by <- if (runs_away) 1e-4 else bound
    if (!near(a$fit, b$fit, by)) wrong(paste("predict", type))
    if (!runs_away && !near(a$se.fit, b$se.fit)) wrong(paste("errors of", type))
  }
  if (!inherits(own, "glm")) for (interval in c("confidence", "prediction")) {
    a <- quiet(predict(ours, rows, interval = interval))
    b <- quiet(predict(own, rows, interval = interval))
    if (!near(as.vector(a), as.vector(b))) wrong(interval)
  }
  if (runs_away) next
  if (!near(coef(ours), coef(own))) wrong("coef")
  if (!near(as.vector(vcov(ours)), as.vector(vcov(own)))) wrong("vcov")
  if (!near(residuals(ours), residuals(own), 1e-8)) wrong("residuals")
  if (!near(fitted(ours), fitted(own))) wrong("fitted")
  if (!near(as.vector(ours$qr$qr), as.vector(own$qr$qr), 1e-8)) wrong("qr")
  if (!near(ours$effects, own$effects, 1e-8)) wrong("effects")
  for (part in c("df.residual", "rank", "iter", "converged", "df.null", "xlevels", "contrasts", "na.action", "method", "control", "assign"))
    if (length(own[[part]]) > 0 && !isTRUE(all.equal(ours[[part]], own[[part]]))) wrong(part)
}
said("done", length(list.files(folder, "ours.rds$")))

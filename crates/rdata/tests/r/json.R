# Rscript json.R FOLDER CLIENT: what the client in base R makes of each text of JSON in
# FOLDER/texts, and of many values; and what jsonlite makes of the texts.

arguments <- commandArgs(TRUE)
folder <- arguments[[1]]
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)))
source(file.path(here, "dump.R"))

# Only its JSON: the rest of the client waits for events.
lines <- readLines(arguments[[2]], encoding = "UTF-8")
start <- grep("^# ---- JSON", lines)
end <- grep("^# ----", lines)
squall <- new.env()
eval(parse(text = lines[start:(min(end[end > start]) - 1)], encoding = "UTF-8"))
both <- requireNamespace("jsonlite", quietly = TRUE)
requireNamespace <- function(...) FALSE

texts <- readLines(file.path(folder, "texts"), encoding = "UTF-8")
shown <- function(expression) tryCatch(dump_of(expression), error = function(e) "error")
writeLines(vapply(texts, function(text) shown(squall$from_json(text)), ""), file.path(folder, "client"))
jsonlite_of <- function(text) {
  if (!both) return("none")
  shown(jsonlite::parse_json(text, simplifyVector = TRUE, simplifyMatrix = FALSE))
}
writeLines(vapply(texts, jsonlite_of, ""), file.path(folder, "jsonlite"))

nested <- data.frame(a = 1:2)
nested$d <- data.frame(x = 3:4, y = c("p", NA))
listed <- data.frame(a = 1:2)
listed$l <- list(1:3, list(b = "x"))
values <- list(
  NULL, TRUE, NA, 1L, NA_integer_, 0, -0, 1.5, 1 / 3, 0.1 + 0.2, 1e15, 1e16, 1e300, 5e-324, -2.5e-7, 123456789.125,
  NaN, Inf, NA_real_, "a", NA_character_, "quote\" back\\ line\n tab\t bell\a del\177", "gr\u00fc\u00df \U1F600",
  c(TRUE, NA), 1:3, c(1.5, NA), c("a", NA), logical(), integer(), character(), 1:20000, 5:1, c(3, 1, 2) + 1e10,
  I(1), I("a"), I(TRUE), I(1:2), c(a = 1, b = 2), c(a = 1),
  list(), structure(list(), names = character()), list(1, "a", NULL), list(a = 1, b = NULL, c = list(d = 1:2)),
  list(a = 1, 2), list(list(list(1))), list(a = I(1)), structure(list(1, 2), names = c("a", NA)),
  pairlist(a = 1, b = "x"), list("two words" = 1, "quote\"" = 2),
  matrix(1:6, 2), matrix(c(1.5, NA, 2, 3), 2), matrix(letters[1:4], 2), matrix(integer(), 0, 2), array(1:8, c(2, 2, 2)),
  factor(c("b", "a", NA)), factor("x"), I(factor("x")), factor(c("lo", "hi"), levels = c("lo", "hi"), ordered = TRUE),
  as.Date(c("2024-02-29", "1969-12-31", NA, "2000-03-01", "1900-02-28", "2100-12-31")), as.Date("2024-01-01"), as.Date(1.7, origin = "1970-01-01"),
  as.POSIXct(c(0, 1.5, -1, 951782400, 1e10, NA), origin = "1970-01-01", tz = "UTC"),
  as.POSIXct("2024-06-01 12:00:00", tz = "Europe/Berlin"), as.difftime(2, units = "hours"),
  data.frame(), data.frame(a = integer()), data.frame(a = 1:3, b = c("x", NA, "z"), c = c(1.5, NaN, 1 / 3), d = c(TRUE, NA, FALSE)),
  data.frame(f = factor(c("u", "v")), t = as.Date(c("2024-01-01", NA))), data.frame(x = 1:2, row.names = c("p", "q")),
  data.frame(x = 1), nested, listed, mtcars, iris, airquality,
  structure("{\"a\": 1}", class = "json"), list(a = structure("[1,2]", class = "json")),
  list(statusCode = 200L, headers = list("content-type" = "text/plain"), body = "ok"),
  data.frame(x = 1:3)[0, , drop = FALSE], structure(1:3, class = "other"), structure(list(a = 1), class = "other"),
  seq(0.1, 1, by = 0.1), 10^(-10:20), -(10^(0:18)), 2^(0:60), exp(-50:50), as.character(1:5), sort(c(2, 1)),
  1i, as.raw(1), quote(a + b), function(x) x, globalenv(), list(a = sum), y ~ x, expression(a)
)
for (at in seq_along(values)) {
  saveRDS(values[[at]], file.path(folder, sprintf("value%03d.rds", at)))
  text <- tryCatch(squall$to_json(values[[at]]), error = function(e) "error")
  writeLines(enc2utf8(text), file.path(folder, sprintf("value%03d.txt", at)), useBytes = TRUE)
}

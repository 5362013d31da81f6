# Rscript written.R FOLDER: values that were made without R are what R would have made.

folder <- commandArgs(TRUE)[[1]]
wrong <- character()
check <- function(name, is_right) {
  value <- readRDS(file.path(folder, paste0(name, ".rds")))
  right <- tryCatch(isTRUE(is_right(value)), error = function(e) paste("error:", conditionMessage(e)))
  if (!isTRUE(right)) wrong <<- c(wrong, paste(name, right, paste(deparse(value), collapse = " ")))
}
same <- function(expected) function(value) identical(value, expected)

check("frame", same(data.frame(x = c(1.5, NA), n = 1:2, f = factor(c("b", "a"), levels = c("b", "a")), s = c("u", NA))))
check("matrix", same(matrix(c(1, 2, 3, 4), 2, dimnames = list(NULL, c("a", "b")))))
check("call", same(quote(glm(formula = y ~ x + log(z), family = binomial, data = d[, 1]))))
f <- y ~ x
environment(f) <- globalenv()
check("formula", same(f))
check("formula", function(value) identical(environment(value), globalenv()) && inherits(terms(value), "terms"))
check("pairs", same(pairlist(a = 1, 2L)))
check("sequence", same(1:1000000))
check("down", same(structure(5:1, note = "kept")))
check("texts", same(c("gr\u00fc\u00df", NA, "", "\U1F600")))
check("logical", same(c(TRUE, NA, FALSE)))
check("specials", function(value) identical(is.nan(value), c(FALSE, TRUE, FALSE, FALSE)) && is.na(value[[1]]) && value[[3]] == -Inf && 1 / value[[4]] == -Inf)
check("expression", same(expression(a + 1)))
check("places", function(value) identical(value, list(globalenv(), emptyenv(), baseenv(), asNamespace("stats"), asNamespace("base"))))
check("environment", function(value) {
  is.environment(value[[1]]) && identical(value[[1]], value[[2]]) && identical(parent.env(value[[1]]), globalenv())
})
check("closure", function(value) {
  identical(value(0.3), binomial("logit")$linkfun(0.3)) && identical(names(formals(value)), "mu") &&
    identical(environment(value), asNamespace("stats"))
})
check("default", function(value) value(2) == 20 && value(2, 3) == 6)
check("builtin", function(value) identical(value, list(sum, quote)))
check("complex", same(c(1 + 2i, NA)))
check("raw", same(as.raw(c(0, 255))))
if (length(wrong)) stop(paste(wrong, collapse = "\n"))

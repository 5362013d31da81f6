# Run with: Rscript test.R

# What Squall's runtime brings, as far as the service needs it here.
squall <- list(
  from_json = function(text) {
    if (text != '{"gre":800,"gpa":4,"rank":1}') stop("not JSON")
    list(gre = 800, gpa = 4, rank = 1)
  },
  to_json = identity
)
source("model.R")
source("service.R")

ask <- function(...) answer(list(...), list(aws_request_id = "id-1"))
by_address <- function(...) ask(queryStringParameters = list(...))

good <- by_address(gre = "800", gpa = "4", rank = "1")
stopifnot(
  good$statusCode == 200L,
  good$body$admitted,
  good$body$fit > 0.5,
  identical(good, ask(body = '{"gre":800,"gpa":4,"rank":1}', isBase64Encoded = FALSE)),
  !by_address(gre = "400", gpa = "2.5", rank = "4")$body$admitted
)

# The saved model is the one that is fitted here.
applicants <- data.frame(gre = c(400, 800), gpa = c(3, 4), rank = c(4, 1))
stopifnot(all.equal(predict(model, applicants), predict(fit_model(), applicants), tolerance = 1e-9))

bad <- list(
  by_address(gre = "800", gpa = "4"),
  by_address(gre = "many", gpa = "4", rank = "1"),
  by_address(gre = "800", gpa = "5", rank = "1"),
  by_address(gre = "800", gpa = "4", rank = "1.5"),
  ask(body = "no json"),
  ask()
)
for (one in bad) {
  stopifnot(one$statusCode == 400L, one$body$httpStatus == 400L, one$body$request_id == "id-1", nzchar(one$body$message))
}
cat("all is well\n")

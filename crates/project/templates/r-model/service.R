# Answers gre, gpa and rank, in the address or as JSON, with whether one is admitted.
#
#   GET ?gre=800&gpa=4&rank=1    or    POST {"gre": 800, "gpa": 4, "rank": 1}

# The model is fetched from its bucket once for each instance, before its first request.
load_model <- function(bucket = Sys.getenv("MODELS")) {
  file <- "models/admission.rds"
  if (nzchar(bucket)) file <- squall$get_object(bucket, "admission.rds")
  readRDS(file)
}

model <- load_model()

answer <- function(event, context) {
  tryCatch(
    respond(200L, predict_admission(wanted(event))),
    bad_request = function(condition) {
      respond(400L, list(
        errorType = "BadRequest",
        httpStatus = 400L,
        request_id = context$aws_request_id,
        message = conditionMessage(condition)
      ))
    }
  )
}

predict_admission <- function(applicant) {
  p <- unname(predict(model, applicant, type = "response"))
  list(fit = p, admitted = p > 0.5)
}

# The applicant that a request tells of, as a row for the model.
wanted <- function(event) {
  fields <- event$queryStringParameters
  if (!is.null(event$body)) fields <- fields_of(event$body, isTRUE(event$isBase64Encoded))
  number <- function(name, from, to) {
    value <- suppressWarnings(as.numeric(fields[[name]]))
    if (length(value) != 1 || is.na(value) || value < from || value > to) {
      bad_request("field ", name, ": a number from ", from, " to ", to, " is wanted")
    }
    value
  }
  rank <- number("rank", 1, 4)
  if (rank != round(rank)) bad_request("field rank: 1, 2, 3 or 4 is wanted")
  data.frame(gre = number("gre", 200, 800), gpa = number("gpa", 0, 4), rank = rank)
}

fields_of <- function(body, is_base64) {
  if (is_base64) bad_request("send JSON, with the content type application/json")
  fields <- tryCatch(squall$from_json(body), error = function(e) bad_request("the body is not JSON"))
  if (!is.list(fields) || is.null(names(fields))) bad_request("the body is not an object")
  fields
}

bad_request <- function(...) {
  stop(structure(class = c("bad_request", "error", "condition"), list(message = paste0(...), call = NULL)))
}

respond <- function(status, value) {
  list(
    statusCode = status,
    headers = list("content-type" = "application/json"),
    body = squall$to_json(value)
  )
}

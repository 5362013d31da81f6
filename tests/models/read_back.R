# Reads the models that Squall fitted and wrote, as R's users would, and says what R makes of them.
#
#   Rscript --vanilla read_back.R FOLDER NAME...
#
# writes FOLDER/read_back.json; what fails in one model is its `error`.

arguments <- commandArgs(trailingOnly = TRUE)
out <- arguments[[1]]
home <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)))
source(file.path(home, "helpers.R"))

read_back <- function(name) {
  model <- readRDS(file.path(out, paste0(name, ".ours.rds")))
  new <- readRDS(file.path(out, paste0(name, ".fit.new.rds")))
  said <- summary(model)
  got <- predict(model, new, type = "response", se.fit = TRUE)
  list(
    class = class(model),
    coefficients = hex(coef(model)),
    names = names(coef(model)),
    table = columns(said$coefficients),
    covariance = columns(vcov(model)),
    deviance = one(hex(deviance(model))),
    df_residual = one(hex(df.residual(model))),
    iterations = if (inherits(model, "glm")) one(model$iter),
    null_deviance = if (inherits(model, "glm")) one(hex(model$null.deviance)),
    aic = if (inherits(model, "glm")) one(hex(model$aic)),
    converged = if (inherits(model, "glm")) one(model$converged),
    response = columns(got$fit),
    se_fit = columns(got$se.fit),
    printed = one(paste(capture.output(print(model)), collapse = "\n"))
  )
}

said <- lapply(setNames(nm = arguments[-1]), function(name) {
  tryCatch(suppressWarnings(read_back(name)), error = function(e) list(error = one(conditionMessage(e))))
})
json <- jsonlite::toJSON(said, auto_unbox = FALSE, null = "null", na = "null")
writeLines(json, file.path(out, "read_back.json"), useBytes = TRUE)

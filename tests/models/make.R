# Fits the models that tests/test_models_against_r.py compares with, by real R over its own data.
#
#   Rscript --vanilla make.R FOLDER
#
# writes every model in several forms of .rds, new data as CSV, and `models.json`: what R predicts,
# each number as hexadecimal text, so that nothing of it is lost.

out <- commandArgs(trailingOnly = TRUE)[[1]]
home <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)))

source(file.path(home, "helpers.R"))
# Into the global environment, as a user's script: what a formula finds there is not saved.
for (file in c("linear.R", "factors.R", "generalized.R", "refused.R")) source(file.path(home, file), encoding = "UTF-8")

write_all()

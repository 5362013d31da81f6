# The model: who is admitted, by test score (gre), grades (gpa) and rank of the school.

fit_model <- function(file = "applicants.csv") {
  applicants <- read.csv(file)
  applicants$rank <- factor(applicants$rank)
  glm(admit ~ ., family = binomial, data = applicants)
}

# What is in `model.rds`, where somebody saved one there by
#   Rscript -e 'source("model.R"); saveRDS(fit_model(), "model.rds")'
# and else what is fitted now: with this little data that takes milliseconds.
load_model <- function() {
  if (file.exists("model.rds")) readRDS("model.rds") else fit_model()
}

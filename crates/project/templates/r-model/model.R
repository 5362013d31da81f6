# The model: who is admitted, by test score (gre), grades (gpa) and rank of the school.
#
#   Rscript model.R        fits it and saves it as models/admission.rds
#
# The same without R, with the same predictions:
#   squall model fit 'admit ~ gre + gpa + factor(rank)' applicants.csv --family binomial \
#     --rds models/admission.rds

fit_model <- function(file = "applicants.csv") {
  glm(admit ~ gre + gpa + factor(rank), family = binomial, data = read.csv(file))
}

if (sys.nframe() == 0) {
  model <- fit_model()
  print(summary(model))
  saveRDS(model, "models/admission.rds")
}

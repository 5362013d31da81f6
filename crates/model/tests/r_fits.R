# Fits of R for r_fits.rs: for each call the data as CSV and what R found, all digits kept.
# Argument: the folder to write to.
folder <- commandArgs(TRUE)[1]
count <- 0
digits <- function(x) paste(sprintf("%.17g", x), collapse = " ")

write_data <- function(data, path) {
  cell <- function(x) if (is.numeric(x)) ifelse(is.na(x), "NA", sprintf("%.17g", x)) else
    if (is.logical(x)) as.character(x) else ifelse(is.na(x), "NA", paste0('"', x, '"'))
  lines <- do.call(paste, c(lapply(unname(as.list(data)), cell), sep = ","))
  writeLines(c(paste0('"', names(data), '"', collapse = ","), lines), path)
}

# Levels in the order that reading texts gives them.
plain <- function(data) {
  data <- as.data.frame(data)
  rownames(data) <- NULL
  for (name in names(data)) if (is.factor(data[[name]])) data[[name]] <- factor(as.character(data[[name]]))
  data
}

fit <- function(data, ...) for (text in c(...)) {
  count <<- count + 1
  data <- plain(data)
  warned <- character()
  m <- withCallingHandlers(eval(parse(text = text)), warning = function(w) {
    warned <<- c(warned, conditionMessage(w))
    invokeRestart("muffleWarning")
  })
  s <- suppressWarnings(summary(m))
  general <- inherits(m, "glm")
  errors <- coef(m)
  errors[] <- NA
  errors[rownames(s$coefficients)] <- s$coefficients[, 2]
  told <- function(part) paste(deparse(part, width.cutoff = 500), collapse = " ")
  link <- if (!general) "" else if (grepl("^mu\\^", m$family$link)) "power(1/3)" else m$family$link
  fact <- c(
    formula = told(m$call$formula),
    weights = if (is.null(m$call$weights)) "" else told(m$call$weights),
    offset = if (is.null(m$call$offset)) "" else told(m$call$offset),
    family = if (general) m$family$family else "",
    link = link,
    variance = if (general && m$family$family == "quasi") m$family$varfun else "",
    names = paste(names(coef(m)), collapse = "|"),
    coefficients = digits(coef(m)),
    errors = digits(errors),
    pivot = if (is.null(m$qr)) "" else paste(m$qr$pivot, collapse = " "),
    iterations = if (general) m$iter else 0,
    converged = if (general) m$converged else TRUE,
    rank = m$rank,
    df = m$df.residual,
    deviance = digits(deviance(m)),
    null = digits(if (general) m$null.deviance else NA),
    aic = digits(if (general) m$aic else NA),
    dispersion = digits(if (general) s$dispersion else s$sigma^2),
    r_squared = digits(if (general) NA else s$r.squared),
    warnings = paste(warned, collapse = "|")
  )
  path <- file.path(folder, sprintf("%03d", count))
  write_data(data, paste0(path, ".csv"))
  # For r_reads.R.
  saveRDS(m, paste0(path, ".own.rds"))
  saveRDS(data, paste0(path, ".data.rds"))
  writeLines(c(text, paste0(names(fact), "=", fact), "summary", capture.output(print(s))), paste0(path, ".txt"))
}

cars2 <- transform(mtcars, w = replace(hp, 3:5, 0), weird = ifelse(gear == 3, "three", "more"), n = 1:32)
fit(cars2,
  "lm(mpg ~ wt + hp, data = data)", "lm(mpg ~ ., data = data)", "lm(mpg ~ factor(cyl) * wt, data = data)",
  "lm(mpg ~ wt + I(2 * wt) + hp, data = data)", "lm(mpg ~ wt, data = data, weights = hp)",
  "lm(mpg ~ wt + qsec, data = data, weights = w)", "lm(mpg ~ wt + offset(0.1 * hp), data = data)",
  "lm(mpg ~ wt, data = data, offset = 0.1 * hp)", "lm(log(mpg) ~ log(hp) + sqrt(wt), data = data)",
  "lm(mpg ~ poly(wt, 3), data = data)", "lm(I(mpg * 1e+06) ~ wt, data = data)", "lm(I(mpg * 1e-06) ~ wt, data = data)",
  "lm(mpg ~ 0, data = data)", "lm(mpg ~ 0 + wt, data = data)", "lm(mpg ~ 1, data = data)", "lm(mpg ~ weird:wt - 1, data = data)",
  "lm(mpg ~ wt, data = data, weights = 1/hp)", "lm(mpg ~ splines::ns(wt, 3), data = data)",
  "glm(am ~ wt, family = binomial, data = data)", "glm(am ~ wt + hp, family = binomial(link = \"probit\"), data = data)",
  "glm(vs ~ mpg, family = binomial(link = \"cloglog\"), data = data)", "glm(vs ~ mpg, family = binomial(link = \"cauchit\"), data = data)",
  "glm(carb ~ wt + offset(log(cyl)), family = poisson, data = data)", "glm(carb ~ wt, family = poisson, data = data, offset = log(cyl))",
  "glm(gear ~ wt, family = poisson(link = \"identity\"), data = data)", "glm(mpg ~ wt, family = Gamma(link = \"log\"), data = data)",
  "glm(mpg ~ wt, family = Gamma(link = \"identity\"), data = data)", "glm(mpg ~ wt, family = Gamma, data = data)",
  "glm(mpg ~ wt, family = inverse.gaussian, data = data)", "glm(mpg ~ wt, family = inverse.gaussian(link = \"log\"), data = data)",
  "glm(mpg ~ wt, family = gaussian, data = data)", "glm(mpg ~ wt, family = gaussian(link = \"log\"), data = data)",
  "glm(mpg ~ wt, family = gaussian(link = \"inverse\"), data = data)", "glm(mpg ~ wt + hp, family = gaussian, data = data, weights = w)",
  "glm(am ~ wt, family = quasibinomial, data = data)", "glm(mpg ~ wt, family = quasi(link = \"log\", variance = \"mu\"), data = data)",
  "glm(mpg ~ wt, family = quasi(link = \"inverse\", variance = \"mu^2\"), data = data)",
  "glm(mpg ~ wt, family = quasi(link = \"log\", variance = \"mu^3\"), data = data)",
  "glm(am ~ mpg, family = quasi(link = \"logit\", variance = \"mu(1-mu)\"), data = data)",
  "glm(am ~ wt + I(2 * wt) + hp, family = binomial, data = data)", "glm(am ~ 0 + wt, family = binomial, data = data)",
  "glm(am ~ 1, family = binomial, data = data)", "glm(am ~ wt, family = binomial, data = data, weights = w)",
  "glm(am ~ wt + offset(0.01 * hp), family = binomial, data = data)", "glm(weird == \"three\" ~ mpg + wt, family = binomial, data = data)",
  "glm(mpg ~ wt + offset(0.01 * hp), family = Gamma(link = \"log\"), data = data)")
fit(airquality, "lm(Ozone ~ Wind + Temp, data = data)", "glm(Ozone ~ Wind + Temp, family = poisson, data = data)",
  "lm(Ozone ~ Wind + Temp + Solar.R + factor(Month), data = data)")
fit(longley, "lm(Employed ~ ., data = data)")
fit(warpbreaks, "lm(breaks ~ wool * tension, data = data)", "glm(breaks ~ wool + tension, family = poisson, data = data)",
  "glm(breaks ~ wool + tension, family = quasipoisson, data = data)")
fit(InsectSprays, "glm(count ~ spray, family = poisson, data = data)", "glm(count ~ spray, family = poisson(link = \"sqrt\"), data = data)",
  "glm(count ~ 0, family = poisson, data = data)", "glm(count ~ spray - 1, family = poisson, data = data)")
fit(trees, "lm(Volume ~ Girth + Height, data = data)", "glm(Volume ~ Girth + Height, family = Gamma(link = power(1/3)), data = data)")
fit(CO2, "glm(uptake ~ conc + Type * Treatment, family = Gamma(link = \"log\"), data = data)")
fit(transform(ChickWeight, Diet = paste("diet", Diet)), "lm(weight ~ Time * Diet, data = data)")
fit(infert, "glm(case ~ spontaneous + induced + age + parity + education, family = binomial, data = data)")
fit(Titanic, "glm(Survived ~ Class + Sex + Age, family = binomial, data = data, weights = Freq)",
  "glm(cbind(Freq, 3) ~ Class + Sex, family = binomial, data = data)")
fit(esoph, "glm(cbind(ncases, ncontrols) ~ agegp, family = binomial, data = data)",
  "glm(cbind(ncases, ncontrols) ~ agegp + tobgp * alcgp, family = binomial, data = data)",
  "glm(ncases/(ncases + ncontrols) ~ agegp, family = binomial, data = data, weights = ncases + ncontrols)")
fit(data.frame(x = 1:5, y = c(2.1, 3.9, 6.2, 7.8, 10.1)), "lm(y ~ x, data = data)")
fit(data.frame(x = 1:2, y = c(2.1, 3.9)), "lm(y ~ x, data = data)")
fit(data.frame(y = 1:3, a = c(1, 2, 4), b = c(3, 1, 2), c = c(9, 2, 4)), "lm(y ~ a + b + c, data = data)")
fit(data.frame(x = 1:6, y = c(1, 3, 2, 5, 8, 9)), "glm(y ~ x, family = poisson, data = data)")
# Perfect separation: only how it ends can be compared.
fit(data.frame(x = 1:10, y = rep(0:1, each = 5)), "glm(y ~ x, family = binomial, data = data)")
set.seed(1)
wide <- data.frame(y = rnorm(30), long_variable_name_number_one_that_is_long = rnorm(30), another_quite_long_variable_name_here_too = rnorm(30))
fit(wide, "lm(y ~ long_variable_name_number_one_that_is_long + another_quite_long_variable_name_here_too, data = data)")
fit(data.frame(y = 1e5 * (1:20) + rnorm(20), x = 1:20), "lm(y ~ x, data = data)")
fit(data.frame(y = rnorm(50), x = rnorm(50) * 1e8, z = rnorm(50) * 1e-8), "lm(y ~ x + z, data = data)")
# More rows than are decomposed at once.
n <- 9001
many <- data.frame(x = rnorm(n), z = runif(n), f = sample(c("a", "b", "c"), n, TRUE), w = runif(n))
many <- transform(many, y = x - z + (f == "b") + rnorm(n), yes = runif(n) < plogis(x - z), k = rpois(n, exp(x / 2)), twin = 2 * x)
many$z[c(5, 4000)] <- NA
fit(many, "lm(y ~ x + twin + z + f, data = data)", "glm(yes ~ x * f + z, family = binomial, data = data)",
  "glm(k ~ x + z, family = poisson, data = data, weights = w)", "lm(y ~ x * f + z, data = data, weights = w)")

# Linear models of numbers: transforms, polynomials, splines, offsets, weights, NA, names.

cars_new <- vary(cars, noisy = "speed", missing = "speed")
mt_new <- vary(mtcars, noisy = c("mpg", "disp", "hp", "drat", "wt", "qsec"), missing = c("wt", "hp"))

add("lm-simple", lm(dist ~ speed, data = cars), cars_new, fit = TRUE, summary = TRUE)
add("lm-intercept-only", lm(mpg ~ 1, data = mtcars), mt_new, fit = TRUE, summary = TRUE)
add("lm-one-coefficient", lm(dist ~ speed - 1, data = cars), cars_new, fit = TRUE, summary = TRUE)
add("lm-dot", lm(Fertility ~ ., data = swiss), vary(swiss, missing = c("Catholic", "Education")), fit = TRUE, summary = TRUE)
add("lm-dot-without", lm(mpg ~ . - cyl - disp, data = mtcars), mt_new, fit = TRUE)
add("lm-dot-no-intercept", lm(rating ~ 0 + ., data = attitude), vary(attitude, noisy = names(attitude)), fit = TRUE)
add("lm-dot-squared", lm(stack.loss ~ .^2, data = stackloss), vary(stackloss, noisy = names(stackloss)), fit = TRUE)
add("lm-collinear", lm(Employed ~ ., data = longley), vary(longley), fit = TRUE, summary = TRUE)
add("lm-without-data", local({
  x <- cars$speed
  y <- log(cars$dist)
  lm(y ~ x)
}), data.frame(x = c(1.5, 7, NA, 30)))

add("lm-transforms", lm(mpg ~ log(hp) + sqrt(disp) + I(wt^2) + exp(-drat), data = mtcars), mt_new, fit = TRUE)
add("lm-logarithms", lm(log(mpg) ~ log(hp, 2) + log(disp, base = 10) + log10(wt) + log2(qsec) + log1p(carb), data = mtcars), mt_new, fit = TRUE)
add("lm-arithmetic", lm(mpg ~ I(hp / wt) + I((disp - 200)^3 / 1e6) + I(-qsec) + I(carb %% 2) + I(gear %/% 2) + I(1 / drat), data = mtcars), mt_new, fit = TRUE)
add("lm-pieces", lm(mpg ~ ifelse(wt > 3, wt, 0) + pmin(hp, 150) + pmax(disp, 200) + abs(qsec - 17) + as.integer(drat), data = mtcars), mt_new, fit = TRUE)
add("lm-rounding", lm(mpg ~ round(wt, 1) + floor(drat) + ceiling(qsec) + sign(hp - 120) + trunc(disp / 100) + signif(hp, 1), data = mtcars), mt_new)
add("lm-waves", lm(y ~ sin(2 * pi * month / 12) + cos(2 * pi * month / 12) + tanh(year / 10) + atan(year),
  data = season <- data.frame(y = as.numeric(nottem), month = rep(1:12, 20), year = rep(0:19, each = 12))),
  vary(season, noisy = c("month", "year"), missing = "month"), fit = TRUE)
add("lm-comparisons", lm(mpg ~ (wt > 3) + I(hp > 100 & qsec < 18) + I(cyl %in% c(4, 6)) + !vs, data = mtcars), mt_new)
add("lm-is-na", lm(Ozone ~ is.na(Solar.R) + Temp, data = airquality), vary(airquality, missing = c("Solar.R", "Temp")))
add("lm-sums-in-I", lm(mpg ~ I(wt + hp) + I(wt * hp) + I(2 * disp^2 + 1), data = mtcars), mt_new, fit = TRUE)

add("lm-poly", lm(mpg ~ poly(wt, 3) + hp, data = mtcars), mt_new, fit = TRUE, summary = TRUE)
add("lm-poly-raw", lm(mpg ~ poly(wt, 2, raw = TRUE), data = mtcars), mt_new, fit = TRUE)
add("lm-poly-of-two", lm(mpg ~ poly(wt, hp, degree = 2), data = mtcars), mt_new)
add("lm-polym-raw", lm(mpg ~ polym(wt, hp, degree = 2, raw = TRUE), data = mtcars), mt_new)
add("lm-poly-by-factor", lm(weight ~ poly(Time, 2) * Diet, data = as.data.frame(ChickWeight)), vary(ChickWeight[1:4], noisy = "Time"), fit = TRUE)
add("lm-scale", lm(mpg ~ scale(wt) + scale(hp, scale = FALSE) + scale(disp, center = FALSE), data = mtcars), mt_new, fit = TRUE)
add("lm-matrix", lm(mpg ~ cbind(wt, hp) + qsec, data = mtcars), mt_new)

add("lm-ns", lm(weight ~ ns(height, df = 3), data = women), vary(women, noisy = "height", far = TRUE), fit = TRUE)
add("lm-ns-knots", lm(mpg ~ ns(wt, knots = c(2.5, 3.5), Boundary.knots = c(1.6, 5)) + qsec, data = mtcars), mt_new)
add("lm-ns-intercept", lm(mpg ~ 0 + ns(wt, df = 4, intercept = TRUE), data = mtcars), mt_new)
add("lm-bs", lm(weight ~ bs(height, df = 5), data = women), vary(women, noisy = "height"), fit = TRUE)
add("lm-bs-knots", lm(mpg ~ bs(wt, knots = c(2.5, 3.5)) + bs(hp, degree = 2, df = 3), data = mtcars), mt_new)
add("lm-bs-line", lm(mpg ~ 0 + bs(wt, knots = 3, degree = 1, intercept = TRUE), data = mtcars), mt_new)
add("lm-splines-of-package", lm(mpg ~ splines::ns(wt, df = 2) + splines::bs(hp), data = mtcars), mt_new)
add("lm-spline-by-factor", lm(Sepal.Length ~ ns(Petal.Length, 2):Species, data = iris), vary(iris, missing = "Species"))

add("lm-offset", lm(dist ~ speed + offset(2 * speed), data = cars), cars_new, fit = TRUE)
add("lm-offset-argument", lm(mpg ~ wt, data = mtcars, offset = qsec), mt_new, fit = TRUE)
add("lm-offsets", lm(mpg ~ hp + offset(wt) + offset(log(disp)), data = mtcars, offset = qsec / 2), mt_new)
add("lm-weights", lm(mpg ~ wt + qsec, data = mtcars, weights = hp), mt_new, fit = TRUE, summary = TRUE)
add("lm-zero-weights", lm(mpg ~ wt + qsec, data = weighted <- transform(mtcars, w = ifelse(cyl == 6, 0, gear)), weights = w), mt_new, fit = TRUE)
add("lm-subset", lm(mpg ~ wt + hp, data = mtcars, subset = cyl > 4), mt_new)

add("lm-rank-deficient", lm(mpg ~ wt + I(2 * wt) + hp + I(wt - 3 * hp), data = mtcars), mt_new, fit = TRUE, summary = TRUE)
add("lm-na-omit", lm(Ozone ~ Solar.R + Wind + Temp, data = airquality), vary(airquality, missing = c("Wind", "Temp")), fit = TRUE, summary = TRUE)
add("lm-na-exclude", lm(Ozone ~ Solar.R + log(Wind) * Temp, data = airquality, na.action = na.exclude), vary(airquality, missing = c("Wind", "Temp")))
add("lm-kept-parts", lm(mpg ~ wt, data = mtcars, x = TRUE, y = TRUE, model = FALSE), mt_new)
add("lm-updated", update(lm(mpg ~ wt, data = mtcars), . ~ . + log(hp):qsec), mt_new)
add("lm-stepped", step(lm(mpg ~ ., data = mtcars), trace = 0), mt_new)
add("lm-large-numbers", lm(mag ~ depth + I(lat * 1e8) + I(long / 1e9), data = quakes), vary(quakes, noisy = c("lat", "long", "depth")), fit = TRUE)

named <- setNames(mtcars[c("mpg", "wt", "cyl")], c("miles per gallon", "weight (t)", "név 重さ"))
add("lm-odd-names", lm(`miles per gallon` ~ `weight (t)` * factor(`név 重さ`), data = named), vary(named, missing = "weight (t)"), fit = TRUE)
dotted <- setNames(mtcars[c("mpg", "wt", "hp")], c(".y", "x.1_b", "..z"))
add("lm-dotted-names", lm(.y ~ x.1_b + ..z, data = dotted), vary(dotted, noisy = "..z"), fit = TRUE)

add("mlm", lm(cbind(mpg, disp) ~ wt + factor(cyl), data = mtcars), mt_new)
add("mlm-iris", lm(cbind(Sepal.Length, Sepal.Width, log(Petal.Width)) ~ Species * Petal.Length, data = iris), vary(iris, missing = "Petal.Length"))
add("mlm-poly", lm(as.matrix(mtcars[c("mpg", "qsec")]) ~ poly(wt, 2), data = mtcars), mt_new)

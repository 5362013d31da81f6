# What cannot be predicted from without R, and what is no model at all.

refuse("nls", nls(dist ~ a * speed^b, data = cars, start = list(a = 1, b = 1)), "nls", cars_new)
refuse("loess", loess(dist ~ speed, data = cars), "loess", vary(cars, noisy = character()))
refuse("smooth-spline", smooth.spline(cars$speed, cars$dist), "smooth.spline")
refuse("aov-strata", aov(yield ~ N * P * K + Error(block), data = npk), "aovlist")
refuse("prcomp", prcomp(USArrests), "prcomp")
refuse("kmeans", kmeans(cars, 2), "kmeans")
refuse("tree-like", structure(list(type = "classification", forest = list(ndbigtree = 3L)), class = "randomForest"), "randomForest")
refuse("gam-like", structure(glm(am ~ wt, family = binomial, data = mtcars), class = c("gam", "glm", "lm")), "gam")
refuse("robust-like", structure(lm(mpg ~ wt, data = mtcars), class = c("rlm", "lm")), "rlm")
refuse("list", list(a = 1, b = "text"), "list")
refuse("list-of-models", list(lm(mpg ~ wt, data = mtcars)), "list")
refuse("frame", mtcars, "data.frame")
refuse("number", 42, "numeric")
refuse("function", function(x) x + 1, "function")
refuse("nothing", NULL, "NULL")

# What a model's formula calls is not always in the model.
squeeze <- function(x) x / (1 + abs(x))
refuse("global-function", lm(mpg ~ squeeze(wt), data = mtcars), "squeeze")
limit <- 3
refuse("global-variable", lm(mpg ~ pmin(wt, limit), data = mtcars), "limit")
refuse("known-function", lm(mpg ~ rank(wt), data = mtcars), "rank", mtcars)
refuse("breaks-learned-anew", lm(mpg ~ cut(wt, 3), data = mtcars), "cut", mtcars)
refuse("method", lm(mpg ~ stats::filter(wt, rep(1, 3)), data = mtcars), "filter")
own_link <- structure(
  list(
    linkfun = function(mu) log(mu), linkinv = function(eta) exp(eta), mu.eta = function(eta) exp(eta),
    valideta = function(eta) TRUE, name = "mine"
  ),
  class = "link-glm"
)
refuse("own-link", glm(carb ~ wt, family = poisson(link = own_link), data = mtcars), "mine", mt_new)
# What came along in the environment of the formula, R has, too.
refuse("local-function", local({
  halve <- function(x) x / 2
  lm(mpg ~ halve(wt), data = mtcars)
}), "halve", mt_new)

//! Summaries of models that R saved are what R prints of them. Nothing to do where there
//! is no R.

use std::process::Command;

const MODELS: [&str; 11] = [
    "lm(mpg ~ wt + factor(cyl) + hp, mtcars)",
    "lm(mpg ~ wt * hp - 1, mtcars, weights = qsec)",
    "lm(mpg ~ wt + I(2 * wt) + offset(hp / 100), mtcars, subset = 1:8)",
    "lm(Ozone ~ Wind + Temp, airquality)",
    "lm(dist ~ 1, cars[1:5, ])",
    "glm(am ~ wt, binomial, mtcars)",
    "glm(cbind(ncases, ncontrols) ~ agegp + unclass(tobgp), data = esoph, family = binomial())",
    "glm(count ~ spray, poisson, InsectSprays)",
    "glm(mpg ~ wt + disp, Gamma(link = 'log'), mtcars, weights = cyl)",
    "glm(Volume ~ Girth, quasi(link = power(1/3), variance = 'mu^2'), data = trees)",
    "glm(lot1 ~ log(u), data = data.frame(u = c(5,10,15,20,30,40,60,80,100),
        lot1 = c(118,58,42,35,27,25,21,19,18)), family = inverse.gaussian)",
];

#[test]
fn summaries_of_saved_models_are_those_of_r() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |at: usize, kind: &str| folder.path().join(format!("{at}.{kind}"));
    let each = MODELS.iter().enumerate().map(|(at, own)| {
        format!(
            "m <- {own}; saveRDS(m, '{}'); writeLines(capture.output(print(summary(m))), '{}')",
            path(at, "rds").display(),
            path(at, "txt").display()
        )
    });
    let script: Vec<String> = each.collect();
    let made = Command::new("Rscript")
        .args(["--vanilla", "-e", &script.join("\n")])
        .env("LC_ALL", "C.UTF-8")
        .output();
    let Ok(made) = made else {
        return;
    };
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    for (at, model) in MODELS.iter().enumerate() {
        let bytes = std::fs::read(path(at, "rds")).expect("R wrote it");
        let value = rdata::read(&bytes, &rdata::Limits::default()).expect("it can be read");
        let own = model::from_r::model(&value).unwrap_or_else(|why| panic!("{model}: {why}"));
        let expected = std::fs::read_to_string(path(at, "txt")).expect("R wrote it");
        let text = model::summary::text(&own);
        assert_eq!(text.trim_end(), expected.trim_end(), "{model}");
    }
}

//! What uv and pip say when they cannot: the few lines that tell why, and which
//! package has no wheel for the target.

/// Lines of a reason that are shown, and characters of each.
const LINES_MAX: usize = 8;
const LINE_MAX: usize = 300;
/// Versions that are named of those that would be there.
const VERSIONS_SHOWN: usize = 5;

/// The reason, without what was said around it.
pub(crate) fn short(output: &str) -> String {
    if let Some(why) = unreachable(output) {
        return format!("  the package index does not answer: {why}");
    }
    let skipped = [
        "warning:",
        "Using ",
        "WARNING:",
        "Looking in",
        "[notice]",
        "hint:",
    ];
    let says = |line: &&str| {
        let line = line.trim();
        !line.is_empty()
            && !skipped.iter().any(|word| line.starts_with(word))
            && !line.contains("No solution found when resolving")
    };
    let all: Vec<&str> = output.lines().filter(says).collect();
    let errors: Vec<&str> = all
        .iter()
        .copied()
        .skip_while(|line| !line.starts_with("ERROR:") && !line.starts_with("error:"))
        .collect();
    let lines = if errors.is_empty() { all } else { errors };
    let lines: Vec<String> = lines
        .into_iter()
        .take(LINES_MAX)
        .map(|line| format!("  {}", line_of(line)))
        .collect();
    if lines.is_empty() {
        return "  it does not say why".to_owned();
    }
    lines.join("\n")
}

/// pip goes on without an index that does not answer, and then finds nothing.
fn unreachable(output: &str) -> Option<&str> {
    let (_, rest) = output.split_once("after connection broken by '")?;
    if !output.contains("(from versions: none)") {
        return None;
    }
    let line = rest.lines().next()?;
    let text = line.split_once(">: ").map_or(line, |(_, text)| text);
    text.split("')").next()
}

fn line_of(line: &str) -> String {
    let line = line.trim();
    let line = ["ERROR: ", "error: ", "cause: "]
        .iter()
        .find_map(|word| line.strip_prefix(word))
        .unwrap_or(line);
    let line = fewer_versions(line);
    match line.char_indices().nth(LINE_MAX) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}

/// pip lists all versions that there ever were.
fn fewer_versions(line: &str) -> String {
    let Some((before, rest)) = line.split_once("(from versions: ") else {
        return line.to_owned();
    };
    let versions: Vec<&str> = rest.trim_end_matches(')').split(", ").collect();
    if versions.len() <= VERSIONS_SHOWN {
        return line.to_owned();
    }
    let last = versions[versions.len() - VERSIONS_SHOWN..].join(", ");
    format!("{before}(from versions: ..., {last})")
}

/// The package that has no wheel for the target, as `name` or `name==version`.
pub(crate) fn without_wheel(output: &str) -> Option<String> {
    if unreachable(output).is_some() {
        return None;
    }
    of_uv(output).or_else(|| of_pip(output))
}

/// Whether it may be there as source: pip names the versions that have wheels, so a
/// package with some is not.
pub(crate) fn may_be_source(output: &str) -> bool {
    of_uv(output).is_some() || output.contains("(from versions: none)")
}

/// pip found nothing of that name, not even source.
pub(crate) fn of_nothing(output: &str) -> bool {
    of_pip(output).is_some()
}

fn of_uv(output: &str) -> Option<String> {
    let rest = output.split_once("Wheels are required for `")?.1;
    let name = rest.split_once('`')?.0;
    let pinned = output.split_whitespace().find(|word| {
        let version = word
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix("=="));
        version.is_some_and(|version| !version.is_empty())
    });
    Some(
        pinned
            .unwrap_or(name)
            .trim_end_matches([',', '.'])
            .to_owned(),
    )
}

fn of_pip(output: &str) -> Option<String> {
    let rest = output.split_once("No matching distribution found for ")?.1;
    Some(rest.split_whitespace().next()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const UV: &str = "Using CPython 3.11.7 interpreter at: /x/python\n\
        error: No solution found when resolving dependencies\n\
        \x20 cause: Because uwsgi==2.0.21 has no usable wheels and you require uwsgi==2.0.21, we \
        can conclude that your requirements are unsatisfiable.\n\n\
        hint: Wheels are required for `uwsgi` because building from source is disabled\n";

    #[test]
    fn the_package_without_a_wheel_is_found_in_the_words_of_both() {
        assert_eq!(without_wheel(UV).as_deref(), Some("uwsgi==2.0.21"));
        let all = UV
            .replace("uwsgi==2.0.21", "all versions of docopt")
            .replace("`uwsgi`", "`docopt`");
        assert_eq!(without_wheel(&all).as_deref(), Some("docopt"));
        let pip = "ERROR: Could not find a version that satisfies the requirement docopt (from \
                   versions: none)\nERROR: No matching distribution found for docopt\n";
        assert_eq!(without_wheel(pip).as_deref(), Some("docopt"));
        assert!(may_be_source(UV) && may_be_source(pip));
        assert!(!may_be_source(&pip.replace("none", "1.0, 1.1")));
        assert_eq!(
            without_wheel("error: Failed to fetch: https://pypi.org"),
            None
        );
    }

    #[test]
    fn an_index_that_does_not_answer_is_no_missing_wheel() {
        let pip = "WARNING: Retrying (Retry(total=0)) after connection broken by \
                   'NewConnectionError('<pip.HTTPConnection object at 0x7f>: Failed to establish \
                   a new connection: [Errno 111] Connection refused')': /simple/six/\n\
                   ERROR: Could not find six (from versions: none)\n\
                   ERROR: No matching distribution found for six\n";
        assert_eq!(without_wheel(pip), None);
        assert_eq!(
            short(pip),
            "  the package index does not answer: Failed to establish a new connection: [Errno \
             111] Connection refused"
        );
    }

    #[test]
    fn a_reason_is_short() {
        assert_eq!(
            short(UV),
            "  Because uwsgi==2.0.21 has no usable wheels and you require uwsgi==2.0.21, we can \
             conclude that your requirements are unsatisfiable."
        );
        let versions: Vec<String> = (0..90).map(|n| format!("1.{n}")).collect();
        let pip = format!(
            "Looking in links: /x\nCollecting y\nERROR: Could not find numpy==1 (from versions: {})\n",
            versions.join(", ")
        );
        assert_eq!(
            short(&pip),
            "  Could not find numpy==1 (from versions: ..., 1.85, 1.86, 1.87, 1.88, 1.89)"
        );
        let long = short(&"error: x\n".repeat(100));
        assert_eq!(long.lines().count(), LINES_MAX);
        assert!(short(&format!("error: {}", "é".repeat(1000))).ends_with("..."));
        assert_eq!(short(""), "  it does not say why");
    }
}

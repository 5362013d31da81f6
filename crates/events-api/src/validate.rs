//! Members checked as AWS checks them before it looks at what they mean, and its
//! words for what does not fit.

use std::str::FromStr;

/// What a text must be.
#[derive(Clone, Copy)]
pub(crate) struct Form {
    pub most: usize,
    /// As AWS shows it.
    pub pattern: &'static str,
    pub fits: fn(u8) -> bool,
}

pub(crate) const NAME: Form = Form {
    most: 64,
    pattern: r"[\.\-_A-Za-z0-9]+",
    fits: |b| b.is_ascii_alphanumeric() || b".-_".contains(&b),
};
pub(crate) const SCHEDULE_NAME: Form = Form {
    most: 64,
    pattern: r"^[0-9a-zA-Z-_.]+$",
    fits: |b| b.is_ascii_alphanumeric() || b".-_".contains(&b),
};
pub(crate) const BUS_NAME: Form = Form {
    most: 256,
    pattern: r"[/\.\-_A-Za-z0-9]+",
    fits: |b| b.is_ascii_alphanumeric() || b"/.-_".contains(&b),
};

/// Collects what does not fit, to say all of it in one message.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<String>);

impl Problems {
    /// A name that must be there. `None` is noted as a problem.
    pub fn name<T: FromStr>(&mut self, member: &str, text: Option<&str>, form: Form) -> Option<T> {
        let Some(text) = text else {
            self.missing(member);
            return None;
        };
        if !text.bytes().all(form.fits) || text.is_empty() {
            self.add(
                text,
                member,
                &format!("satisfy regular expression pattern: {}", form.pattern),
            );
        }
        self.length(member, Some(text), 1, form.most);
        text.parse().ok()
    }

    pub fn length(&mut self, member: &str, text: Option<&str>, least: usize, most: usize) {
        let Some(text) = text else { return };
        let length = text.chars().count();
        if length < least {
            let form = format!("have length greater than or equal to {least}");
            self.add(text, member, &form);
        } else if length > most {
            let form = format!("have length less than or equal to {most}");
            self.add(text, member, &form);
        }
    }

    pub fn number(&mut self, member: &str, number: Option<i64>, least: i64, most: i64) {
        let Some(number) = number else { return };
        let shown = number.to_string();
        if number < least {
            let form = format!("have value greater than or equal to {least}");
            self.add(&shown, member, &form);
        } else if number > most {
            let form = format!("have value less than or equal to {most}");
            self.add(&shown, member, &form);
        }
    }

    pub fn one_of(&mut self, member: &str, text: Option<&str>, values: &[&str]) {
        if let Some(text) = text
            && !values.contains(&text)
        {
            let form = format!("satisfy enum value set: [{}]", values.join(", "));
            self.add(text, member, &form);
        }
    }

    /// A member that must be there.
    pub fn required<T>(&mut self, member: &str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.missing(member);
        }
        value
    }

    fn missing(&mut self, member: &str) {
        self.0.push(format!(
            "Value null at '{member}' failed to satisfy constraint: Member must not be null"
        ));
    }

    fn add(&mut self, value: &str, member: &str, form: &str) {
        // A hostile value can be megabytes long; a message must not be.
        let value: String = value.chars().take(256).collect();
        self.0.push(format!(
            "Value '{value}' at '{member}' failed to satisfy constraint: Member must {form}"
        ));
    }

    /// The whole message, if there is a problem.
    pub fn message(self) -> Option<String> {
        let count = self.0.len();
        let noun = if count == 1 { "error" } else { "errors" };
        (count > 0).then(|| format!("{count} validation {noun} detected: {}", self.0.join("; ")))
    }
}

//! The pages that S3 shows in place of a page that it has not got.

use std::fmt::Write as _;

use aws_wire::{Body, body};
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Response, StatusCode};

/// An error as people and programs are told it: a list, and headers.
#[derive(Debug)]
pub(super) struct ErrorPage {
    status: StatusCode,
    code: &'static str,
    message: &'static str,
    details: Vec<(&'static str, String)>,
    /// What came of the bucket's own page for errors.
    document: Option<&'static str>,
}

impl ErrorPage {
    pub fn new(status: StatusCode, code: &'static str, message: &'static str) -> Self {
        Self {
            status,
            code,
            message,
            details: Vec::new(),
            document: None,
        }
    }

    pub fn no_such_bucket(bucket: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "NoSuchBucket",
            "The specified bucket does not exist",
        )
        .with("BucketName", bucket)
    }

    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalError",
            "We encountered an internal error. Please try again.",
        )
    }

    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.details.push((name, value.to_owned()));
        self
    }

    /// The bucket has a page for errors, and it could not be shown for this reason.
    pub fn without_document(mut self, code: &'static str) -> Self {
        self.document = Some(code);
        self
    }

    pub fn respond(&self) -> Response<Body> {
        let mut response = Response::new(body::full(self.html()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        let html = HeaderValue::from_static("text/html; charset=utf-8");
        headers.insert(CONTENT_TYPE, html);
        headers.insert("x-amz-error-code", HeaderValue::from_static(self.code));
        let message = HeaderValue::from_static(self.message);
        headers.insert("x-amz-error-message", message);
        for (name, value) in &self.details {
            let name = format!("x-amz-error-detail-{name}").to_ascii_lowercase();
            // A key may hold what a header may not.
            let name = HeaderName::from_bytes(name.as_bytes());
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
                headers.insert(name, value);
            }
        }
        response
    }

    fn html(&self) -> String {
        let status = self.status;
        let mut items = String::new();
        let fixed = [("Code", self.code), ("Message", self.message)];
        let details = self.details.iter().map(|(name, value)| (*name, &**value));
        for (name, value) in fixed.into_iter().chain(details) {
            let _ = writeln!(items, "<li>{name}: {}</li>", escaped(value));
        }
        let document = self.document.map(|code| {
            format!(
                "<h3>An Error Occurred While Attempting to Retrieve a Custom Error Document</h3>\n\
                 <ul>\n<li>Code: {code}</li>\n</ul>\n"
            )
        });
        let document = document.unwrap_or_default();
        format!(
            "<html>\n<head><title>{status}</title></head>\n<body>\n<h1>{status}</h1>\n\
             <ul>\n{items}</ul>\n{document}<hr/>\n</body>\n</html>\n"
        )
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_shows_what_was_asked_and_not_as_html() {
        let page = ErrorPage::new(
            StatusCode::NOT_FOUND,
            "NoSuchKey",
            "The specified key does not exist.",
        )
        .with("Key", "<script>&\r\nx: y");
        assert_eq!(
            page.html(),
            "<html>\n<head><title>404 Not Found</title></head>\n<body>\n\
             <h1>404 Not Found</h1>\n<ul>\n<li>Code: NoSuchKey</li>\n\
             <li>Message: The specified key does not exist.</li>\n\
             <li>Key: &lt;script&gt;&amp;\r\nx: y</li>\n</ul>\n<hr/>\n</body>\n</html>\n"
        );
        let response = page.respond();
        assert_eq!(response.status(), 404);
        assert_eq!(response.headers()["x-amz-error-code"], "NoSuchKey");
        assert!(!response.headers().contains_key("x-amz-error-detail-key"));
    }
}

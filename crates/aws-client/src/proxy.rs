//! The proxy that stands between a company's machines and AWS: `HTTPS_PROXY`, but for the
//! hosts of `NO_PROXY`. It is asked for a tunnel, and sees nothing of what goes through.

use std::fmt;
use std::time::Duration;

use aws_wire::form;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::endpoint::Endpoint;
use crate::error::ClientError;
use crate::pool::TransportError;
use crate::profile::Variable;

const PATIENCE: Duration = Duration::from_secs(30);
/// What a proxy may say before the tunnel begins.
const HEAD_BYTES: usize = 16 << 10;
const HINT: &str = "HTTPS_PROXY names the proxy, NO_PROXY the hosts that are reached without it";

/// A proxy for what is encrypted.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Proxy {
    pub endpoint: Endpoint,
    /// Name and password, as they are sent.
    authorization: Option<String>,
    /// Hosts, and ends of hosts, that are reached without it.
    except: Vec<String>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Passwords stay out of logs.
        f.debug_struct("Proxy")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

impl Proxy {
    pub fn find(variable: &Variable<'_>) -> Result<Option<Self>, ClientError> {
        let either = |upper: &str, lower: &str| variable(lower).or_else(|| variable(upper));
        let Some(url) = either("HTTPS_PROXY", "https_proxy") else {
            return Ok(None);
        };
        // The address may hold a password, which the error must not repeat.
        let bad = || {
            ClientError::config("HTTPS_PROXY is not the address of a proxy")
                .with_hint("use a form such as http://proxy.example.com:3128")
        };
        let rest = match url.split_once("://") {
            Some(("http", rest)) => rest,
            Some(_) => return Err(bad()),
            None => &url,
        };
        let (user, place) = match rest.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, rest),
        };
        let authorization = user.map(|user| {
            let plain = form::decode(user);
            format!("Basic {}", STANDARD.encode(plain.as_bytes()))
        });
        let except = either("NO_PROXY", "no_proxy").unwrap_or_default();
        Ok(Some(Self {
            endpoint: Endpoint::parse(&format!("http://{place}")).map_err(|_| bad())?,
            authorization,
            except: except
                .split([',', ' '])
                .filter(|host| !host.is_empty())
                // `*` alone is all hosts, which is what an empty end means.
                .map(|host| host.trim_start_matches('*').to_ascii_lowercase())
                .collect(),
        }))
    }

    pub fn is_for(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let near = host.parse::<std::net::IpAddr>();
        let near = host == "localhost" || near.is_ok_and(|address| address.is_loopback());
        !near && !self.except.iter().any(|except| fits(&host, except))
    }

    /// Asks for a tunnel on a connection to the proxy.
    pub async fn tunnel(
        &self,
        stream: &mut TcpStream,
        host: &str,
        port: u16,
    ) -> Result<(), TransportError> {
        let proxy = self.endpoint.authority();
        let failed = |why: String| {
            TransportError::connect(
                format!("the proxy {proxy} does not lead to {host}:{port}: {why}"),
                HINT,
            )
        };
        let mut request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n");
        if let Some(authorization) = &self.authorization {
            request.extend(["Proxy-Authorization: ", authorization, "\r\n"]);
        }
        request.push_str("\r\n");
        let asked = async {
            stream.write_all(request.as_bytes()).await?;
            head(stream).await
        };
        let answered = tokio::time::timeout(PATIENCE, asked).await;
        let answered = answered.map_err(|_| failed("it went silent".to_owned()))?;
        let status = answered.map_err(|error| failed(error.to_string()))?;
        if status.split(' ').nth(1) == Some("200") {
            return Ok(());
        }
        Err(failed(status))
    }
}

/// Byte by byte, because what follows belongs to the tunnel. Returns the first line.
async fn head(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= HEAD_BYTES {
            return Err(std::io::Error::other("its answer does not end"));
        }
        head.push(stream.read_u8().await?);
    }
    let text = String::from_utf8_lossy(&head);
    let line = text.lines().next().unwrap_or_default();
    Ok(line.chars().filter(|c| !c.is_control()).take(100).collect())
}

/// `example.com` and `.example.com` both mean the host and all below it.
fn fits(host: &str, except: &str) -> bool {
    let except = except.trim_start_matches('.');
    let above = host.strip_suffix(except);
    except.is_empty() || above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    fn proxy(url: &str, except: &str) -> Result<Option<Proxy>, ClientError> {
        let variable = |name: &str| match name {
            "HTTPS_PROXY" => Some(url.to_owned()).filter(|url| !url.is_empty()),
            "no_proxy" => Some(except.to_owned()),
            _ => None,
        };
        Proxy::find(&variable)
    }

    #[test]
    fn proxies_are_read_with_their_exceptions() {
        assert_eq!(proxy("", "").unwrap(), None);
        let found = proxy(
            "http://me:p%40ss@proxy:3128/",
            ".corp, example.com,10.0.0.1",
        );
        let found = found.unwrap().unwrap();
        assert_eq!(found.endpoint.url(), "http://proxy:3128");
        assert_eq!(found.authorization.as_deref(), Some("Basic bWU6cEBzcw=="));
        assert!(!format!("{found:?}").contains("bWU6"));
        for (host, is_for) in [
            ("lambda.us-east-1.amazonaws.com", true),
            ("notexample.com", true),
            ("example.com", false),
            ("api.EXAMPLE.com", false),
            ("x.corp", false),
            ("10.0.0.1", false),
            ("localhost", false),
            ("127.0.0.1", false),
        ] {
            assert_eq!(found.is_for(host), is_for, "{host}");
        }
        let none = proxy("proxy:1", "*").unwrap().unwrap();
        assert!(!none.is_for("lambda.us-east-1.amazonaws.com"));
        for bad in ["socks5://x:1", "http://", "http://me:secret@a b"] {
            let said = proxy(bad, "").unwrap_err().to_string();
            assert!(!said.contains("secret"), "{said}");
        }
    }

    #[tokio::test]
    async fn a_tunnel_begins_where_the_proxys_answer_ends() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let found = proxy(&format!("http://a:b@{address}"), "")
            .unwrap()
            .unwrap();
        let answers = [
            "HTTP/1.1 200 fine\r\nx: y\r\n\r\nfirst",
            "HTTP/1.1 407 who\r\n\r\n",
            "HTTP",
        ];
        let other = async {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut asked = vec![0; 1024];
                let length = stream.read(&mut asked).await.unwrap();
                let asked = String::from_utf8_lossy(&asked[..length]).into_owned();
                assert!(asked.starts_with("CONNECT aws:443 HTTP/1.1\r\n"), "{asked}");
                assert!(
                    asked.contains("Proxy-Authorization: Basic YTpi\r\n"),
                    "{asked}"
                );
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        };
        let own = async {
            let mut stream = TcpStream::connect(address).await.unwrap();
            found.tunnel(&mut stream, "aws", 443).await.unwrap();
            let mut rest = String::new();
            stream.read_to_string(&mut rest).await.unwrap();
            assert_eq!(rest, "first");
            for words in ["407 who", "does not lead to aws:443"] {
                let mut stream = TcpStream::connect(address).await.unwrap();
                let error = found.tunnel(&mut stream, "aws", 443).await.unwrap_err();
                assert!(error.to_string().contains(words), "{error}");
            }
        };
        tokio::join!(other, own);
    }
}

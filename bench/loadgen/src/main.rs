//! Sends prepared HTTP/1.1 requests over and over from several keep-alive
//! connections and reports latencies as one line of JSON; or answers every
//! request with a constant, which shows what a client can reach at best.
//!
//! A SigV4 signature holds for minutes and covers neither a nonce nor a
//! counter, so requests are signed once, by the caller: no time is spent on
//! signing while measuring. `load` has one request; `loads` has many, of which
//! each client takes every n-th; `stamps` also makes each body one that was never
//! sent before, by a number over its first bytes (which its signature must not
//! cover): a store that keeps equal content once has nothing to gain.

use std::env;
use std::error::Error;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

const USAGE: &str = "\
usage: loadgen load ADDRESS REQUEST_FILE CLIENTS (each COUNT | seconds SECONDS)
       loadgen loads ADDRESS BUNDLE_FILE CLIENTS (each COUNT | seconds SECONDS)
       loadgen stamps ADDRESS BUNDLE_FILE CLIENTS (each COUNT | seconds SECONDS)
       loadgen constant            (prints its address, then serves for ever)";

/// Enough for the largest answer that a benchmark asks for.
const READ_BUFFER: usize = 64 * 1024;
/// A thousand client threads must not reserve gigabytes of stack.
const STACK: usize = 128 * 1024;
const TIMEOUT: Duration = Duration::from_secs(120);

/// When a client stops.
#[derive(Clone, Copy)]
enum Until {
    Count(u64),
    Time(Duration),
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        [
            kind @ ("load" | "loads" | "stamps"),
            address,
            file,
            clients,
            unit,
            amount,
        ] => prepared(kind, file).and_then(|work| load(address, work, clients, unit, amount)),
        ["constant"] => constant(),
        _ => Err(USAGE.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// What there is to send.
struct Work {
    requests: Vec<Vec<u8>>,
    /// Whether each body gets a number of its own.
    stamp: bool,
}

fn prepared(kind: &str, file: &str) -> Result<Work, Box<dyn Error>> {
    let bytes = fs::read(file)?;
    let requests = if kind == "load" {
        vec![bytes]
    } else {
        unbundled(&bytes).ok_or("the bundle is cut off")?
    };
    if requests.is_empty() {
        return Err("there is nothing to send".into());
    }
    let stamp = kind == "stamps";
    Ok(Work { requests, stamp })
}

/// Each request after its length in four bytes.
fn unbundled(mut bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut requests = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (request, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        requests.push(request.to_vec());
        bytes = rest;
    }
    Some(requests)
}

/// The part of the work that falls to one client.
struct Share {
    requests: Vec<Vec<u8>>,
    stamp: Option<u64>,
    next: usize,
}

impl Share {
    fn of(work: &Work, client: usize, clients: usize) -> Self {
        let mine = |at: &usize| clients > work.requests.len() || at % clients == client;
        let requests = (0..work.requests.len()).filter(mine);
        // Numbers of one client begin with its own.
        let first = (client as u64) << 40;
        Self {
            requests: requests.map(|at| work.requests[at].clone()).collect(),
            stamp: work.stamp.then_some(first),
            next: 0,
        }
    }

    fn next(&mut self) -> &[u8] {
        let at = self.next % self.requests.len();
        self.next += 1;
        let request = &mut self.requests[at];
        if let Some(number) = &mut self.stamp {
            *number += 1;
            if let Some(head) = find(request, b"\r\n\r\n") {
                let text = format!("{number:016x}");
                let body = &mut request[head + 4..];
                let length = body.len().min(text.len());
                body[..length].copy_from_slice(&text.as_bytes()[..length]);
            }
        }
        request
    }
}

/// What one client saw.
#[derive(Default)]
struct Seen {
    micros: Vec<u64>,
    errors: u64,
    first_error: Option<String>,
}

fn load(
    address: &str,
    work: Work,
    clients: &str,
    unit: &str,
    amount: &str,
) -> Result<(), Box<dyn Error>> {
    let clients: usize = clients.parse()?;
    let until = match unit {
        "each" => Until::Count(amount.parse()?),
        "seconds" => Until::Time(Duration::from_secs_f64(amount.parse()?)),
        _ => return Err(USAGE.into()),
    };
    let start_line = Arc::new(Barrier::new(clients + 1));
    let mut threads = Vec::new();
    for client in 0..clients {
        let share = Share::of(&work, client, clients);
        let start_line = start_line.clone();
        let address = address.to_owned();
        let client = move || {
            let stream = connect(&address);
            start_line.wait();
            drive(stream, &address, share, until)
        };
        threads.push(
            thread::Builder::new()
                .stack_size(STACK + READ_BUFFER)
                .spawn(client)?,
        );
    }
    start_line.wait();
    let started = Instant::now();
    let mut all = Seen::default();
    for thread in threads {
        let seen = thread.join().map_err(|_| "a client panicked")?;
        all.micros.extend(seen.micros);
        all.errors += seen.errors;
        all.first_error = all.first_error.or(seen.first_error);
    }
    report(all, clients, started.elapsed());
    Ok(())
}

fn connect(address: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    Ok(stream)
}

fn drive(stream: io::Result<TcpStream>, address: &str, mut share: Share, until: Until) -> Seen {
    let mut seen = Seen::default();
    let mut stream = stream.ok();
    let mut buffer = vec![0; READ_BUFFER];
    let started = Instant::now();
    let mut sent = 0;
    loop {
        let more = match until {
            Until::Count(count) => sent < count,
            Until::Time(time) => started.elapsed() < time,
        };
        if !more {
            return seen;
        }
        sent += 1;
        let request = share.next();
        let before = Instant::now();
        match exchange(&mut stream, address, request, &mut buffer) {
            Ok(()) => seen
                .micros
                .push(u64::try_from(before.elapsed().as_micros()).unwrap_or(u64::MAX)),
            Err(error) => {
                stream = None;
                seen.errors += 1;
                seen.first_error.get_or_insert(error.to_string());
                if seen.errors > 100 {
                    return seen;
                }
            }
        }
    }
}

/// One request and its whole answer; an answer that is not a success is an error.
fn exchange(
    connection: &mut Option<TcpStream>,
    address: &str,
    request: &[u8],
    buffer: &mut [u8],
) -> io::Result<()> {
    let mut stream = match connection.take() {
        Some(stream) => stream,
        None => connect(address)?,
    };
    stream.write_all(request)?;
    let mut filled = 0;
    let head_end = loop {
        let count = stream.read(&mut buffer[filled..])?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        filled += count;
        if let Some(at) = find(&buffer[..filled], b"\r\n\r\n") {
            break at + 4;
        }
    };
    let head = String::from_utf8_lossy(&buffer[..head_end]).to_ascii_lowercase();
    let mut close = false;
    let mut length = None;
    let mut chunked = false;
    let mut function_error = false;
    for line in head.lines() {
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse::<usize>().ok();
        }
        chunked |= line.starts_with("transfer-encoding:") && line.contains("chunked");
        close |= line.starts_with("connection:") && line.contains("close");
        function_error |= line.starts_with("x-amz-function-error:");
    }
    let end = length.map(|length| head_end + length);
    loop {
        let whole = match end {
            Some(end) => filled >= end,
            None => chunked && buffer[..filled].ends_with(b"\r\n0\r\n\r\n"),
        };
        if whole {
            break;
        }
        if filled == buffer.len() {
            return Err(io::Error::other("the answer is larger than the buffer"));
        }
        let count = stream.read(&mut buffer[filled..])?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        filled += count;
    }
    if !head.contains(" 200 ") || function_error {
        let text = String::from_utf8_lossy(&buffer[..filled.min(600)]);
        return Err(io::Error::other(text.into_owned()));
    }
    if !close {
        *connection = Some(stream);
    }
    Ok(())
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

#[allow(clippy::cast_precision_loss)]
fn report(mut seen: Seen, clients: usize, elapsed: Duration) {
    seen.micros.sort_unstable();
    let at = |share: f64| -> f64 {
        let last = seen.micros.len().saturating_sub(1);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let index = (last as f64 * share).round() as usize;
        seen.micros
            .get(index)
            .map_or(0.0, |&micros| micros as f64 / 1000.0)
    };
    let count = seen.micros.len();
    println!(
        "{{\"clients\":{clients},\"requests\":{count},\"errors\":{},\"seconds\":{:.4},\"per_second\":{:.1},\
         \"p50_ms\":{:.3},\"p90_ms\":{:.3},\"p99_ms\":{:.3},\"max_ms\":{:.3},\"first_error\":{:?}}}",
        seen.errors,
        elapsed.as_secs_f64(),
        count as f64 / elapsed.as_secs_f64(),
        at(0.5),
        at(0.9),
        at(0.99),
        at(1.0),
        seen.first_error
            .unwrap_or_default()
            .replace(|c: char| !(' '..='~').contains(&c), " "),
    );
}

/// Answers everything with `null`: what remains is the cost of the client.
fn constant() -> Result<(), Box<dyn Error>> {
    const ANSWER: &[u8] =
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 4\r\n\r\nnull";
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    for stream in listener.incoming() {
        let mut stream = stream?;
        stream.set_nodelay(true)?;
        thread::spawn(move || {
            let mut buffer = vec![0; READ_BUFFER];
            let mut filled = 0;
            while let Ok(count) = stream.read(&mut buffer[filled..]) {
                if count == 0 {
                    return;
                }
                filled += count;
                let Some(head) = find(&buffer[..filled], b"\r\n\r\n") else {
                    continue;
                };
                let text = String::from_utf8_lossy(&buffer[..head]).to_ascii_lowercase();
                let length = text
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
                    .unwrap_or(0);
                if filled >= head + 4 + length {
                    filled = 0;
                    if stream.write_all(ANSWER).is_err() {
                        return;
                    }
                }
            }
        });
    }
    Ok(())
}

//! Sends one prepared HTTP/1.1 request over and over from several keep-alive
//! connections and reports latencies as one line of JSON; or answers every
//! request with a constant, which shows what a client can reach at best.
//!
//! A SigV4 signature holds for minutes and covers neither a nonce nor a
//! counter, so the request is signed once, by the caller: no time is spent on
//! signing while measuring.

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
        ["load", address, file, clients, unit, amount] => {
            load(address, file, clients, unit, amount)
        }
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

/// What one client saw.
#[derive(Default)]
struct Seen {
    micros: Vec<u64>,
    errors: u64,
    first_error: Option<String>,
}

fn load(
    address: &str,
    file: &str,
    clients: &str,
    unit: &str,
    amount: &str,
) -> Result<(), Box<dyn Error>> {
    let request = Arc::new(fs::read(file)?);
    let clients: usize = clients.parse()?;
    let until = match unit {
        "each" => Until::Count(amount.parse()?),
        "seconds" => Until::Time(Duration::from_secs_f64(amount.parse()?)),
        _ => return Err(USAGE.into()),
    };
    let start_line = Arc::new(Barrier::new(clients + 1));
    let mut threads = Vec::new();
    for _ in 0..clients {
        let (request, start_line) = (request.clone(), start_line.clone());
        let address = address.to_owned();
        let client = move || {
            let stream = connect(&address);
            start_line.wait();
            drive(stream, &address, &request, until)
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

fn drive(stream: io::Result<TcpStream>, address: &str, request: &[u8], until: Until) -> Seen {
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

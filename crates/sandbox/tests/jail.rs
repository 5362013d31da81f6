//! Real processes in real jails: templates, forks, programs. Each needs Python
//! and user namespaces on the machine, as the product does.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use sandbox::{
    Exit, FunctionFiles, Interpreter, Isolation, Process, Readiness, Sandbox, SandboxSettings,
    Template, find_interpreters,
};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const HANDLER: &str = r#"
import os, random, subprocess, sys
open("/tmp/loaded", "w").write("at load")

def look(event, context):
    return {
        "pid": os.getpid(),
        "uid": os.getuid(),
        "cwd": os.getcwd(),
        "tmp": sorted(os.listdir("/tmp")),
        "root": sorted(os.listdir("/")),
        "random": random.random(),
        "caps": [l.split()[1] for l in open("/proc/self/status") if l.startswith("CapEff")][0],
        "echo": event,
        "mine": os.environ["MINE"],
    }

def evaluate(event, context):
    return repr(eval(event))

def leave(event, context):
    print("good bye", flush=True)
    os.kill(os.getpid(), event) if event else os._exit(7)
"#;

/// Has forks say that they are in their control groups, or could not enter, and no more.
const LIES: &str = r#"
import squall_fork
squall_fork.enter_groups = lambda control, ancillary: control.send(b"in")
from main import look
"#;
const STAYS: &str = r#"
import squall_fork
squall_fork.enter_groups = lambda control, ancillary: control.send(b"out") and control.recv(16)
from main import look
"#;

struct Bench {
    _dir: TempDir,
    sandbox: Sandbox,
    python: Interpreter,
    files: FunctionFiles,
}

fn helper() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let target = test.parent().and_then(|deps| deps.parent()).unwrap();
    target.join("examples/jail")
}

fn search_path() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    if let Some(home) = std::env::var_os("HOME") {
        let versions = PathBuf::from(home).join(".pyenv/versions");
        for entry in fs::read_dir(versions).into_iter().flatten().flatten() {
            folders.push(entry.path().join("bin"));
        }
    }
    folders
}

fn bench() -> Bench {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let code = dir.path().join("code");
    fs::create_dir(&code).unwrap();
    fs::write(code.join("main.py"), HANDLER).unwrap();
    fs::write(code.join("lies.py"), LIES).unwrap();
    fs::write(code.join("stays.py"), STAYS).unwrap();
    let sandbox = Sandbox::new(SandboxSettings {
        isolation: Isolation::Namespaces,
        helper: helper(),
        unprivileged: (65534, 65534),
        guest_directory: dir.path().join("guests"),
        group_name: format!("squall-test-{}", std::process::id()),
        open_files: 1024,
        processes: 1024,
        python_packages: vec![],
    })
    .unwrap();
    let python = find_interpreters(&search_path())
        .pop()
        .expect("a Python is installed");
    Bench {
        sandbox,
        python,
        files: FunctionFiles {
            code,
            layers: vec![],
            tmp_mb: 512,
            memory_mb: 256,
        },
        _dir: dir,
    }
}

impl Bench {
    async fn template(&self, handler: &str) -> Template {
        self.sandbox
            .start_template(
                &self.python,
                &self.files,
                vec![("_HANDLER".into(), handler.into())],
                sandbox::spec::Network::Host,
            )
            .await
            .unwrap()
    }

    async fn fork(&self, handler: &str) -> (Template, Process) {
        let template = self.template(handler).await;
        match template.ready().await.unwrap() {
            Readiness::Ready {
                unsafe_to_fork: None,
            } => {}
            other => panic!("not ready: {other:?}, log: {}", log(&template.logs)),
        }
        let environment = BTreeMap::from([("MINE".to_owned(), "yes".to_owned())]);
        let process = template.fork(&environment).await.unwrap();
        (template, process)
    }
}

fn log(pipe: &sandbox::LogPipe) -> String {
    let mut buffer = vec![0; 65536];
    let count = pipe.read_now(&mut buffer).unwrap_or(0);
    String::from_utf8_lossy(&buffer[..count]).into_owned()
}

async fn call(process: &mut Process, event: &str) -> (u8, serde_json::Value) {
    let meta = r#"{"id":"1","arn":"a","deadline":0}"#;
    let mut request = Vec::new();
    request.extend(u32::try_from(meta.len()).unwrap().to_le_bytes());
    request.extend(u32::try_from(event.len()).unwrap().to_le_bytes());
    request.extend(meta.as_bytes());
    request.extend(event.as_bytes());
    let runtime = process.runtime.as_mut().unwrap();
    runtime.write_all(&request).await.unwrap();
    let kind = match runtime.read_u8().await {
        Ok(kind) => kind,
        Err(error) => panic!("{error}, log: {}", log(&process.logs)),
    };
    let length = runtime.read_u32_le().await.unwrap();
    let _peak = runtime.read_u32_le().await.unwrap();
    let mut payload = vec![0; length as usize];
    runtime.read_exact(&mut payload).await.unwrap();
    (kind, serde_json::from_slice(&payload).unwrap())
}

#[tokio::test]
async fn forks_are_separate_and_see_what_the_template_loaded() {
    let bench = bench();
    let (template, mut first) = bench.fork("main.look").await;
    let environment = BTreeMap::from([("MINE".to_owned(), "two".to_owned())]);
    let mut second = template.fork(&environment).await.unwrap();
    let (kind, one) = call(&mut first, r#"{"a":1}"#).await;
    assert_eq!(kind, 0, "{one}");
    let (_, two) = call(&mut second, "2").await;
    assert_eq!(one["echo"]["a"], 1);
    assert_eq!(one["tmp"][0], "loaded");
    assert_eq!(one["uid"], 993);
    assert_eq!(one["cwd"], "/var/task");
    assert_eq!(one["caps"], "0000000000000000");
    assert_eq!((&one["mine"], &two["mine"]), (&"yes".into(), &"two".into()));
    assert_ne!(one["random"], two["random"]);
    assert_eq!(
        one["root"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|name| *name == "home")
            .count(),
        0
    );
}

#[tokio::test]
async fn how_a_fork_ends_is_known() {
    let bench = bench();
    for (event, exit) in [
        ("0", Exit::Code(7)),
        ("9", Exit::Signal(9)),
        ("11", Exit::Signal(11)),
    ] {
        let (_template, mut process) = bench.fork("main.leave").await;
        let meta = r#"{"id":"1","arn":"a","deadline":0}"#;
        let mut request = Vec::new();
        request.extend(u32::try_from(meta.len()).unwrap().to_le_bytes());
        request.extend(1u32.to_le_bytes());
        request.extend(meta.as_bytes());
        request.extend(event.as_bytes());
        process
            .runtime
            .as_mut()
            .unwrap()
            .write_all(&request)
            .await
            .unwrap();
        assert_eq!(process.exited().await, exit, "log: {}", log(&process.logs));
        assert!(log(&process.logs).contains("good bye"));
    }
}

#[tokio::test]
async fn walls_hold_in_a_fork() {
    let bench = bench();
    let (_template, mut process) = bench.fork("main.evaluate").await;
    // Positive control first: the same eval works where it is allowed.
    let (kind, value) = call(&mut process, r#""open('/tmp/mine', 'w').write('x')""#).await;
    assert_eq!((kind, value), (0, "1".into()));
    for attempt in [
        "open('/var/task/evil', 'w')",
        "open('/usr/evil', 'w')",
        "open('/evil', 'w')",
        "open('/etc/shadow')",
        "os.mount if hasattr(os, 'mount') else __import__('ctypes').CDLL(None, use_errno=True).mount(b'tmpfs', b'/tmp', b'tmpfs', 6, None) == 0 or 1/0",
        "__import__('ctypes').CDLL(None).unshare(0x10000000) == 0 or 1/0",
        "__import__('ctypes').CDLL(None).ptrace(16, 1, 0, 0) == 0 or 1/0",
        "os.kill(1, 9) or os.kill(1, 0) or 1/0 if os.getpid() == 1 else open('/proc/1/root/etc/shadow')",
        "os.setuid(0)",
        "__import__('resource').setrlimit(__import__('resource').RLIMIT_NOFILE, (4096, 4096))",
    ] {
        let (kind, value) = call(&mut process, &serde_json::to_string(attempt).unwrap()).await;
        assert_eq!(kind, 1, "{attempt} gave {value}");
    }
}

#[tokio::test]
async fn a_missing_module_is_an_init_error() {
    let bench = bench();
    let template = bench.template("nowhere.handler").await;
    match template.ready().await.unwrap() {
        Readiness::InitError { error } => {
            assert_eq!(error["errorType"], "Runtime.ImportModuleError");
            assert_eq!(
                error["errorMessage"],
                "Unable to import module 'nowhere': No module named 'nowhere'"
            );
        }
        Readiness::Ready { .. } => panic!("there is no such module"),
    }
}

#[tokio::test]
async fn a_program_runs_and_its_end_is_known() {
    let bench = bench();
    let process = bench
        .sandbox
        .spawn_program(
            vec![
                "/bin/sh".into(),
                "-c".into(),
                "echo $WHO; pwd; exit 3".into(),
            ],
            &bench.files,
            vec![("WHO".into(), "me".into())],
            sandbox::spec::Network::Isolated { ports: vec![4566] },
        )
        .await
        .unwrap();
    assert_eq!(process.listeners.len(), 1);
    assert_eq!(process.exited().await, Exit::Code(3));
    assert_eq!(log(&process.logs), "me\n/var/task\n");
}

#[tokio::test]
async fn nothing_is_left_of_the_control_groups() {
    let bench = bench();
    let (template, process) = bench.fork("main.look").await;
    let groups = bench.sandbox.cgroups().clone();
    let left = || {
        groups
            .roots()
            .into_iter()
            .filter(|root| root.exists())
            .count()
    };
    assert_eq!(left(), groups.roots().len());
    // Their last processes are ended here, and gone a little later.
    drop((template, process, bench));
    assert_eq!(left(), 0);
}

/// What `/proc` says of a process' control groups, where there are any.
fn groups_of(bench: &Bench, pid: i32) -> Vec<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let kinds = ["memory", "pids", "cpu"];
    let roots = bench.sandbox.cgroups().roots();
    let Some(name) = roots.first().and_then(|root| root.file_name()) else {
        return vec![];
    };
    let within = format!("/{}/", name.to_str().unwrap());
    let of_kind = |line: &&str| {
        let mut parts = line.splitn(3, ':').skip(1);
        let kind = parts.next().unwrap_or_default();
        kind.is_empty() || kinds.contains(&kind)
    };
    text.lines()
        .filter(of_kind)
        .filter_map(|line| Some(line.split_once(&within)?.1.to_owned()))
        .collect()
}

#[tokio::test]
async fn every_instance_has_control_groups_of_its_own() {
    let bench = bench();
    let (template, mut process) = bench.fork("main.look").await;
    let other = template.fork(&BTreeMap::new()).await.unwrap();
    // The function runs below process 1, and was born where that is by then.
    call(&mut process, "{}").await;
    let mut seen = vec![groups_of(&bench, template.pid())];
    for pid in [process.pid(), other.pid()] {
        seen.push(groups_of(&bench, pid));
    }
    let tree = sandbox::process_tree(process.pid());
    let function = *tree.last().unwrap();
    assert_ne!(function, process.pid());
    assert_eq!(groups_of(&bench, function), seen[1]);
    let kinds = bench.sandbox.cgroups().roots().len();
    for groups in &seen {
        assert_eq!(groups.len(), kinds, "{seen:?}");
    }
    if kinds > 0 {
        let names: std::collections::BTreeSet<_> = seen.iter().map(|groups| &groups[0]).collect();
        assert_eq!(names.len(), 3, "{seen:?}");
    }
}

/// The code of the function has run in a template, and can change what its forks do.
#[tokio::test]
async fn who_does_not_enter_its_control_group_is_moved() {
    let bench = bench();
    let kinds = bench.sandbox.cgroups().roots().len();
    let (_template, process) = bench.fork("lies.look").await;
    assert_eq!(groups_of(&bench, process.pid()).len(), kinds);
    let (template, mut process) = bench.fork("stays.look").await;
    call(&mut process, "{}").await;
    // Not before it was moved did it make the process that runs the function.
    for pid in sandbox::process_tree(process.pid()) {
        assert_eq!(groups_of(&bench, pid).len(), kinds);
        let of_template = groups_of(&bench, template.pid());
        assert!(kinds == 0 || groups_of(&bench, pid) != of_template);
    }
}

//! Commands that may not, and what the box keeps from those that may.

use std::time::{Duration, Instant};

use claw_tools::exec::{Ask, Launcher, Security, Settings};
use claw_tools::sandbox::Walls;
use tempfile::TempDir;

use claw_core::message::JsonText;
use claw_core::tool::ToolContext;
use claw_core::{Principal, PrincipalId};

use crate::desk::{Desk, bare, context, full, gone};

/// Advisories 62 and 64: neither the environment, nor files, nor the network, nor other processes.
#[tokio::test]
async fn a_command_in_the_box_reaches_nothing_outside() {
    let desk = Desk::new(full());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (secret, own) = (desk.file("secret").display().to_string(), std::process::id());
    let attempts = [
        format!("cat {secret}"),
        format!("echo evil > {secret}"),
        format!("test -e {secret} && rm -f {secret} && test ! -e {secret}"),
        format!("ln -s {secret} link && cat link"),
        format!("ln {secret} hard && cat hard"),
        "cat ../secret".into(),
        "cat /etc/shadow".into(),
        "ls /root /home/*".into(),
        "touch /usr/evil || touch /etc/evil".into(),
        format!("exec 3<>/dev/tcp/127.0.0.1/{port}"),
        format!("bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port}'"),
        format!("python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", {port}))'"),
        format!("kill -9 {own}"),
        format!("cat /proc/{own}/environ"),
        "mount -t tmpfs none /usr".into(),
        "umount /proc".into(),
        "umount /run".into(),
        "chroot / cat /etc/shadow".into(),
        "test -S /run/docker.sock || test -S /var/run/docker.sock".into(),
        "dd if=/dev/zero of=/dev/vda count=1".into(),
        "nsenter -t 1 -a id".into(),
        "unshare -Urm cat /etc/shadow".into(),
    ];
    for command in attempts {
        let said = desk.run(&command).await;
        assert!(said.is_err(), "{command}: {said:?}");
    }
    assert_eq!(std::fs::read_to_string(desk.file("secret")).unwrap(), "outside");
    assert!(listener.accept().is_err(), "0 connections");
    let env = desk
        .run("env | cut -d= -f1 | grep -v -e '^_$' -e '^PWD$' -e '^OLDPWD$' -e '^SHLVL$' -e '^__LLVM_PROFILE' | sort")
        .await;
    assert_eq!(
        env,
        Ok("GIT_CONFIG_COUNT\nGIT_CONFIG_KEY_0\nGIT_CONFIG_VALUE_0\nHOME\nLANG\nPATH\nPYTHONDONTWRITEBYTECODE\nTERM\n"
            .into())
    );
}

/// Advisory 64: what a command may not open it cannot change, look at or speak to in another way either: it is not
/// there, and what is shown of the machine is read-only.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn adv_64_what_is_not_permitted_is_not_there() {
    let desk = Desk::new(full());
    let (secret, socket) = (desk.file("secret").display().to_string(), desk.file("socket"));
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    listener.set_nonblocking(true).unwrap();
    let before = std::fs::metadata(&secret).unwrap();
    let perl = |code: &str| format!("perl -MIO::Socket::UNIX -e '{code} or die $!'");
    let attempts = [
        "test -e /etc/shadow || test -e /etc/ssl/private || test -e /etc/pki/tls/private || test -e /var/lib || test -e /home || test -e /sys || test -e /dev/pts".into(),
        format!("stat {secret}"),
        format!("chmod 777 {secret}"),
        format!("touch -d 1970-01-01 {secret}"),
        format!("chown $(id -u):$(id -g) {secret}"),
        perl(&format!("IO::Socket::UNIX->new(\"{}\")", socket.display())),
        // As it is: whoever could do that could do anything else to it.
        "chmod --reference=/usr/bin/env /usr/bin/env".into(),
        "chmod --reference=/etc/passwd /etc/passwd".into(),
        "chmod --reference=/dev/null /dev/null".into(),
        "chmod 755 /".into(),
        "touch /usr/evil || touch /evil || mkdir /home || touch /dev/evil".into(),
        "mount -o remount,rw /usr || mount -o remount,rw,bind /".into(),
    ];
    for command in attempts {
        let said = desk.run(&command).await;
        assert!(said.is_err(), "{command}: {said:?}");
    }
    let after = std::fs::metadata(&secret).unwrap();
    assert_eq!((after.permissions(), after.modified().unwrap()), (before.permissions(), before.modified().unwrap()));
    assert!(listener.accept().is_err(), "0 connections");
    let whole =
        "chmod 600 own && touch -d 1970-01-01 own && echo x > /tmp/x && bash -c 'cat <(cat /tmp/x)' > /dev/stderr";
    std::fs::write(desk.file("workspace/own"), "").unwrap();
    assert_eq!(desk.run(whole).await, Ok("x\n".into()), "its own is its own");
}

/// `skills/` of a workspace is a directory like any other (what agents are taught, the operator pins): nothing stands in
/// the way of who clones, cleans or builds there.
#[tokio::test]
async fn a_workspace_is_empty_and_can_be_emptied() {
    let desk = Desk::new(full());
    let commands = [
        "test -z \"$(ls -A | grep -v profraw)\"",
        "git init -q source && git -C source -c user.name=n -c user.email=e commit -q --allow-empty -m one",
        "mkdir into && cd into && git clone -q ../source . && git clean -fdxq",
        "mkdir -p skills/own && echo text > skills/own/SKILL.md && chmod -R u+rwX .",
        "mv skills other && ln -s other skills && cat skills/own/SKILL.md",
        "rm -rf ./* && test -z \"$(ls -A | grep -v profraw)\"",
    ];
    for command in commands {
        let said = desk.run(command).await;
        assert!(said.is_ok(), "{command}: {said:?}");
    }
}

/// Where a machine keeps its programs need not be known: a bare name is what a command of that name starts.
#[tokio::test]
async fn a_bare_name_in_the_list_is_the_program_that_a_command_of_that_name_starts() {
    let listed = vec![vec!["echo".to_owned(), "...".to_owned()]];
    let desk = Desk::new(Settings { security: Security::Allowlist, allowlist: listed, ..full() });
    assert_eq!(desk.run("echo a b").await, Ok("a b\n".into()));
    let real = std::fs::canonicalize("/usr/bin/echo").unwrap().display().to_string();
    assert_eq!(desk.run(&format!("{real} a")).await, Ok("a\n".into()));
    for refused in ["true", "./echo a", "/tmp/echo a", "touch evil"] {
        assert!(desk.run(refused).await.is_err(), "{refused}");
    }
}

/// Advisory 57: what is not on the list does not run, whatever the shell would have made of it.
#[tokio::test]
async fn an_allowlist_permits_programs_and_never_a_shell() {
    let echo = std::fs::canonicalize("/usr/bin/echo").unwrap().display().to_string();
    let git = vec!["/usr/bin/git".to_owned(), "status".to_owned()];
    let echo = vec![echo, "...".to_owned()];
    let desk = Desk::new(Settings { security: Security::Allowlist, allowlist: vec![echo, git], ..full() });
    assert_eq!(desk.run("echo 'a  b' \"c\"").await, Ok("a  b c\n".into()));
    let refused = [
        "echo $(touch evil)",
        "echo `touch evil`",
        "echo a; touch evil",
        "echo a && touch evil",
        "echo a | tee evil",
        "echo a > evil",
        "echo \"$(touch evil)\"",
        "touch evil",
        "/bin/sh -c 'touch evil'",
        "sh -c 'touch evil'",
        "env touch evil",
        "busybox touch evil",
        "A=1 touch evil",
        "echo a\ntouch evil",
        "echo a & touch evil",
        "bash <<EOF\ntouch evil\nEOF",
        "git -c core.pager=touch log",
        "git log",
        "xargs touch evil",
        "./echo",
        "find . -exec touch evil",
        "~/echo",
        "echo {a,b}",
        "echo *",
        "'",
        "",
        "!!",
        "nice touch evil",
    ];
    for command in refused {
        let said = desk.run(command).await.unwrap_err();
        assert!(said.starts_with("commands are not permitted: "), "{command}: {said}");
    }
    let with_env = serde_json::json!({"command": "echo a", "env": {"LD_PRELOAD": "./evil.so"}});
    assert!(desk.call("exec", "s", with_env).await.is_err());
    assert_eq!(desk.made(), [] as [String; 0], "0 executed");
}

/// G10: nothing runs unless the operator says so, and says so in a way that can be kept.
#[tokio::test]
async fn commands_are_denied_unless_they_are_allowed() {
    let missing = Launcher { program: "/none".into(), argument: None, walls: Walls::Whole };
    let no_box = Launcher { program: "/bin/false".into(), argument: None, walls: Walls::Whole };
    let table = [
        (Settings { security: Security::Deny, ..full() }, "tools.exec.security"),
        (Settings { ask: Ask::Always, ..full() }, "nobody has approved"),
        (Settings { launcher: Some(missing), ..full() }, "cannot be started"),
        (Settings { launcher: Some(no_box), ..full() }, "[exit code 1]"),
    ];
    for (settings, why) in table {
        let desk = Desk::new(settings);
        let said = desk.run("touch evil").await.unwrap_err();
        assert!(said.contains(why), "{said}");
        assert!(!desk.file("workspace/evil").exists());
    }
}

/// What a command tries with system calls: by their numbers, as nothing but a filter would stop it.
fn tried(call: i64, arguments: &str) -> String {
    format!("perl -e 'my $r = syscall({call}, {arguments}); print $r == -1 ? $! + 0 : \"done\"'")
}

/// Advisory 64: what is no file and no socket is closed by seccomp: other processes, namespaces, mounts,
/// the kernel, its keys.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn adv_64_system_calls_that_no_command_needs_are_refused() {
    use nix::libc;
    let desk = Desk::new(full());
    let none = "0, 0, 0, 0, 0, 0";
    let calls = [
        libc::SYS_mount,
        libc::SYS_umount2,
        libc::SYS_pivot_root,
        libc::SYS_chroot,
        libc::SYS_fsopen,
        libc::SYS_move_mount,
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_pidfd_getfd,
        libc::SYS_unshare,
        libc::SYS_setns,
        libc::SYS_bpf,
        libc::SYS_perf_event_open,
        libc::SYS_keyctl,
        libc::SYS_add_key,
        libc::SYS_userfaultfd,
        libc::SYS_io_uring_setup,
        libc::SYS_open_by_handle_at,
        libc::SYS_kexec_load,
        libc::SYS_init_module,
        libc::SYS_reboot,
        libc::SYS_sethostname,
    ];
    let each = calls.map(|call| tried(call, none)).join("; echo; ");
    let said = desk.run(&each).await.unwrap();
    assert_eq!(said.lines().collect::<Vec<_>>(), vec!["1"; calls.len()], "EPERM, every one");
    let namespaces = ["0x10000011", "0x00020011", "0x40000011", "0x20000011"];
    for flags in namespaces {
        assert_eq!(desk.run(&tried(libc::SYS_clone, &format!("{flags}, 0, 0, 0, 0"))).await, Ok("1".into()), "{flags}");
    }
    let table = [
        (libc::SYS_clone3, none, "38"),
        (libc::SYS_socket, "40, 1, 0", "1"),
        (libc::SYS_socket, "38, 5, 0", "1"),
        (libc::SYS_ioctl, "0, 0x5412, 0", "1"),
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_getpid | 0x4000_0000, none, "38"),
    ];
    for (call, arguments, errno) in table {
        assert_eq!(desk.run(&tried(call, arguments)).await, Ok(errno.into()), "{call}({arguments})");
    }
    // Of a sibling, by the shell's own means.
    let sibling = "sleep 5 & cat /proc/$!/mem 2>&1 | head -c1; unshare -r true 2>&1; mount -t tmpfs x /mnt 2>&1";
    let said = desk.run(sibling).await.unwrap_err();
    assert!(
        said.contains("unshare failed") && said.contains("permission denied") || said.contains("not permitted"),
        "{said}"
    );
    // What programs are made of still works: threads, forks, pipes, sockets of their own.
    let ordinary = "perl -e 'use Socket; socketpair(A, B, AF_UNIX, SOCK_STREAM, 0) or die; pipe(C, D) or die; \
                    my $p = fork; if (!$p) { exit 7 } waitpid($p, 0); print $? >> 8'";
    assert_eq!(desk.run(ordinary).await, Ok("7".into()));
}

/// G9: neither one process nor a family of them takes the machine's memory or its process table.
#[tokio::test]
async fn a_command_that_grows_is_ended() {
    let desk = Desk::new(Settings { memory_bytes: 128 << 20, ..full() });
    let one = desk.run("perl -e '$x = \"a\" x 400_000_000; print length $x'").await.unwrap_err();
    assert!(one.contains("Out of memory") || one.contains("more than 128 MB of memory"), "{one}");
    let family = "for i in 1 2 3 4; do perl -e '$x = \"a\" x 30_000_000; $y = $x; sleep 71006' & done; wait";
    let many = desk.run(family).await.unwrap_err();
    assert!(many.contains("[killed: more than 128 MB of memory]") && many.contains("[exit code 137]"), "{many}");
    assert!(gone("71006").await);
    let begun = Instant::now();
    let (Ok(bomb) | Err(bomb)) = desk.run("i=0; while [ $i -lt 700 ]; do sleep 5 & i=$((i+1)); done; wait").await;
    assert!(bomb.contains("more than 512 processes") || bomb.to_lowercase().contains("fork"), "{bomb}");
    assert!(begun.elapsed() < Duration::from_secs(30));
    assert_eq!(desk.run("echo well").await, Ok("well\n".into()));
    let floods = desk.run("yes | head -c 30000000; exit 4").await.unwrap_err();
    assert!(floods.len() < 60_000 && floods.ends_with("[exit code 4]"));
}

/// Most gateways do not run as root, and their box is the same.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_box_of_a_gateway_that_is_not_root_is_whole() {
    use std::os::unix::fs::PermissionsExt as _;
    if !nix::unistd::geteuid().is_root() {
        // Then every test here has shown it.
        return;
    }
    let home = TempDir::new().unwrap();
    let (program, workspace) = (home.path().join("box"), home.path().join("workspace"));
    std::fs::copy(env!("CARGO_BIN_EXE_claw-sandbox"), &program).unwrap();
    std::fs::create_dir(&workspace).unwrap();
    for path in [home.path(), &program, &workspace] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
    }
    let orders = serde_json::json!({
        "workspace": workspace, "network": false, "walls": "Whole", "argument": null, "tty": false,
        "file_bytes_max": 1_u64 << 30, "memory_bytes": 1_u64 << 30, "is_inside": false, "starter": std::process::id(),
        "argv": ["/bin/sh", "-c", "echo x > made && id -u && grep -c CapEff:.0000000000000000 /proc/self/status; cat /etc/shadow"],
    });
    let mut command = std::process::Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(&program).arg(orders.to_string());
    let output = command.current_dir(&workspace).env_clear().env("PATH", "/usr/bin:/bin").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "65534\n1\n", "{}", String::from_utf8_lossy(&output.stderr));
    assert!(workspace.join("made").exists());
}

/// A workspace below `/tmp` takes nothing of a command's own `/tmp`, and nothing else of `/tmp` is there.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_workspace_below_tmp_leaves_a_command_its_own_tmp() {
    for base in ["/tmp", "/var/tmp", "/dev/shm"] {
        let desk = Desk::below(std::path::Path::new(base), full());
        let secret = desk.file("secret").display().to_string();
        let command = format!(
            "echo here > made; mkdir deep; cd deep; echo x > /tmp/x && mktemp > /dev/null && cat /tmp/x; \
             ls /tmp {base} | grep -v deep | wc -l; cat {secret} 2>&1 | tail -c 26; cat ../made"
        );
        let said = desk.run(&command).await.unwrap();
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!((lines[0], lines[2], lines[3]), ("x", "No such file or directory", "here"), "{base}: {said}");
        assert_eq!(std::fs::read_to_string(desk.file("workspace/made")).unwrap(), "here\n");
        assert!(desk.file("workspace/deep").is_dir() && !std::path::Path::new("/tmp/x").exists());
    }
}

/// adv_65: a command is ended by its handle; what only has its name lives on.
#[tokio::test]
async fn adv_65_an_unrelated_process_of_the_same_name_survives() {
    let mut other = std::process::Command::new("sleep").arg("71007").spawn().unwrap();
    for settings in [full(), bare(), Settings { launcher: None, ..full() }] {
        let desk = Desk::new(settings);
        let start = serde_json::json!({"command": "sleep 71007; true", "background": true});
        desk.call("exec", "a", start).await.unwrap();
        desk.call("process", "a", serde_json::json!({"action": "kill", "id": 1})).await.unwrap();
        desk.run("sleep 0.01; true").await.unwrap();
    }
    assert_eq!(other.try_wait().unwrap(), None);
    other.kill().unwrap();
    other.wait().unwrap();
}

/// What the corpus writes as `\n`, `\r`, `\t`, `\\` and `\u{…}`.
fn unescaped(line: &str) -> String {
    let (mut text, mut rest) = (String::new(), line);
    while let Some((before, after)) = rest.split_once('\\') {
        text.push_str(before);
        let code = after.strip_prefix("u{").and_then(|after| after.split_once('}'));
        let (letter, left) = match (code, after.chars().next()) {
            (Some((code, left)), _) => (u32::from_str_radix(code, 16).ok().and_then(char::from_u32).unwrap(), left),
            (None, Some('n')) => ('\n', &after[1..]),
            (None, Some('r')) => ('\r', &after[1..]),
            (None, Some('\\')) => ('\\', &after[1..]),
            (None, other) => panic!("{line}: {other:?}"),
        };
        text.push(letter);
        rest = left;
    }
    text + rest
}

/// adv_57: over two hundred ways in which a list over a shell's text was led around, each a string of its own;
/// none of them runs, nor where somebody could be asked and has not been.
#[tokio::test]
async fn adv_57_no_known_way_around_a_list_runs_anything() {
    let real = |name: &str| std::fs::canonicalize(format!("/usr/bin/{name}")).unwrap().display().to_string();
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let listed =
        vec![words(&[&real("echo"), "..."]), words(&[&real("sort"), "-u", "*"]), words(&["/usr/bin/git", "status"])];
    let corpus = include_str!("bypasses.txt").lines().filter(|line| !line.is_empty() && !line.starts_with("## "));
    let corpus: std::collections::BTreeSet<String> = corpus.map(unescaped).collect();
    assert!(corpus.len() >= 200, "{}", corpus.len());
    for ask in [Ask::Off, Ask::OnMiss] {
        let desk = Desk::new(Settings { security: Security::Allowlist, allowlist: listed.clone(), ask, ..full() });
        assert_eq!(desk.run("echo a -n").await, Ok("a -n\n".into()));
        std::fs::write(desk.file("workspace/names"), "b\na\nb\n").unwrap();
        assert_eq!(desk.run("sort -u names").await, Ok("a\nb\n".into()));
        for command in &corpus {
            let said = desk.run(command).await.unwrap_err();
            let refusals = ["commands are not permitted: ", "nobody has approved this command"];
            assert!(refusals.iter().any(|refusal| said.starts_with(refusal)), "{command}: {said}");
        }
        assert_eq!(desk.made(), ["names"], "0 of {} executed", corpus.len());
    }
}

/// adv_62: a command's environment is made from nothing, whatever the gateway's own holds.
#[tokio::test]
async fn adv_62_the_environment_is_exactly_what_it_is_given() {
    let desk = Desk::new(full());
    let names = "env | cut -d= -f1 | grep -v -e '^_' -e PWD -e '^SHLVL$' | sort";
    let given = serde_json::json!({"command": names, "env": {"MINE": "1"}});
    let expected = "GIT_CONFIG_COUNT\nGIT_CONFIG_KEY_0\nGIT_CONFIG_VALUE_0\nHOME\nLANG\nMINE\nPATH\n\
                    PYTHONDONTWRITEBYTECODE\nTERM\n";
    assert_eq!(desk.call("exec", "s", given).await, Ok(expected.into()));
    // adv_57: git takes no directory for a repository because of files that lie in it.
    let told = "echo $GIT_CONFIG_COUNT $GIT_CONFIG_KEY_0=$GIT_CONFIG_VALUE_0";
    assert_eq!(desk.run(told).await, Ok("1 safe.bareRepository=explicit\n".into()));
    assert_eq!(
        desk.run("echo $PATH; test $HOME = $PWD && echo at home").await,
        Ok("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nat home\n".into())
    );
}

/// G9: what commands of an API key write has an end, in one file and in many; where there is no room they can still
/// delete.
#[tokio::test]
async fn a_command_that_fills_a_keys_workspace_is_ended() {
    let desk = Desk::new(full());
    let id = PrincipalId::from_stored("key_1".into());
    let own = ToolContext { principal: Principal { id, ..Principal::operator() }, ..context("s") };
    let exec = desk.tools.iter().find(|tool| tool.spec().name == "exec").unwrap();
    let run = async |command: &str| {
        let given = JsonText::new(serde_json::json!({ "command": command }).to_string());
        exec.call(&own, &given).await.map_err(|error| error.to_string())
    };
    let whole = run("head -c 20000000 /dev/zero > big").await;
    assert!(whole.is_err(), "{whole:?}");
    // What is left beside the agent's own directory; a build that is measured leaves its coverage there, too, and complains
    // that it may not write it down any more.
    let size: u64 = run("stat -c %s big").await.unwrap().lines().next().unwrap().parse().unwrap();
    assert!((7 << 20..8 << 20).contains(&size), "{size}");
    assert!(run("echo more > small").await.is_err(), "it is full");
    run("rm big").await.unwrap();
    run("echo more > small").await.unwrap();
    let many = "i=0; while :; do head -c 200000 /dev/zero > f$i; i=$((i+1)); sleep 0.02; done";
    let killed = run(many).await.unwrap_err();
    assert!(killed.contains("[killed: the workspace is full (8 of 8 MB); delete what is not needed"), "{killed}");
    assert!(desk.run("head -c 20000000 /dev/zero > big").await.is_ok(), "the operator's is not bounded");
}

/// Advisory 58: what cannot be bound to an answer is asked for nowhere; where nobody has to be asked, it runs.
#[tokio::test]
async fn a_file_too_large_to_be_bound_hinders_only_what_has_to_be_asked_for() {
    use claw_core::approval::Verdict;
    let given = JsonText::new(r#"{"command":"stat -c %s big"}"#);
    for ask in [Ask::Off, Ask::Always] {
        let desk = Desk::new(Settings { ask, ..full() });
        std::fs::File::create(desk.file("workspace/big")).unwrap().set_len(300 << 20).unwrap();
        let exec = desk.tools.iter().find(|tool| tool.spec().name == "exec").unwrap();
        let plan = exec.plan(&context("s"), &given).await;
        let why = |text: &str| text.contains("cannot be looked at, so nobody can be asked: it is too large");
        match (ask, plan) {
            (Ask::Off, Ok(plan)) => {
                assert!(matches!(&plan.verdict, Verdict::Unbound(text) if why(text)) && plan.acts, "{plan:?}");
                assert_eq!(desk.run("stat -c %s big").await, Ok("314572800\n".into()));
            }
            (Ask::Always, Err(error)) => assert!(why(&error.to_string()), "{error}"),
            (ask, plan) => panic!("{ask:?}: {plan:?}"),
        }
    }
}

/// What is looked at before a command, which no timeout of it ends, has a limit: 16 MB in all, of the shell and the workspace.
#[tokio::test]
async fn what_is_bound_before_a_command_is_bounded() {
    use claw_core::approval::Verdict;
    let desk = Desk::new(full());
    let at = |name: &str| desk.file("workspace").join(name);
    for number in 10..30 {
        std::fs::write(at(&format!("f{number}")), vec![7; 1 << 20]).unwrap();
    }
    std::fs::File::create(at("a1")).unwrap().set_len(200 << 20).unwrap();
    let exec = desk.tools.iter().find(|tool| tool.spec().name == "exec").unwrap();
    let plan = async |command: &str| {
        let given = JsonText::new(serde_json::json!({ "command": command }).to_string());
        exec.plan(&context("s"), &given).await.unwrap()
    };
    for (command, bound, left) in
        [(": f*", 16, 1), (": f1*", 11, 0), (": a*", 1, 1), (": /usr/bin/*", 1, 0), ("/bin/true f10", 2, 0)]
    {
        let plan = plan(command).await;
        let shown = plan.shown.unwrap_or_default();
        let count = |what: &str| shown.matches(what).count();
        assert_eq!((plan.verdict, count(" sha256 "), count("all that fits")), (Verdict::Allow, bound, left), "{shown}");
    }
    // A link may lead elsewhere by then.
    std::os::unix::fs::symlink("/usr/bin/true", at("link")).unwrap();
    let linked = plan("./link").await;
    std::fs::remove_file(at("link")).unwrap();
    std::os::unix::fs::symlink("/usr/bin/false", at("link")).unwrap();
    assert_ne!(plan("./link").await.digest, linked.digest);
    let all: String = (10..30).map(|number| format!(" f{number}")).collect();
    assert!(matches!(plan(&format!(":{all}")).await.verdict, Verdict::Unbound(_)));
    assert!(matches!(plan(": a1").await.verdict, Verdict::Unbound(_)));
}

/// Advisory 64: a file that the gateway was started with, or has open itself, leads past no wall.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn adv_64_a_command_inherits_no_open_file() {
    use nix::fcntl::{FcntlArg, FdFlag, fcntl};
    let desk = Desk::new(full());
    let secret = std::fs::File::open(desk.file("secret")).unwrap();
    fcntl(&secret, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
    // The last one is the directory that is listed.
    assert_eq!(desk.run("ls /proc/self/fd | tr '\\n' ' '").await, Ok("0 1 2 3 ".into()));
    drop(secret);
}

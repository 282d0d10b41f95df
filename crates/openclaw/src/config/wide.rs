//! Entries of `tools.exec.allowlist` that permit more than they seem to: a program that runs what stands in files, or what
//! its arguments say, is as good as a shell, since agents write those files and arguments.
//!
//! Nothing is refused: it is the operator's list. The names below are a help and no wall.

use super::problem::{Oddity, Warning};
use super::tree::{Kind, Node};

/// They run what stands in files that agents can write: scripts, makefiles, packages.
const OF_FILES: &str = "\
    ansible ansible-playbook ant asciidoctor autoconf automake autoreconf bash bazel bmake bpftrace bun bundle \
    bundler busybox byebug cabal cargo celery clojure cmake cobc composer conda coverage cpan cpanm crash \
    crystal csh ctest cucumber dart dash deno dotnet dpkg-buildpackage dune easy_install elixir elvish erl \
    escript eslint expect fab facter fish flake8 flutter gem genie ghc ghci gmake gnuplot go gradle gradlew \
    groovy grunt guile gulp gunicorn hatch iex invoke ipython irb java jekyll jest jjs jrunscript jshell julia \
    jupyter just jython knife kotlin ksh latex lein lerna logrotate lua lualatex luarocks luatex m4 make mamba \
    meson micromamba mix mkdocs mksh mocha msfconsole mvn mypy neofetch nim ninja nix nix-build nix-shell node \
    nodemon nox npm npx nx octave pdflatex pdftex pdm perl php phpunit pip pipenv pipx pnpm podman-compose \
    poetry prettier procmail pry psh puppet pwsh py.test pylint pypy pytest python R racket rake rebar rollup \
    rpmbuild Rscript rspec ruby run-parts runscript sash sbt scala scheme scons sh slsh snakemake sphinx-build \
    stack streamlit swift tclsh tcsh terraform tex tox toybox ts-node tsx turbo uv uvicorn uvx vagrant vite waf \
    webpack wish xelatex xetex yarn yash zig zsh zx";
/// They run what their arguments say.
const OF_ARGUMENTS: &str = "\
    ack ag apk apt apt-get aptitude ar aria2c at autossh awk aws az bat batch bconsole brew bsdtar bzr c++ capsh \
    cc check_by_ssh choom chroot chrt clang clang++ composite convert cpio cpulimit crontab cscope ctags curl \
    cvs dbus-run-session dbus-send dc delta dmesg dmsetup dnf doas docker docker-compose dpkg dvips entr env eqn \
    exiftool fakeroot faketime fd fdfind find flock fossil fzf g++ gawk gcc gcloud gdbserver gfortran gh \
    ghostscript git gpg grc groff gs gtester helm hg hyperfine identify info ionice ip journalctl kubectl ld \
    less linux loginctl logsave ltrace lynx machinectl magick man mawk mogrify mosh most msgattrib msgcat \
    msgconv msgfilter msgmerge msguniq multitime nawk nc ncat netcat nice nm nmap nohup nroff nsenter objcopy \
    objdump openssl openvpn original-awk pacman pandoc parallel patch pax perf pexec pidstat pkexec podman \
    prlimit rc rclone restic rg rlwrap rpm rpmdb rpmquery rpmverify rsync run-mailcap runuser rustc rustup scp \
    sed service setarch setlock setsid sftp sg snap socat soelim softlimit sort split ssh-add ssh-agent \
    ssh-keygen ssh-keyscan sshpass sshuttle start-stop-daemon stdbuf strace sudo svn systemctl systemd-analyze \
    systemd-resolve systemd-run tar taskset tasksh tcpdump tig time timedatectl timeout troff tshark unshare \
    update-alternatives valgrind virsh watch watchexec wget xargs xdg-open xdg-user-dir xdotool yum zip zsoelim \
    zypper";
/// They run what is typed at them, whatever their arguments.
const OF_A_TERMINAL: &str = "\
    alpine duckdb ed elinks emacs emacsclient ex ftp gdb helix hx isql jed joe kak lf lftp links lldb mail mailx \
    mc micro mongo mongosh more mutt mysql mysqlsh nano ncdu neomutt newgrp nnn nvim pftp pico pinfo psql ranger \
    rlogin rsh rview rvim s-nail screen script sqlcmd sqlite ssh su tdbtool telnet tmate tmux top usql vi view \
    vifm vigr vim vimdiff vimtutor vipw visudo w3m";

/// What is said of them.
pub(super) fn entries(tree: &Node) -> Vec<Warning> {
    let exec = tree.member("tools").and_then(|tools| tools.member("exec"));
    let Some(Kind::List(entries)) = exec.and_then(|exec| exec.member("allowlist")).map(|list| &list.kind) else {
        return Vec::new();
    };
    entries.iter().filter_map(|(index, entry)| warning(*index, entry)).collect()
}

fn warning(index: usize, entry: &Node) -> Option<Warning> {
    let Kind::List(words) = &entry.kind else { return None };
    let mut words = words.iter().filter_map(|(_, word)| match &word.kind {
        Kind::Text(text) => Some(text.as_str()),
        _ => None,
    });
    let program = words.next()?;
    let name = program.rsplit('/').next().unwrap_or(program);
    let plain = name.trim_end_matches(|letter: char| letter.is_ascii_digit() || ".-".contains(letter));
    let is_among = |names: &str| names.split(' ').any(|name| name == plain);
    let why = if is_among(OF_FILES) {
        "runs what stands in files, which agents write"
    } else if is_among(OF_A_TERMINAL) {
        "runs what is typed at it, as agents can"
    } else if is_among(OF_ARGUMENTS) && words.any(|word| word == "...") {
        "runs what its arguments say, and \"...\" permits any"
    } else {
        return None;
    };
    Some(Warning {
        path: ["tools", "exec", "allowlist", &index.to_string()].map(str::to_owned).to_vec(),
        origin: Some(entry.origin.clone()),
        kind: Oddity::Other(format!(
            "tools.exec.allowlist permits any command: {name} {why}; with tools.exec.ask \"always\" each is asked for"
        )),
    })
}

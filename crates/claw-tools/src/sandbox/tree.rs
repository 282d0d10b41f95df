//! The file tree of the box: a root of its own, on which nothing stands but what a command may use.
//!
//! Landlock says who may open what. It does not hinder whoever changes the mode, owner or times of a file, looks at its
//! name and size, or connects to a service's socket. So what is not permitted is not there, and all that is shown of the
//! machine is read-only.

use std::fs::{File, Permissions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{pivot_root, ttyname};

use super::Orders;

/// Read and executed.
pub(super) const SYSTEM: [&str; 9] =
    ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/opt", "/nix/store", "/etc/alternatives"];
/// Read; what else is in `/etc` may hold secrets.
pub(super) const READ: &[&str] = &[
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    // Not what else is there: private keys lie beside these.
    "/etc/ssl/certs",
    "/etc/ssl/cert.pem",
    "/etc/ssl/openssl.cnf",
    "/etc/ca-certificates",
    "/etc/pki/ca-trust/extracted",
    "/etc/pki/tls/certs",
    "/etc/pki/tls/cert.pem",
    "/etc/pki/tls/openssl.cnf",
    "/etc/passwd",
    "/etc/group",
    "/etc/nsswitch.conf",
    "/etc/hosts",
    "/etc/resolv.conf",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/os-release",
];
/// Its own processes; without a namespace of its own, the environments of others.
pub(super) const PROCESSES: &str = "/proc";
/// Read and written.
pub(super) const DEVICES: [&str; 5] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];
/// The terminal of whoever has one.
pub(super) const TERMINAL: &str = "/dev/tty";
/// Empty ones of the box's own.
pub(super) const OWN: [&str; 4] = ["/tmp", "/run", "/var/tmp", "/dev/shm"];
/// By these names shells know what they were given.
const GIVEN: [(&str, &str); 4] = [
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
];

const NONE: Option<&str> = None;

/// Goes over to a tree with what `orders` permit; nothing of the machine's own is left.
pub(super) fn enter(orders: &Orders) -> Result<(), String> {
    if orders.workspace.parent().is_none() {
        return Err("the workspace is the whole machine".into());
    }
    let here = std::env::current_dir().map_err(|error| format!("it stands nowhere: {error}"))?;
    let workspace = File::open(&orders.workspace).map_err(|error| format!("there is no workspace: {error}"))?;
    let failed = |error: nix::Error| format!("it has no files of its own: {error}");
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE).map_err(failed)?;
    let base = OWN.into_iter().map(Path::new).find(|path| path.is_dir()).ok_or("there is no /tmp")?;
    empty(base, "mode=755")?;
    if let Err(why) = furnish(base, orders, &workspace).and_then(|()| step_over(base).map_err(failed)) {
        // Where the operator takes what there is, it goes on as if nothing had been tried.
        let _already_told = umount2(base, MntFlags::MNT_DETACH);
        return Err(why);
    }
    std::env::set_current_dir(&here).map_err(|error| format!("{} is gone: {error}", here.display()))?;
    seal(&orders.workspace)
}

/// Whether anybody but its owner comes to the workspace: unless a directory above it, which no command can change, is
/// closed to all others.
pub(super) fn others_reach(workspace: &Path) -> bool {
    const GO_IN: u32 = 0o011;
    let Ok(real) = workspace.canonicalize() else { return true };
    let is_closed = |above: &Path| std::fs::metadata(above).is_ok_and(|above| above.permissions().mode() & GO_IN == 0);
    !real.ancestors().skip(1).any(is_closed)
}

/// Puts everything in its place below `base`.
fn furnish(base: &Path, orders: &Orders, workspace: &File) -> Result<(), String> {
    let terminal = orders.tty.then(|| ttyname(io::stdin()).ok()).flatten();
    let terminals = [orders.tty.then(|| PathBuf::from(TERMINAL)), terminal];
    let shown = SYSTEM
        .into_iter()
        .chain(READ.iter().copied())
        .chain(DEVICES)
        .map(PathBuf::from)
        .chain(terminals.into_iter().flatten());
    for path in shown {
        show(&path, base).map_err(|error| format!("{} cannot be shown: {error}", path.display()))?;
    }
    for (name, target) in GIVEN {
        symlink(target, below(base, Path::new(name))).map_err(|error| format!("{name}: {error}"))?;
    }
    let made = |path: &Path| {
        let place = below(base, path);
        std::fs::create_dir_all(&place).map_err(|error| format!("{} has no place: {error}", path.display()))?;
        Ok::<_, String>(place)
    };
    let quiet = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let processes = mount(Some("proc"), &made(Path::new(PROCESSES))?, Some("proc"), quiet, NONE);
    processes.map_err(|error| format!("{PROCESSES} cannot be its own: {error}"))?;
    for path in OWN.into_iter().map(Path::new) {
        empty(&made(path)?, "size=256m,nr_inodes=64k,mode=1777")?;
    }
    // At last: it may lie below any of them. There the way to it is only a way.
    let (source, place) = (format!("/proc/self/fd/{}", workspace.as_raw_fd()), made(&orders.workspace)?);
    for own in OWN.into_iter().map(|own| below(base, Path::new(own))).filter(|own| place.starts_with(own)) {
        for way in place.ancestors().skip(1).take_while(|way| *way != own && way.starts_with(&own)) {
            let closed = std::fs::set_permissions(way, Permissions::from_mode(0o555));
            closed.map_err(|error| format!("the way to the workspace stays open: {error}"))?;
        }
    }
    bind(Path::new(&source), &place).map_err(|error| format!("the workspace cannot be shown: {error}"))
}

/// Shows what stands at `path` at the same path below `base`; what this machine does not have needs no place.
fn show(path: &Path, base: &Path) -> io::Result<()> {
    let Ok(real) = path.canonicalize() else { return Ok(()) };
    let place = below(base, path);
    if let Some(parent) = place.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let is_shown = SYSTEM.iter().any(|shown| real.starts_with(shown));
    if real != path && is_shown {
        return symlink(real, place);
    }
    if real.is_dir() {
        std::fs::create_dir_all(&place)?;
    } else {
        drop(File::create(&place)?);
    }
    Ok(bind(&real, &place)?)
}

fn below(base: &Path, path: &Path) -> PathBuf {
    base.join(path.strip_prefix("/").unwrap_or(path))
}

fn bind(source: &Path, place: &Path) -> nix::Result<()> {
    mount(Some(source), place, NONE, MsFlags::MS_BIND | MsFlags::MS_REC, NONE)
}

fn empty(path: &Path, options: &str) -> Result<(), String> {
    let made = mount(Some("tmpfs"), path, Some("tmpfs"), MsFlags::MS_NOSUID | MsFlags::MS_NODEV, Some(options));
    made.map_err(|error| format!("{} cannot be its own: {error}", path.display()))
}

/// Makes `base` the root; the old one stands above it for a moment, and is let go.
fn step_over(base: &Path) -> nix::Result<()> {
    nix::unistd::chdir(base)?;
    pivot_root(".", ".")?;
    umount2(".", MntFlags::MNT_DETACH)
}

/// Lets nothing be changed but the workspace and what is the box's own.
fn seal(workspace: &Path) -> Result<(), String> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").map_err(|error| format!("its mounts: {error}"))?;
    for line in mounts.lines() {
        let mut fields = line.split(' ').skip(4);
        let (Some(path), Some(options)) = (fields.next().map(unescaped), fields.next()) else { continue };
        let is_own = OWN.into_iter().chain([PROCESSES]).any(|own| path == Path::new(own));
        if is_own || path.starts_with(workspace) {
            continue;
        }
        // What a mount forbids already it must go on forbidding.
        let kept = options.split(',').fold(MsFlags::empty(), |kept, option| match option {
            "nosuid" => kept | MsFlags::MS_NOSUID,
            "nodev" => kept | MsFlags::MS_NODEV,
            "noexec" => kept | MsFlags::MS_NOEXEC,
            _ => kept,
        });
        let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY | kept;
        match mount(NONE, &path, NONE, flags, NONE) {
            // Another one stands above it, or it is closed to whoever starts the box: nobody comes there.
            Ok(()) | Err(nix::Error::ENOENT | nix::Error::EACCES) => {}
            Err(error) => return Err(format!("{} stays open to changes: {error}", path.display())),
        }
    }
    Ok(())
}

/// A path as the kernel lists it: what would end the field stands there as three octal digits.
fn unescaped(field: &str) -> PathBuf {
    use std::os::unix::ffi::OsStringExt as _;
    let (mut path, mut rest) = (Vec::new(), field.as_bytes());
    while let Some((first, behind)) = rest.split_first() {
        let digits = behind.get(..3).filter(|_| *first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                path.push(byte);
                rest = behind.get(3..).unwrap_or_default();
            }
            None => {
                path.push(*first);
                rest = behind;
            }
        }
    }
    std::ffi::OsString::from_vec(path).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_a_space_is_read_as_it_is() {
        let table = [("/a\\040b", "/a b"), ("/a\\134040", "/a\\040"), ("/plain", "/plain"), ("/end\\04", "/end\\04")];
        for (field, path) in table {
            assert_eq!(unescaped(field), Path::new(path), "{field}");
        }
    }
}

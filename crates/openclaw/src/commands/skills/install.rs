//! `openclaw skills install`: from a folder, an archive, or an address with its SHA-256.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use claw_core::Clock as _;
use claw_core::audit::Kind;
use claw_net::egress::{AllowList, Egress, Page};
use claw_runtime::SystemClock;
use claw_skills::install::{From, InstallError, Installed, Managed, Order};
use claw_skills::library::is_bundled;
use claw_skills::limits::ARCHIVE_BYTES_MAX;
use claw_skills::{Contents, archive, folder};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use url::Url;

use super::{FindingRow, line, scanner, told};
use crate::client;
use crate::commands::Context;
use crate::commands::asking::Shown;
use crate::commands::audit::written_down;
use crate::commands::config::{print, print_json};
use crate::commands::terminal::note;
use crate::config::settings::Settings;
use crate::config::values::AllowedHost;
use crate::exit::{Fatal, chain};

/// Arguments of `openclaw skills install`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A folder, a .zip, .tar.gz or .tar, or an http(s) address of one
    source: String,
    /// SHA-256 that the archive must have; needed for an address
    #[arg(long, value_name = "HEX", value_parser = digest)]
    sha256: Option<String>,
    /// Install it although the scan found something
    #[arg(long)]
    accept_findings: bool,
    /// Take the place of an installed skill of its name
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    shown: Shown,
}

fn digest(text: &str) -> Result<String, String> {
    let is_digest = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_digest { Ok(text.to_ascii_lowercase()) } else { Err("it has 64 hexadecimal digits".to_owned()) }
}

pub(super) fn run(settings: &Settings, context: &Context, arguments: Arguments) -> Result<ExitCode, Fatal> {
    let Arguments { source, sha256, accept_findings, force, shown } = arguments;
    let (contents, from) = bring(settings, &source, sha256.as_deref())?;
    let origin = match &from {
        From::Folder { path } | From::Archive { path, .. } => path.clone(),
        From::Url { url, .. } => url.clone(),
    };
    let order =
        Order { contents, from, at: SystemClock.now().to_string(), accepts_findings: accept_findings, replaces: force };
    let installed = Managed::at(&settings.live.skills_dir).install(order, &scanner()?);
    let installed = installed.map_err(|error| refused("installed", error))?;
    let entry = line(Kind::SkillInstalled, &installed.manifest.name)
        .with("from", origin)
        .with("digest", &installed.digest)
        .with("findings", installed.findings.len().to_string())
        .with("replaced", if installed.has_replaced { "yes" } else { "no" });
    written_down(context, entry);
    let verb = if installed.has_replaced { "replaced" } else { "installed" };
    tell(installed, shown.json, verb)
}

/// The files, from wherever they are.
fn bring(settings: &Settings, source: &str, sha256: Option<&str>) -> Result<(Contents, From), Fatal> {
    if source.contains("://") {
        let url: Url = source.parse().map_err(|error| Fatal::Usage(format!("{source:?} is no address: {error}")))?;
        let Some(sha256) = sha256 else {
            return Err(Fatal::Usage("an address needs --sha256: what it gives may change".to_owned()));
        };
        let bytes = fetch(settings, &url)?;
        let sha256 = pinned(&bytes, Some(sha256))?;
        return Ok((unpacked(&bytes)?, From::Url { url: harmless(url), sha256 }));
    }
    let path = std::path::absolute(source).unwrap_or_else(|_| PathBuf::from(source));
    let shown = path.display().to_string();
    if path.is_dir() {
        if sha256.is_some() {
            return Err(Fatal::Usage("--sha256 is for an archive, and this is a folder".to_owned()));
        }
        let contents = folder::gather(&path).map_err(|error| nothing(chain(&error)))?;
        return Ok((contents, From::Folder { path: shown }));
    }
    let bytes = read(&path).map_err(|error| {
        let why = format!("{shown} cannot be read: {error}");
        if error.kind() == io::ErrorKind::NotFound {
            Fatal::asked(why, "name a folder or an archive")
        } else {
            nothing(why)
        }
    })?;
    let sha256 = pinned(&bytes, sha256)?;
    Ok((unpacked(&bytes)?, From::Archive { path: shown, sha256 }))
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no plain file"));
    }
    let size = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
    // At once: what grows by doubling takes three times its size.
    let mut bytes = Vec::with_capacity(size.min(ARCHIVE_BYTES_MAX) + 1);
    // One more than allowed, so that the limit is noticed where it is judged.
    file.take(ARCHIVE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Through the guard: no address inside, unless the operator lists it.
fn fetch(settings: &Settings, url: &Url) -> Result<Vec<u8>, Fatal> {
    claw_net::install_crypto();
    let egress = Egress::new(AllowList::new(settings.live.skills.allow_hosts.iter().map(AllowedHost::allowed)));
    let page = client::block_on(async { Ok(egress.get(url.as_str(), ARCHIVE_BYTES_MAX).await) })?;
    let Page { status, body, is_cut, .. } = page.map_err(|error| {
        let why = error.to_string();
        let named = if why.contains("operator's list") { " (skills.allowHosts)" } else { "" };
        nothing(format!("the archive cannot be fetched: {why}{named}"))
    })?;
    match (status, is_cut) {
        (200, false) => Ok(body),
        (200, true) => Err(nothing(format!("the archive is larger than {ARCHIVE_BYTES_MAX} bytes"))),
        (status, _) => Err(nothing(format!("the archive cannot be fetched: the answer is {status}"))),
    }
}

/// The archive's SHA-256; it must be the one that was asked for.
fn pinned(bytes: &[u8], wanted: Option<&str>) -> Result<String, Fatal> {
    let found: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    match wanted {
        Some(wanted) if wanted != found => {
            Err(nothing(format!("the archive's SHA-256 is {found} and not {wanted}: it is another one")))
        }
        _ => Ok(found),
    }
}

fn unpacked(bytes: &[u8]) -> Result<Contents, Fatal> {
    archive::unpack(bytes).map_err(|error| nothing(chain(&error)))
}

/// The address as it may be written down: credentials and query may be secret.
fn harmless(mut url: Url) -> String {
    let _cannot_have_one = url.set_username("").and_then(|()| url.set_password(None));
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}

fn nothing(why: String) -> Fatal {
    Fatal::other(format!("nothing was installed: {why}"), "see `openclaw skills install --help`")
}

pub(super) fn refused(verb: &str, error: InstallError) -> Fatal {
    let mend = match &error {
        InstallError::Findings(findings) => {
            findings.iter().for_each(|finding| note(&told("found", finding)));
            "look at them, and say --accept-findings if all of it is meant well"
        }
        InstallError::Taken(_) => "say --force to put this one in its place",
        InstallError::NoSkill(_) | InstallError::Contents(_) => "ask whoever made it",
        InstallError::Full => "remove one with `openclaw skills remove`",
        InstallError::Busy => "try again when it is done",
        InstallError::Absent(_) => "see `openclaw skills list`",
        InstallError::Scan(_) => "report this",
        InstallError::Disk { .. } => "see whether the disk is full, or not yours to write",
    };
    let cause = format!("nothing was {verb}: {}", chain(&error));
    if matches!(error, InstallError::Absent(_)) { Fatal::asked(cause, mend) } else { Fatal::other(cause, mend) }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InstallAnswer {
    name: String,
    path: PathBuf,
    digest: String,
    replaced: bool,
    /// Whether a skill of its name is a part of the program, whose place it takes.
    hides_bundled: bool,
    findings: Vec<FindingRow>,
}

pub(super) fn tell(installed: Installed, json: bool, verb: &str) -> Result<ExitCode, Fatal> {
    let Installed { manifest, path, digest, findings, has_replaced } = installed;
    let hides_bundled = is_bundled(&manifest.name);
    if json {
        let findings = findings.iter().map(FindingRow::from).collect();
        let (name, replaced) = (manifest.name, has_replaced);
        return print_json(&InstallAnswer { name, path, digest, replaced, hides_bundled, findings });
    }
    if hides_bundled {
        note(&format!("{0} is the name of a bundled skill, too: agents have this one in its place", manifest.name));
    }
    findings.iter().for_each(|finding| note(&told("accepted", finding)));
    print(&format!("{} is {verb} in {}; agents have it from their next run on", manifest.name, path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_down_without_what_may_be_secret() {
        let url = "https://me:pw@x.example/a.zip?token=t#f".parse().unwrap();
        assert_eq!(harmless(url), "https://x.example/a.zip");
    }

    #[test]
    fn adv_82_an_archive_is_the_one_that_was_asked_for() {
        let sha = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(pinned(b"abc", Some(sha)).unwrap(), sha);
        assert_eq!(pinned(b"abc", None).unwrap(), sha);
        let other = pinned(b"abd", Some(sha)).unwrap_err();
        assert!(other.cause().ends_with("it is another one"), "{}", other.cause());
        assert!(digest("xyz").is_err() && digest(&sha.to_uppercase()).as_deref() == Ok(sha));
    }
}

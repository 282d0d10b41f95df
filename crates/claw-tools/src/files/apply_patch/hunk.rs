//! One piece of an update: lines that stand in a file, and those that are to stand there.

/// A piece.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Hunk {
    /// A line somewhere above, such as the head of a function.
    anchor: Option<String>,
    old: Vec<String>,
    new: Vec<String>,
    /// Whether it is the last thing in the file.
    at_end: bool,
}

/// Reads the pieces of one file.
pub(super) fn parse(body: &[&str]) -> Result<Vec<Hunk>, String> {
    let mut hunks: Vec<Hunk> = Vec::new();
    for line in body {
        if let Some(anchor) = line.strip_prefix("@@") {
            // `@@ -1,2 +3,4 @@` counts lines, and models count badly: only the text behind it is used.
            let anchor = anchor.rsplit_once("@@").map_or(anchor, |(_, rest)| rest).trim();
            let anchor = (!anchor.is_empty()).then(|| anchor.to_owned());
            hunks.push(Hunk { anchor, ..Hunk::default() });
            continue;
        }
        if hunks.is_empty() {
            hunks.push(Hunk::default());
        }
        let Some(hunk) = hunks.last_mut() else { continue };
        match line.split_at_checked(1) {
            _ if line.starts_with("*** End of File") => hunk.at_end = true,
            // An empty line is a kept one that lost its space.
            None => keep(hunk, ""),
            Some((" ", rest)) => keep(hunk, rest),
            Some(("-", rest)) => hunk.old.push(rest.to_owned()),
            Some(("+", rest)) => hunk.new.push(rest.to_owned()),
            Some(_) => return Err(format!("{line:?} begins with neither a space nor `+`, `-` or `@@`")),
        }
    }
    if hunks.iter().any(|hunk| hunk.old.is_empty() && hunk.new.is_empty()) {
        return Err("a piece has no lines".into());
    }
    Ok(hunks)
}

fn keep(hunk: &mut Hunk, line: &str) {
    hunk.old.push(line.to_owned());
    hunk.new.push(line.to_owned());
}

/// The file with every piece in its place, each behind the one before.
///
/// Errors: a piece that stands nowhere.
pub(super) fn apply(hunks: &[Hunk], text: &str) -> Result<String, String> {
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let lines: Vec<&str> = text.lines().collect();
    let mut result: Vec<&str> = Vec::with_capacity(lines.len());
    let mut at = 0;
    for hunk in hunks {
        let from = match &hunk.anchor {
            None => at,
            Some(anchor) => {
                let found = lines.iter().skip(at).position(|line| line.trim() == anchor.trim());
                at + found.ok_or_else(|| format!("the line {anchor:?} does not stand in it"))? + 1
            }
        };
        let place = find(&lines, hunk, from).ok_or_else(|| {
            let first = hunk.old.first().map(String::as_str).unwrap_or_default();
            format!("the piece that begins with {first:?} does not stand in it; read the file again")
        })?;
        result.extend(lines.iter().take(place).skip(at));
        result.extend(hunk.new.iter().map(String::as_str));
        at = place + hunk.old.len();
    }
    result.extend(lines.iter().skip(at));
    let mut whole = result.join(end);
    if !whole.is_empty() && (text.ends_with('\n') || text.is_empty()) {
        whole.push_str(end);
    }
    Ok(whole)
}

/// Where the old lines stand: exactly, else but for spaces at their ends.
fn find(lines: &[&str], hunk: &Hunk, from: usize) -> Option<usize> {
    let count = hunk.old.len();
    if count == 0 {
        // Only added: behind the anchor, else at the end.
        return Some(if hunk.anchor.is_some() && !hunk.at_end { from } else { lines.len() });
    }
    let last = lines.len().checked_sub(count)?;
    let fits = |place: usize, same: fn(&str, &str) -> bool| {
        lines.iter().skip(place).zip(&hunk.old).all(|(line, old)| same(line, old))
    };
    let looks: [fn(&str, &str) -> bool; 2] = [|a, b| a == b, |a, b| a.trim_end() == b.trim_end()];
    let places = if hunk.at_end { last..=last } else { from..=last };
    looks.into_iter().find_map(|same| places.clone().find(|place| *place >= from && fits(*place, same)))
}

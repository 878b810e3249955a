//! Reading Rust source: what is code and not test, and which paths it names.

/// First names behind `crate::` and `weathervane::`, groups in braces included.
pub fn used_rooms(code: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for root in ["crate::", "weathervane::"] {
        for (at, _) in code.match_indices(root).filter(|(at, _)| starts_word(code, *at)) {
            let rest = &code[at + root.len()..];
            match rest.strip_prefix('{') {
                Some(group) => rooms.extend(group_heads(group)),
                None => rooms.extend(first_word(rest)),
            }
        }
    }
    rooms.retain(|name| name.starts_with(|c: char| c.is_ascii_lowercase()));
    rooms.sort();
    rooms.dedup();
    rooms
}

/// First word of each entry of `a::{b, c}, d}`, up to the brace that closes the group.
fn group_heads(group: &str) -> Vec<String> {
    let (mut depth, mut heads, mut entry) = (0, Vec::new(), String::new());
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => heads.extend(first_word(&std::mem::take(&mut entry))),
            c => entry.push(c),
        }
    }
    heads.extend(first_word(&entry));
    heads
}

fn first_word(text: &str) -> Option<String> {
    let word: String = text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!word.is_empty()).then_some(word)
}

/// Whether the path `name` stands in the code: followed by `::`, or imported, or (for a longer path) as it is.
pub fn uses(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let rest = &code[at + name.len()..];
        let ends = !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        let path = name.contains("::") || rest.starts_with("::") || code[..at].ends_with("use ");
        starts_word(code, at) && ends && path
    })
}

/// Drops what `#[cfg(test)]` stands before: up to the closing brace, or the semicolon.
pub fn without_tests(code: &str) -> String {
    let mut kept = String::new();
    let mut rest = code;
    while let Some((before, item)) = rest.split_once("#[cfg(test)]") {
        kept.push_str(before);
        let mut depth = 0;
        let end = item.char_indices().find(|(_, c)| {
            depth += i32::from(*c == '{') - i32::from(*c == '}');
            depth == 0 && matches!(c, '}' | ';')
        });
        rest = end.map_or("", |(at, _)| &item[at + 1..]);
    }
    kept + rest
}

/// Blanks comments and the contents of string and character literals.
pub fn without_comments_and_text(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |at| at + 2)
        } else if let Some(hashes) = raw_string(rest).filter(|_| starts_word(&code, code.len())) {
            let end = format!("\"{}", "#".repeat(hashes));
            let open = rest.find('"').map_or(rest.len(), |at| at + 1);
            rest[open..].find(&end).map_or(rest.len(), |at| open + at + end.len())
        } else if c == '"' {
            quoted(rest, '"').unwrap_or(rest.len())
        } else if c == '\'' {
            // A lifetime has no closing quote right after its first character.
            quoted(rest, '\'')
                .filter(|length| rest[1..].starts_with('\\') || rest[..*length].chars().count() == 3)
                .unwrap_or(0)
        } else {
            0
        };
        if length == 0 {
            code.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            code.push(' ');
            rest = &rest[length..];
        }
    }
    code
}

/// Hashes of the raw string that begins here.
fn raw_string(text: &str) -> Option<usize> {
    let text = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let hashes = text.chars().take_while(|c| *c == '#').count();
    text[hashes..].starts_with('"').then_some(hashes)
}

/// Length of the literal that begins here, quotes included.
fn quoted(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|(_, c)| {
        let closes = *c == quote && !escaped;
        escaped = *c == '\\' && !escaped;
        closes
    });
    end.map(|(at, _)| at + 1)
}

/// Whether no word goes on across this position.
fn starts_word(code: &str, at: usize) -> bool {
    !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
}

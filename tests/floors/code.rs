//! What a Rust file names, found without a parser: comments, literals and tests cut out, `use` trees spelt out.

/// The names in the code of one file, outside tests.
#[derive(Debug, Default)]
pub(crate) struct Code {
    /// Every path of two or more segments, and every path that `use` brings in, with its line.
    pub(crate) paths: Vec<(usize, Vec<String>)>,
    /// Every macro that is called, with its line.
    pub(crate) macros: Vec<(usize, String)>,
    /// Modules that the file declares for tests only.
    pub(crate) test_modules: Vec<String>,
}

/// An identifier, `::`, or one sign; with its line.
type Token = (usize, String);

impl Code {
    /// Reads a file's text.
    pub(crate) fn read(text: &str) -> Self {
        let mut code = Self::default();
        let tokens = cut_tests(&tokens(&blank(text)), &mut code.test_modules);
        let mut at = 0;
        while at < tokens.len() {
            let (before, name) = (at.checked_sub(1).map_or("", |at| word(&tokens, at)), word(&tokens, at));
            if !is_name(name) || matches!(before, "::" | ".") {
                at += 1;
                continue;
            }
            if is_call(&tokens, at + 1) {
                code.macros.push((tokens[at].0, name.to_owned()));
            }
            at = code.read_path(&tokens, at, &[], before == "use");
        }
        code
    }

    /// Reads the path (or `use` tree) at `at`, below `prefix`; returns where it ends.
    fn read_path(&mut self, tokens: &[Token], mut at: usize, prefix: &[String], is_use: bool) -> usize {
        let line = tokens[at].0;
        let mut path = prefix.to_vec();
        path.push(word(tokens, at).to_owned());
        at += 1;
        while word(tokens, at) == "::" {
            let next = word(tokens, at + 1);
            if next == "{" {
                return self.read_tree(tokens, at + 2, &path);
            }
            if !is_name(next) && next != "*" {
                break;
            }
            path.push(next.to_owned());
            at += 2;
        }
        if is_call(tokens, at) && path.len() > 1 {
            self.macros.extend(path.last().map(|name| (line, name.clone())));
        }
        if path.len() > 1 || is_use {
            self.paths.push((line, path));
        }
        at
    }

    /// Reads `a, b::c, {…}` up to the closing brace; returns where it ends.
    fn read_tree(&mut self, tokens: &[Token], mut at: usize, prefix: &[String]) -> usize {
        loop {
            match word(tokens, at) {
                "" => return at,
                "}" => return at + 1,
                "as" => at += 2,
                name if is_name(name) || name == "*" => at = self.read_path(tokens, at, prefix, true),
                _ => at += 1,
            }
        }
    }
}

fn word(tokens: &[Token], at: usize) -> &str {
    tokens.get(at).map_or("", |(_, word)| word)
}

/// Whether the `!` of a macro call is at `at`.
fn is_call(tokens: &[Token], at: usize) -> bool {
    word(tokens, at) == "!" && matches!(word(tokens, at + 1), "(" | "[" | "{")
}

fn is_name(word: &str) -> bool {
    word.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// Cuts every item under `#[cfg(test)]`; the modules among them that have a file of their own go into `modules`.
fn cut_tests(tokens: &[Token], modules: &mut Vec<String>) -> Vec<Token> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if MARK.iter().zip(at..).any(|(mark, at)| word(tokens, at) != *mark) {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        let end = item_end(tokens, at + MARK.len());
        if word(tokens, end - 1) == ";" && word(tokens, end - 3) == "mod" {
            modules.push(word(tokens, end - 2).to_owned());
        }
        at = end;
    }
    kept
}

/// One past the item that begins at `at`: past its `;` or its braces.
fn item_end(tokens: &[Token], mut at: usize) -> usize {
    let mut depth = 0_usize;
    while at < tokens.len() {
        match word(tokens, at) {
            "{" | "(" | "[" => depth += 1,
            "}" if depth == 1 => return at + 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            ";" if depth == 0 => return at + 1,
            _ => {}
        }
        at += 1;
    }
    at
}

fn tokens(code: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    for (line, text) in (1..).zip(code.lines()) {
        let mut rest = text.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = match first {
                _ if rest.starts_with("::") => 2,
                _ if first.is_alphanumeric() || first == '_' => rest
                    .find(|sign: char| !sign.is_alphanumeric() && sign != '_')
                    .unwrap_or(rest.len()),
                _ => first.len_utf8(),
            };
            let (token, after) = rest.split_at(length);
            tokens.push((line, token.to_owned()));
            rest = after.trim_start();
        }
    }
    tokens
}

/// The code with blanks in place of comments and of string and character literals; lines stay.
fn blank(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = literal_length(rest);
        let (token, after) = rest.split_at(length.unwrap_or_else(|| first.len_utf8()));
        match length {
            Some(_) => out.extend(token.chars().map(|sign| if sign == '\n' { '\n' } else { ' ' })),
            None => out.push(first),
        }
        rest = after;
        // An `r` or `b` inside a name begins no literal.
        if length.is_none() && (first.is_alphanumeric() || first == '_') {
            let name = rest
                .find(|sign: char| !sign.is_alphanumeric() && sign != '_')
                .unwrap_or(rest.len());
            let (name, after) = rest.split_at(name);
            out.push_str(name);
            rest = after;
        }
    }
    out
}

/// The length of the comment or literal that `rest` begins with.
fn literal_length(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(rest.find("*/").map_or(rest.len(), |end| end + 2));
    }
    let plain = rest.trim_start_matches(['b', 'c']);
    let prefix = rest.len() - plain.len();
    if prefix > 1 {
        return None;
    }
    let hashes = plain
        .strip_prefix('r')
        .map(|raw| raw.len() - raw.trim_start_matches('#').len());
    if let Some(hashes) = hashes.filter(|hashes| plain[1 + hashes..].starts_with('"')) {
        let close = format!("\"{}", "#".repeat(hashes));
        let body = 2 + hashes;
        return Some(
            plain[body..]
                .find(&close)
                .map_or(rest.len(), |end| prefix + body + end + close.len()),
        );
    }
    let quote = plain.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let is_lifetime = quote == '\'' && !plain[1..].starts_with('\\') && plain[1..].chars().nth(1) != Some('\'');
    (!is_lifetime).then(|| prefix + quoted_length(plain, quote))
}

/// The length of a literal between two `quote`s, escapes passed over.
fn quoted_length(text: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, sign) in text.char_indices().skip(1) {
        match sign {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            sign if sign == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[test]
fn paths_are_spelt_out() {
    let text = "use a::{b::{self, C as D}, e, *};\nlet x = f::g(h!(\"i::j\"), 'k', b\"l::m\", r#\"n::o\"#); // p::q\nfn f<'r>(s: &'r t::U) { w::x!{} }";
    let code = Code::read(text);
    let paths: Vec<String> = code
        .paths
        .iter()
        .map(|(line, path)| format!("{line} {}", path.join("::")))
        .collect();
    assert_eq!(
        paths,
        [
            "1 a::b::self",
            "1 a::b::C",
            "1 a::e",
            "1 a::*",
            "2 f::g",
            "3 t::U",
            "3 w::x"
        ]
    );
    let macros: Vec<&str> = code.macros.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(macros, ["h", "x"]);
}

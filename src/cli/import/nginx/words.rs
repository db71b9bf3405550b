//! The words of nginx's language: quotes, escapes, comments, and the three signs.

/// What a file is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Word(String),
    /// `{`
    Open,
    /// `}`
    Close,
    /// `;`
    End,
}

/// A text that ends inside of quotes, or a sign that stands right behind them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadQuotes {
    pub(super) line: usize,
}

/// The tokens with the line that each begins on.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, BadQuotes> {
    let mut found = Vec::new();
    let (mut line, mut chars) = (1, text.chars().peekable());
    while let Some(c) = chars.next() {
        match c {
            '\n' => line += 1,
            c if c.is_whitespace() => {}
            '#' => while chars.next_if(|c| *c != '\n').is_some() {},
            '{' => found.push((line, Token::Open)),
            '}' => found.push((line, Token::Close)),
            ';' => found.push((line, Token::End)),
            quote @ ('"' | '\'') => {
                let began = line;
                let mut word = String::new();
                loop {
                    match chars.next() {
                        Some('\\') => escape(&mut word, chars.next()),
                        Some(c) if c == quote => break,
                        Some(c) => {
                            line += usize::from(c == '\n');
                            word.push(c);
                        }
                        None => return Err(BadQuotes { line: began }),
                    }
                }
                let ends = |c: &char| c.is_whitespace() || matches!(c, ';' | '{' | ')');
                if !chars.peek().is_none_or(ends) {
                    return Err(BadQuotes { line });
                }
                found.push((began, Token::Word(word)));
            }
            first => {
                let mut word = String::new();
                let mut next = Some(first);
                while let Some(c) = next {
                    if c == '\\' {
                        escape(&mut word, chars.next());
                    } else {
                        word.push(c);
                    }
                    // `${name}` is a variable, not a block.
                    let variable = c == '$' && chars.next_if_eq(&'{').is_some();
                    if variable {
                        word.push('{');
                    }
                    next = chars.next_if(|c| !c.is_whitespace() && !matches!(c, ';' | '{'));
                }
                found.push((line, Token::Word(word)));
            }
        }
    }
    Ok(found)
}

/// What stands behind a backslash; before other signs it stays, for regular expressions.
fn escape(word: &mut String, c: Option<char>) {
    match c {
        Some(c @ ('"' | '\'' | '\\')) => word.push(c),
        Some('t') => word.push('\t'),
        Some('r') => word.push('\r'),
        Some('n') => word.push('\n'),
        Some(c) => word.extend(['\\', c]),
        None => word.push('\\'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        let shown = tokens(text)
            .unwrap()
            .into_iter()
            .map(|(line, token)| match token {
                Token::Word(word) => format!("{line}<{word}>"),
                Token::Open => "{".to_owned(),
                Token::Close => "}".to_owned(),
                Token::End => ";".to_owned(),
            });
        shown.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn words_quotes_comments_and_signs() {
        assert_eq!(read("a b;# c {\nd{e;}"), "1<a> 1<b> ; 2<d> { 2<e> ; }");
        assert_eq!(
            read("a \"b; {\\\"}\" 'c\nd' e"),
            "1<a> 1<b; {\"}> 1<c\nd> 2<e>"
        );
        assert_eq!(
            read("return 301 https://$host${uri}x;"),
            "1<return> 1<301> 1<https://$host${uri}x> ;"
        );
        assert_eq!(
            read("location ~ \\.php$ {}"),
            "1<location> 1<~> 1<\\.php$> { }"
        );
        assert_eq!(read("a#b c\"d;"), "1<a#b> 1<c\"d> ;");
        assert_eq!(read("\"\" ''"), "1<> 1<>");
        assert_eq!(read(""), "");
    }

    #[test]
    fn quotes_that_do_not_end_are_named_by_their_line() {
        assert_eq!(tokens("a;\n\"b\n\n"), Err(BadQuotes { line: 2 }));
        assert_eq!(tokens("a \"b\"c;"), Err(BadQuotes { line: 1 }));
    }
}

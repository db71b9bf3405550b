//! The `Exec` key of a desktop entry as program and arguments (Desktop Entry Specification 1.5,
//! "The Exec key").

/// Most arguments of a command.
const MAX_ARGUMENTS: usize = 256;

/// The program and its arguments; field codes such as `%f` are dropped, for a session is started
/// without files. `None`: the line is not well formed.
pub(crate) fn split(line: &str) -> Option<Vec<String>> {
    let mut arguments = Vec::new();
    let mut argument: Option<String> = None;
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        match c {
            ' ' | '\t' | '\n' => arguments.extend(argument.take()),
            '"' => {
                let quoted = argument.get_or_insert_default();
                loop {
                    match rest.next()? {
                        '"' => break,
                        '\\' => quoted.push(rest.next()?),
                        c => quoted.push(c),
                    }
                }
            }
            '%' => match rest.next()? {
                '%' => argument.get_or_insert_default().push('%'),
                code if code.is_ascii_alphabetic() => {}
                _ => return None,
            },
            c => argument.get_or_insert_default().push(c),
        }
    }
    arguments.extend(argument);
    let program = arguments.first()?;
    (arguments.len() <= MAX_ARGUMENTS && !program.is_empty()).then_some(arguments)
}

/// A value of a desktop entry with its escapes undone ("Possible value types").
pub(crate) fn unescape(value: &str) -> String {
    let mut text = String::new();
    let mut rest = value.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            text.push(c);
            continue;
        }
        match rest.next() {
            Some('s') => text.push(' '),
            Some('n') => text.push('\n'),
            Some('t') => text.push('\t'),
            Some('r') => text.push('\r'),
            Some('\\') | None => text.push('\\'),
            Some(other) => text.extend(['\\', other]),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_quotes_and_field_codes() {
        for (line, arguments) in [
            ("startxfce4", &["startxfce4"] as &[&str]),
            ("  a  b\tc ", &["a", "b", "c"]),
            (
                r#""/opt/my session/run" --x"#,
                &["/opt/my session/run", "--x"],
            ),
            (
                r#"sh -c "echo \"\$HOME\" \\ \`x\`""#,
                &["sh", "-c", r#"echo "$HOME" \ `x`"#],
            ),
            (
                "run %f --name=%c %% 100%%",
                &["run", "--name=", "%", "100%"],
            ),
            (r#"run """#, &["run", ""]),
        ] {
            assert_eq!(split(line).unwrap(), arguments, "{line}");
        }
    }

    #[test]
    fn what_is_not_well_formed_is_refused() {
        for line in ["", "   ", "\"open", "\"a\\", "a %", "a %1", "%f", "\"\" a"] {
            assert_eq!(split(line), None, "{line}");
        }
        assert_eq!(split(&"a ".repeat(MAX_ARGUMENTS + 1)), None);
    }

    #[test]
    fn escapes_of_values_are_undone() {
        assert_eq!(unescape(r"a\sb\\c\q"), "a b\\c\\q");
    }
}

//! Makes `docs/faults.md` of what stands above the tests and of their names.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// How many faults there are.
const FAULTS: u32 = 22;

const HEAD: &str = "# When something breaks

Made from the tests in `tests/faults`; `WRITE_GOLDEN=1 cargo test --test faults table` writes it anew.
Each row is one thing that breaks: what happens then, what the people concerned see, what they lose
and what they keep, and the tests that bring it about.

| | what breaks | what happens | what people see | lost | kept | tests |
|---|---|---|---|---|---|---|
";

/// What stands above a test, by its keys.
#[derive(Debug, Default)]
struct Fault {
    fields: BTreeMap<String, String>,
    tests: Vec<(String, String)>,
}

#[derive(Default)]
struct Reader {
    faults: BTreeMap<u32, Fault>,
    /// The fault whose comment is being read.
    now: u32,
}

#[test]
fn the_table_of_faults_says_what_is_tested() {
    let faults = read_all();
    let known: Vec<u32> = faults.keys().copied().collect();
    assert_eq!(
        known,
        (1..=FAULTS).collect::<Vec<_>>(),
        "faults without a row"
    );
    let text = table(&faults);
    let path = root().join("docs/faults.md");
    if std::env::var_os("WRITE_GOLDEN").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        text == golden,
        "docs/faults.md differs; WRITE_GOLDEN=1 writes it anew"
    );
}

fn table(faults: &BTreeMap<u32, Fault>) -> String {
    let mut text = HEAD.to_owned();
    for (number, fault) in faults {
        let field = |key: &str| {
            let found = fault.fields.get(key);
            found.unwrap_or_else(|| panic!("F{number} has no `{key}:`"))
        };
        assert!(!fault.tests.is_empty(), "F{number} is not tested");
        let tests: Vec<_> = fault
            .tests
            .iter()
            .map(|(file, name)| format!("`{file}`: {}", name.replace('_', " ")))
            .collect();
        writeln!(
            text,
            "| F{number} | {} | {} | {} | {} | {} | {} |",
            field("Fault"),
            field("Happens"),
            field("Seen"),
            field("Lost"),
            field("Kept"),
            tests.join("<br>")
        )
        .unwrap();
    }
    text
}

fn read_all() -> BTreeMap<u32, Fault> {
    let mut reader = Reader::default();
    let mut files: Vec<PathBuf> = fs::read_dir(root().join("tests/faults"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    for path in files {
        let file = format!("tests/faults/{}", path.file_name().unwrap().display());
        for line in blocks(&fs::read_to_string(&path).unwrap()) {
            reader.take(&line, &file);
        }
    }
    let page = "tests/e2e/faults.spec.mjs";
    for line in fs::read_to_string(root().join(page)).unwrap().lines() {
        let title = line
            .trim_start()
            .strip_prefix("test(")
            .map(|rest| rest.trim_start().trim_start_matches(['\'', '`']));
        let Some((number, title)) =
            title.and_then(|title| title.strip_prefix('F')?.split_once(": "))
        else {
            continue;
        };
        let title = title
            .split(['\'', '`'])
            .next()
            .unwrap()
            .replace("${what}", "something");
        let fault = reader.faults.entry(number.parse().unwrap()).or_default();
        fault.tests.push((page.to_owned(), title));
    }
    reader.faults
}

/// The lines of code, and each comment as one line for each key that begins one in it.
fn blocks(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let comment = ["/// ", "//! "]
            .iter()
            .find_map(|mark| line.strip_prefix(mark));
        match comment {
            Some(words)
                if key(words).is_none() && lines.last().is_some_and(|it| key(it).is_some()) =>
            {
                let last = lines.last_mut().unwrap();
                last.push(' ');
                last.push_str(words);
            }
            Some(words) => lines.push(words.to_owned()),
            None => lines.push(line.to_owned()),
        }
    }
    lines
}

/// The key that a line of a comment begins with.
fn key(words: &str) -> Option<&str> {
    let (key, _) = words.split_once(": ")?;
    let is_fault = key
        .strip_prefix('F')
        .is_some_and(|rest| rest.parse::<u32>().is_ok());
    let known = ["Happens", "Seen", "Lost", "Kept", "Tests"];
    (is_fault || known.contains(&key)).then_some(key)
}

impl Reader {
    /// Puts a line where it belongs.
    fn take(&mut self, line: &str, file: &str) {
        if let Some((number, name)) = own_test(line) {
            let tests = &mut self.faults.entry(number).or_default().tests;
            tests.push((file.to_owned(), name.to_owned()));
        }
        let Some(key) = key(line) else { return };
        let (_, value) = line.split_once(": ").unwrap();
        if let Some(number) = key.strip_prefix('F') {
            self.now = number.parse().unwrap();
        }
        let fault = self.faults.entry(self.now).or_default();
        if key == "Tests" {
            fault.tests.extend(value.split("; ").map(elsewhere));
            return;
        }
        let key = if key.starts_with('F') { "Fault" } else { key };
        fault.fields.insert(key.to_owned(), value.to_owned());
    }
}

/// The number and the rest of the name of a test whose name begins with a fault's number.
fn own_test(line: &str) -> Option<(u32, &str)> {
    let (name, _) = line.strip_prefix("fn f")?.split_once('(')?;
    let (number, name) = name.split_once('_')?;
    Some((number.parse().ok()?, name))
}

/// A test of another file, which has to be there: its file and name.
fn elsewhere(part: &str) -> (String, String) {
    let (file, name) = part.split_once(' ').unwrap();
    let found = ["", "tests/", "src/"].map(|folder| format!("{folder}{file}"));
    let file = found.iter().find(|file| root().join(file).is_file());
    let file = file.unwrap_or_else(|| panic!("there is no {part}"));
    let text = fs::read_to_string(root().join(file)).unwrap();
    let is_there = [
        format!("fn {name}("),
        format!("('{name}"),
        format!("(`{name}"),
    ];
    assert!(
        is_there.iter().any(|it| text.contains(it)),
        "{file} has no test {name}"
    );
    let name = name.replace("${roles.join(' and ')}", "front and launcher");
    (file.clone(), name)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

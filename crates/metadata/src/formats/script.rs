//! Scripts: text that names its interpreter, or whose name does.

use appdepot_core::inspect::{self, Package, Problem};
use async_trait::async_trait;
use serde_json::{Map, Value as Json};

use crate::containers::Packing;
use crate::error::Code;
use crate::registry::{Format, Input, Probe, Score};

/// What runs scripts whose name ends so.
const BY_NAME: [(&str, &str); 10] = [
    ("sh", "sh"),
    ("bash", "bash"),
    ("zsh", "zsh"),
    ("ksh", "ksh"),
    ("command", "sh"),
    ("ps1", "powershell"),
    ("psm1", "powershell"),
    ("bat", "cmd"),
    ("cmd", "cmd"),
    ("py", "python"),
];

/// The most of a first line that is looked at, as long as kernels do.
const LINE: usize = 256;

/// The format of scripts.
#[derive(Debug, Clone, Copy, Default)]
pub struct Script;

#[async_trait]
impl Format for Script {
    fn name(&self) -> inspect::Format {
        inspect::Format::Script
    }

    fn packing(&self) -> Packing {
        Packing::Plain
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["sh", "bash", "zsh", "ksh", "command", "ps1", "psm1", "bat", "cmd", "py"]
    }

    fn score(&self, probe: &Probe<'_>) -> Score {
        let Some(encoding) = Encoding::of(probe.head) else { return Score::No };
        match (Line::read(&encoding.text(probe.head)), by_name(probe.hint.file_name.as_deref())) {
            (Some(_), _) => Score::Certain,
            (None, Some(_)) => Score::Possible,
            (None, None) => Score::No,
        }
    }

    async fn read(&self, input: &mut Input<'_>) -> Result<Package, Problem> {
        let head = input.reader.head().await?;
        let encoding = Encoding::of(&head).ok_or_else(|| Code::TypeMismatch.problem("not a text"))?;
        let text = encoding.text(&head);
        let line = Line::read(&text);
        let mut details = Map::new();
        let reader = &mut input.reader;
        let mut put = |key: &str, value: Json| details.insert(key.to_owned(), value);
        if let Some(line) = &line {
            put("shebang", reader.text(line.whole).into());
            put("interpreterPath", reader.text(line.program).into());
            if !line.arguments.is_empty() {
                put("arguments", reader.text(line.arguments).into());
            }
        }
        let name = line.as_ref().map(|line| line.name).or_else(|| by_name(input.hint.file_name.as_deref()));
        let name = name.ok_or_else(|| Code::TypeMismatch.problem("a text that names no interpreter"))?;
        put("interpreter", reader.text(name).into());
        put("encoding", encoding.as_str().into());
        put("lineEnds", if text.contains("\r\n") { "crlf" } else { "lf" }.into());
        Ok(Package { details, ..Package::default() })
    }
}

fn by_name(file: Option<&str>) -> Option<&'static str> {
    let (_, extension) = file?.rsplit_once('.')?;
    BY_NAME.iter().find(|(known, _)| known.eq_ignore_ascii_case(extension)).map(|(_, name)| *name)
}

/// The first line of a script that names its interpreter.
struct Line<'a> {
    whole: &'a str,
    program: &'a str,
    arguments: &'a str,
    /// The last part of the program's path; of `env`, what it is told to run.
    name: &'a str,
}

impl<'a> Line<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let whole = text.strip_prefix("#!")?.lines().next()?.trim();
        let (program, arguments) = whole.split_once([' ', '\t']).unwrap_or((whole, ""));
        let arguments = arguments.trim();
        let mut name = base(program);
        if name == "env" {
            // options and settings of variables come before the program
            let told =
                arguments.split_whitespace().find(|word| !word.starts_with('-') && !word.contains('='));
            name = told.map_or(name, base);
        }
        // `#![…]` begins sources of Rust
        (!name.is_empty() && whole.len() <= LINE && !program.starts_with('[')).then_some(Self {
            whole,
            program,
            arguments,
            name,
        })
    }
}

fn base(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Encoding {
    Ascii,
    Utf8,
    Utf16Le,
    Utf16Be,
    Latin1,
}

/// Control characters that no text has.
fn is_foreign(byte: u8) -> bool {
    matches!(byte, 0..=0x06 | 0x0e..=0x1a | 0x1c..=0x1f)
}

impl Encoding {
    /// How the start of a text is written; `None` when it is no text.
    fn of(head: &[u8]) -> Option<Self> {
        let wide = match head {
            [0xff, 0xfe, ..] => Some(Self::Utf16Le),
            [0xfe, 0xff, ..] => Some(Self::Utf16Be),
            _ => None,
        };
        // an executable that begins as a script has bytes no text has
        if let Some(encoding) = wide {
            let is_text = |one: char| !u8::try_from(one).is_ok_and(is_foreign);
            return encoding.text(head).chars().all(is_text).then_some(encoding);
        }
        if head.iter().any(|byte| is_foreign(*byte)) {
            return None;
        }
        Some(match std::str::from_utf8(head) {
            Ok(_) if head.is_ascii() => Self::Ascii,
            Ok(_) => Self::Utf8,
            // the head may end inside a character
            Err(error) if error.error_len().is_none() => Self::Utf8,
            Err(_) => Self::Latin1,
        })
    }

    fn text(self, head: &[u8]) -> String {
        let utf16 = |unit: fn([u8; 2]) -> u16| -> String {
            let (pairs, _) = head.get(2..).unwrap_or_default().as_chunks::<2>();
            let units = pairs.iter().map(|pair| unit(*pair));
            char::decode_utf16(units).map(|one| one.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
        };
        match self {
            Self::Utf16Le => utf16(u16::from_le_bytes),
            Self::Utf16Be => utf16(u16::from_be_bytes),
            Self::Latin1 => head.iter().map(|byte| char::from(*byte)).collect(),
            Self::Ascii | Self::Utf8 => {
                String::from_utf8_lossy(head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head)).into_owned()
            }
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Ascii => "ascii",
            Self::Utf8 => "utf-8",
            Self::Utf16Le => "utf-16le",
            Self::Utf16Be => "utf-16be",
            Self::Latin1 => "latin-1",
        }
    }
}

#[cfg(test)]
mod tests {
    use appdepot_core::inspect::{Format, Hint};

    use crate::Extractor;

    fn read(data: &[u8], name: &str) -> Option<(String, String)> {
        let found = Extractor::default().inspect_slice(data, &Hint::file_name(name));
        let details = found.package.filter(|_| found.format == Format::Script)?.details;
        let text = |key: &str| details.get(key).and_then(serde_json::Value::as_str).unwrap_or("").to_owned();
        Some((text("interpreter"), text("encoding")))
    }

    #[test]
    fn interpreters() {
        let is = |interpreter: &str, encoding: &str| Some((interpreter.to_owned(), encoding.to_owned()));
        assert_eq!(read(b"#!/bin/sh\necho\n", "x"), is("sh", "ascii"));
        assert_eq!(
            read(b"\xef\xbb\xbf#! /usr/bin/env -S A=1 python3 -u\n# \xc3\xa9", "x"),
            is("python3", "utf-8")
        );
        assert_eq!(read(b"#!/bin/bash -e\r\n# \xe9\n", "x"), is("bash", "latin-1"));
        assert_eq!(read(b"\xff\xfeW\0r\0i\0t\0e\0", "x.ps1"), is("powershell", "utf-16le"));
        assert_eq!(read(b"@echo off", "x.BAT"), is("cmd", "ascii"));
        assert_eq!(read(b"echo", "x.txt"), None);
        assert_eq!(read(b"#!", "x"), None);
        assert_eq!(read(b"\x7fELF\0\0", "x.sh"), None);
        assert_eq!(read(b"#![allow(dead_code)]", "lib.rs"), None);
    }
}

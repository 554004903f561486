// SPDX-License-Identifier: Apache-2.0
//! Reads keys out of parsed TOML by the schema, and reports what is wrong on the way.
//!
//! A reader that returns `None` has reported why, or the key is absent and may be; so a caller
//! goes on with what it has and every error of a file is found in one pass.

use std::sync::OnceLock;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::diagnostic::{Code, Diagnostic, Place};
use crate::findings::{Findings, SEEN_CHARS, too_many};
use crate::schema::{Key, Kind, Preset, ROOT, Table};
use crate::suggest::nearest;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Item<T> {
    pub(crate) value: T,
    pub(crate) place: Place,
}

/// A table of the file, its keys known to be of the schema.
#[derive(Debug)]
pub(crate) struct Section<'a> {
    table: &'a DeTable<'a>,
    schema: &'static Table,
    /// Its header, or the whole of it if it is inline.
    pub(crate) place: Place,
}

impl<'a> Section<'a> {
    /// Opens a table and reports keys that do not belong there.
    pub(crate) fn open(
        findings: &mut Findings<'_>,
        schema: &'static Table,
        table: &'a DeTable<'a>,
        place: Place,
    ) -> Self {
        let section = Self {
            table,
            schema,
            place,
        };
        for key in table.keys() {
            if schema.key(key.get_ref()).is_none() {
                section.unknown(findings, key);
            }
        }
        section
    }

    /// What the schema knows of it.
    pub(crate) const fn schema(&self) -> &'static Table {
        self.schema
    }

    fn unknown(&self, findings: &mut Findings<'_>, key: &Spanned<std::borrow::Cow<'_, str>>) {
        if findings.count_only() {
            return;
        }
        let name: &str = key.get_ref();
        let short: String = name.chars().take(SEEN_CHARS).collect();
        let place = Place {
            key: self.path(&short),
            span: key.span(),
        };
        let inside = match self.schema.title {
            "" => "at the top of the file".to_owned(),
            title => format!("in [{title}]"),
        };
        if self.schema.later.contains(&name) {
            let message = format!("`{name}` {inside} is not supported yet");
            findings.add(
                Diagnostic::new(Code::NotSupported, &place, message)
                    .seen(name)
                    .help(format!("remove `{name}`; a later version brings it")),
            );
            return;
        }
        let known: Vec<&str> = self.schema.keys.iter().map(|key| key.name).collect();
        let found = Diagnostic::new(
            Code::UnknownKey,
            &place,
            format!("unknown key `{short}` {inside}"),
        )
        .seen(short.as_str())
        .allowed(known.join(", "));
        findings.add(if let Some(meant) = nearest(name, known.iter().copied()) {
            found.help(format!("did you mean `{meant}`?"))
        } else if let Some(title) = home_of(name) {
            found.help(format!("`{name}` belongs in [{title}]"))
        } else {
            found
        });
    }

    /// The key of an entry, from the top of the file.
    pub(crate) fn path(&self, name: &str) -> String {
        if self.place.key.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.place.key)
        }
    }

    /// A string.
    pub(crate) fn text(&self, findings: &mut Findings<'_>, name: &str) -> Option<Item<&'a str>> {
        let (key, value) = self.value(findings, name)?;
        let Some(value) = value else {
            let Preset::Text(preset) = key.preset else {
                return None;
            };
            return Some(self.absent(name, preset));
        };
        let place = self.at(name, value);
        match value.get_ref().as_str() {
            Some(text) => Some(Item { value: text, place }),
            None => {
                wrong_type(findings, key, value, place);
                None
            }
        }
    }

    /// One of the words that the schema allows.
    pub(crate) fn word(
        &self,
        findings: &mut Findings<'_>,
        name: &str,
    ) -> Option<Item<&'static str>> {
        let Item { value, place } = self.text(findings, name)?;
        let Kind::OneOf(words) = self.schema.key(name)?.kind else {
            return None;
        };
        if let Some(word) = words.iter().find(|word| **word == value) {
            return Some(Item { value: word, place });
        }
        let seen = findings.source(&place.span);
        let message = match not_yet(name, value) {
            true => format!("`{name}` {seen} is not supported yet"),
            false => format!("`{name}` must not be {seen}"),
        };
        let allowed: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
        let allowed = allowed.join(", ");
        let help = match nearest(value, words.iter().copied()) {
            Some(meant) if !not_yet(name, value) => format!("did you mean \"{meant}\"?"),
            _ => format!("use one of {allowed}"),
        };
        findings.add(
            Diagnostic::new(Code::NotOneOf, &place, message)
                .seen(seen)
                .allowed(allowed)
                .help(help),
        );
        None
    }

    /// A number within the schema's range.
    pub(crate) fn integer(&self, findings: &mut Findings<'_>, name: &str) -> Option<Item<u32>> {
        let (key, value) = self.value(findings, name)?;
        let Some(value) = value else {
            let Preset::Integer(preset) = key.preset else {
                return None;
            };
            return Some(self.absent(name, preset));
        };
        let place = self.at(name, value);
        let Some(number) = value.get_ref().as_integer() else {
            wrong_type(findings, key, value, place);
            return None;
        };
        let Kind::Integer(min, max) = key.kind else {
            return None;
        };
        let parsed = i64::from_str_radix(number.as_str(), number.radix())
            .ok()
            .and_then(|number| u32::try_from(number).ok())
            .filter(|number| (min..=max).contains(number));
        if let Some(value) = parsed {
            return Some(Item { value, place });
        }
        let seen = findings.source(&place.span);
        findings.add(
            Diagnostic::new(
                Code::OutOfRange,
                &place,
                format!("`{name}` is {seen}, out of its range"),
            )
            .seen(seen)
            .allowed(format!("{min} to {max}"))
            .help(format!("write a number from {min} to {max}")),
        );
        None
    }

    /// `true` or `false`.
    pub(crate) fn flag(&self, findings: &mut Findings<'_>, name: &str) -> Option<bool> {
        let (key, value) = self.value(findings, name)?;
        let Some(value) = value else {
            let Preset::Flag(preset) = key.preset else {
                return None;
            };
            return Some(preset);
        };
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            wrong_type(findings, key, value, self.at(name, value));
        }
        flag
    }

    /// A list of strings; empty if absent.
    pub(crate) fn texts(&self, findings: &mut Findings<'_>, name: &str) -> Vec<Item<&'a str>> {
        let Some((key, Some(value))) = self.value(findings, name) else {
            return Vec::new();
        };
        let Some(list) = value.get_ref().as_array() else {
            wrong_type(findings, key, value, self.at(name, value));
            return Vec::new();
        };
        let mut items = Vec::new();
        for (index, entry) in list.iter().enumerate() {
            let place = Place {
                key: format!("{}[{}]", self.path(name), index.saturating_add(1)),
                span: entry.span(),
            };
            match entry.get_ref().as_str() {
                Some(value) => items.push(Item { value, place }),
                None => wrong_type(findings, key, entry, place),
            }
        }
        items
    }

    /// `[name]`, if it is there.
    pub(crate) fn table(&self, findings: &mut Findings<'_>, name: &str) -> Option<Self> {
        let (key, value) = self.value(findings, name)?;
        let value = value?;
        let place = self.at(name, value);
        let (Kind::Table(schema), Some(table)) = (&key.kind, value.get_ref().as_table()) else {
            wrong_type(findings, key, value, place);
            return None;
        };
        Some(Self::open(findings, schema, table, place))
    }

    /// Every `[[name]]`, at most `max` of them; each is called by its `name` where it has one.
    pub(crate) fn tables(&self, findings: &mut Findings<'_>, name: &str, max: usize) -> Vec<Self> {
        let Some((key, Some(value))) = self.value(findings, name) else {
            return Vec::new();
        };
        let (Kind::Tables(schema), Some(list)) = (&key.kind, value.get_ref().as_array()) else {
            wrong_type(findings, key, value, self.at(name, value));
            return Vec::new();
        };
        let mut sections = Vec::new();
        for (index, entry) in list.iter().enumerate() {
            let mut place = Place {
                key: format!("{}[{}]", self.path(name), index.saturating_add(1)),
                span: entry.span(),
            };
            let Some(table) = entry.get_ref().as_table() else {
                wrong_type(findings, key, entry, place);
                continue;
            };
            if sections.len() >= max {
                too_many(findings, &place, &format!("[[{}]]", schema.title), max);
                break;
            }
            let called = table.get("name").and_then(|name| name.get_ref().as_str());
            if let Some(called) = called.filter(|called| is_plain(called)) {
                place.key = format!("{}.{called}", self.path(name));
            }
            sections.push(Self::open(findings, schema, table, place));
        }
        sections
    }

    /// Whether a key is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.table.contains_key(name)
    }

    /// The table `[name]` as if it were there, without a key.
    pub(crate) fn empty(&self, name: &str) -> Option<Section<'static>> {
        static NOTHING: OnceLock<DeTable<'static>> = OnceLock::new();
        let (Kind::Table(schema) | Kind::Tables(schema)) = &self.schema.key(name)?.kind else {
            return None;
        };
        Some(Section {
            table: NOTHING.get_or_init(DeTable::new),
            schema,
            place: Place {
                key: self.path(name),
                span: self.place.span.clone(),
            },
        })
    }

    /// The place of an entry that has a default, for checks that need one.
    fn absent<T>(&self, name: &str, value: T) -> Item<T> {
        Item {
            value,
            place: Place {
                key: self.path(name),
                span: self.place.span.clone(),
            },
        }
    }

    fn at(&self, name: &str, value: &Spanned<DeValue<'_>>) -> Place {
        Place {
            key: self.path(name),
            span: value.span(),
        }
    }

    /// Whether an unknown key, reported as such, was probably meant to be this one.
    pub(crate) fn is_misspelt(&self, name: &str) -> bool {
        let known = || self.schema.keys.iter().map(|key| key.name);
        self.table
            .keys()
            .map(|key| key.get_ref().as_ref())
            .filter(|key| self.schema.key(key).is_none() && !self.schema.later.contains(key))
            .any(|key| nearest(key, known()) == Some(name))
    }

    /// The schema's word on a key, and its value; a required one that is absent is reported.
    fn value(
        &self,
        findings: &mut Findings<'_>,
        name: &str,
    ) -> Option<(&'static Key, Option<&'a Spanned<DeValue<'a>>>)> {
        let key = self.schema.key(name)?;
        let value = self.table.get(name);
        if value.is_none() && matches!(key.preset, Preset::Required) {
            if self.is_misspelt(name) {
                return None;
            }
            let place = Place {
                key: self.path(name),
                span: self.place.span.clone(),
            };
            let (message, help) = match (&key.kind, self.schema.title) {
                (Kind::Table(_), _) => (
                    format!("table [{name}] is missing"),
                    format!("add [{name}]"),
                ),
                (_, title) => (
                    format!("`{name}` is missing in [{title}]"),
                    format!("add a line such as: {name} = {}", example(key)),
                ),
            };
            let found = Diagnostic::new(Code::MissingKey, &place, message);
            findings.add(found.allowed(key.kind.describe()).help(help));
            return None;
        }
        Some((key, value))
    }
}

impl Kind {
    /// What is allowed, for people.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Text(form) => (*form).to_owned(),
            Self::OneOf(words) => {
                let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
                words.join(", ")
            }
            Self::Integer(min, max) => format!("{min} to {max}"),
            Self::Flag => "true, false".to_owned(),
            Self::Texts(form) => format!("a list of {form}"),
            Self::Table(table) => format!("[{}]", table.title),
            Self::Tables(table) => format!("[[{}]]", table.title),
        }
    }

    const fn noun(&self) -> &'static str {
        match self {
            Self::Text(_) | Self::OneOf(_) => "a string",
            Self::Integer(..) => "an integer",
            Self::Flag => "true or false",
            Self::Texts(_) => "a list of strings",
            Self::Table(_) => "a table",
            Self::Tables(_) => "a list of tables",
        }
    }
}

/// The default of a key as TOML, or a value that it could have.
pub(crate) fn example(key: &Key) -> String {
    match key.preset {
        Preset::Integer(number) => number.to_string(),
        Preset::Text(text) => format!("\"{text}\""),
        Preset::Flag(flag) => flag.to_string(),
        Preset::Required | Preset::Otherwise(_) => key.example.to_owned(),
    }
}

fn wrong_type(findings: &mut Findings<'_>, key: &Key, value: &Spanned<DeValue<'_>>, place: Place) {
    let is = value.get_ref().type_str();
    let article = if is.starts_with(['a', 'i']) {
        "an"
    } else {
        "a"
    };
    let help = match key.kind {
        Kind::Table(table) => format!("write [{}]", table.title),
        Kind::Tables(table) => format!("write [[{}]], once for each", table.title),
        Kind::Text(_) | Kind::OneOf(_) | Kind::Integer(..) | Kind::Flag | Kind::Texts(_) => {
            format!("write {} = {}", key.name, example(key))
        }
    };
    let message = format!(
        "`{}` is {article} {is}, expected {}",
        key.name,
        key.kind.noun()
    );
    let seen = findings.source(&place.span);
    findings.add(
        Diagnostic::new(Code::WrongType, &place, message)
            .seen(seen)
            .allowed(key.kind.describe())
            .help(help),
    );
}

/// The table that knows a key of this name, if one does.
fn home_of(name: &str) -> Option<&'static str> {
    let mut home = None;
    ROOT.walk(&mut |table| {
        if !table.title.is_empty() && table.key(name).is_some() && home.is_none() {
            home = Some(table.title);
        }
    });
    home
}

/// Words of ipvsadm that a later version will know.
fn not_yet(key: &str, word: &str) -> bool {
    match key {
        "forward" => ["fullnat"].contains(&word),
        _ => false,
    }
}

/// Whether a name reads well within a key.
fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= SEEN_CHARS
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

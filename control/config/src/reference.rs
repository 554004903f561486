// SPDX-License-Identifier: Apache-2.0
//! `configs/reference.toml`, printed from the schema.

use crate::schema::{Key, Kind, Preset, ROOT, Table};
use crate::section::example;

/// A valid file with every key there is: what it means, what it may be, its default, and whether
/// a change needs a restart (`init`) or takes effect at once (`live`).
#[must_use]
pub fn reference() -> String {
    let mut out = HEAD.to_owned();
    ROOT.walk(&mut |table| {
        if !table.title.is_empty() {
            section(&mut out, table);
        }
    });
    out
}

const HEAD: &str = "\
# Every key of the configuration file. Generated: do not edit.
#
# Above each key: what it means; what it may be; its default; and
#   init: read at start, a change needs a restart;
#   live: applied by SIGHUP, connections kept.
# An unknown key is an error. `penstock check FILE` lists all errors of a file.
";

fn section(out: &mut String, table: &Table) {
    let list = is_list(table);
    let header = if list {
        format!("[[{}]]", table.title)
    } else {
        format!("[{}]", table.title)
    };
    let often = if list { " Once for each." } else { "" };
    out.push_str(&format!("\n# {}{often}\n{header}\n", table.doc));
    for key in table.keys {
        if !matches!(key.kind, Kind::Table(_) | Kind::Tables(_)) {
            entry(out, key);
        }
    }
}

fn entry(out: &mut String, key: &Key) {
    let default = match key.preset {
        Preset::Required => "required".to_owned(),
        Preset::Otherwise(what) => format!("default: {what}"),
        Preset::Integer(_) | Preset::Text(_) | Preset::Flag(_) => {
            format!("default: {}", example(key))
        }
    };
    let (name, doc) = (key.name, key.doc);
    let (range, change) = (key.kind.describe(), key.change.name());
    let value = example(key);
    out.push_str(&format!("# {doc}\n"));
    out.push_str(&format!("#   {range}; {default}; {change}\n"));
    out.push_str(&format!("{name} = {value}\n"));
}

/// Whether a table stands in double brackets.
fn is_list(table: &Table) -> bool {
    let mut list = false;
    ROOT.walk(&mut |parent| {
        list |= parent
            .keys
            .iter()
            .any(|key| matches!(key.kind, Kind::Tables(child) if std::ptr::eq(child, table)));
    });
    list
}

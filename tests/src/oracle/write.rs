// SPDX-License-Identifier: Apache-2.0
//! Writes a case back with the engine's answers.

use serde_json::{Map, Value};

use super::case::{Case, encode_hex};
use super::director::Fate;
use super::replay::{Answer, Answers};
use super::tables::{ConnectionRow, ServiceRow};

/// The case with the engine's own `out`, `dump` and `reals` in place of the kernel's. A packet that
/// was handed to Linux has `"punted": 1` besides.
#[must_use]
pub fn with_answers(case: &Case, answers: &Answers) -> Value {
    let mut json = case.json.clone();
    let reals = answers
        .reals
        .iter()
        .map(|real| real.clone().map_or(Value::Null, Value::String));
    json["reals"] = reals.collect();
    let steps = json.get_mut("steps").and_then(Value::as_array_mut);
    for (step, answer) in steps.into_iter().flatten().zip(&answers.steps) {
        if let Some(step) = step.as_object_mut() {
            put(step, answer);
        }
    }
    json
}

fn put(step: &mut Map<String, Value>, answer: &Answer) {
    match answer {
        Answer::Fates(fates) => {
            let frames = fates.iter().filter_map(|fate| match fate {
                Fate::Sent(frame) => Some(Value::from(vec![
                    frame.side.letter().to_owned(),
                    encode_hex(&frame.bytes),
                ])),
                Fate::Punted | Fate::Dropped(_) => None,
            });
            step.insert("out".into(), frames.collect());
            if fates.contains(&Fate::Punted) {
                step.insert("punted".into(), 1.into());
            }
        }
        Answer::Tables {
            services,
            connections,
        } => {
            if let Some(rows) = services {
                let rows = rows.iter().map(ServiceRow::to_json);
                step.insert("services".into(), rows.collect());
            }
            if let Some(rows) = connections {
                let rows = rows.iter().map(ConnectionRow::to_json);
                step.insert("conns".into(), rows.collect());
            }
        }
        Answer::Text(text) => {
            step.insert("text".into(), text.clone().into());
        }
        Answer::Done => {}
    }
}

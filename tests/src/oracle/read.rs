// SPDX-License-Identifier: Apache-2.0
//! Reading JSON by hand, so that every complaint names the value it is about.

use std::time::Duration;

use serde_json::Value;

/// Why a case file is not one.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// A value is not as the format says.
    #[error("malformed at {path}: {what}")]
    Shape {
        /// The way to it from the root, as `steps[3].out[0]`.
        path: String,
        /// What is wrong.
        what: String,
    },
    /// It is not JSON.
    #[error("malformed: {0}")]
    Syntax(#[from] serde_json::Error),
}

/// A value and the way to it.
#[derive(Debug, Clone)]
pub(super) struct At<'a> {
    value: &'a Value,
    path: String,
}

impl<'a> At<'a> {
    pub(super) fn root(value: &'a Value) -> Self {
        Self {
            value,
            path: String::new(),
        }
    }

    pub(super) fn error(&self, what: impl Into<String>) -> CaseError {
        let path = if self.path.is_empty() {
            "the top".into()
        } else {
            self.path.clone()
        };
        CaseError::Shape {
            path,
            what: what.into(),
        }
    }

    /// A field that may be missing or null.
    pub(super) fn get(&self, name: &str) -> Result<Option<Self>, CaseError> {
        let fields = self
            .value
            .as_object()
            .ok_or_else(|| self.error("not an object"))?;
        Ok(fields
            .get(name)
            .filter(|value| !value.is_null())
            .map(|value| self.below(name, value)))
    }

    pub(super) fn need(&self, name: &str) -> Result<Self, CaseError> {
        self.get(name)?
            .ok_or_else(|| self.error(format!("{name} is missing")))
    }

    pub(super) fn fields(
        &self,
    ) -> Result<impl Iterator<Item = (&'a String, Self)> + use<'a, '_>, CaseError> {
        let fields = self
            .value
            .as_object()
            .ok_or_else(|| self.error("not an object"))?;
        Ok(fields
            .iter()
            .map(|(name, value)| (name, self.below(name, value))))
    }

    pub(super) fn list<T>(
        &self,
        read: impl Fn(Self) -> Result<T, CaseError>,
    ) -> Result<Vec<T>, CaseError> {
        self.items()?.into_iter().map(read).collect()
    }

    pub(super) fn array<const N: usize>(&self) -> Result<[Self; N], CaseError> {
        self.items()?
            .try_into()
            .map_err(|_| self.error(format!("not a list of {N} values")))
    }

    fn items(&self) -> Result<Vec<Self>, CaseError> {
        let items = self
            .value
            .as_array()
            .ok_or_else(|| self.error("not a list"))?;
        Ok(items
            .iter()
            .enumerate()
            .map(|(place, value)| Self {
                value,
                path: format!("{}[{place}]", self.path),
            })
            .collect())
    }

    pub(super) fn text(&self) -> Result<String, CaseError> {
        self.value
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| self.error("not a text"))
    }

    /// A text or a number, as text.
    pub(super) fn scalar(&self) -> Result<String, CaseError> {
        match self.value {
            Value::Number(number) => Ok(number.to_string()),
            Value::Bool(value) => Ok(u8::from(*value).to_string()),
            Value::String(text) => Ok(text.clone()),
            Value::Null | Value::Array(_) | Value::Object(_) => {
                Err(self.error("neither a number nor a text"))
            }
        }
    }

    pub(super) fn number(&self) -> Result<u64, CaseError> {
        self.value
            .as_u64()
            .ok_or_else(|| self.error("not a whole number"))
    }

    pub(super) fn signed(&self) -> Result<i64, CaseError> {
        self.value
            .as_i64()
            .ok_or_else(|| self.error("not a whole number"))
    }

    pub(super) fn index(&self) -> Result<usize, CaseError> {
        usize::try_from(self.number()?).map_err(|_| self.error("too large"))
    }

    pub(super) fn seconds(&self) -> Result<Duration, CaseError> {
        self.value
            .as_f64()
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .filter(|time| *time <= LONGEST_SLEEP)
            .ok_or_else(|| self.error("not a number of seconds, or more than a week"))
    }

    fn below(&self, name: &str, value: &'a Value) -> Self {
        let path = if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        };
        Self { value, path }
    }
}

/// A replay goes through it in steps of a tenth of a second.
const LONGEST_SLEEP: Duration = Duration::from_secs(7 * 24 * 3600);

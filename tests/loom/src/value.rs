// SPDX-License-Identifier: Apache-2.0
//! What the models publish: a value that knows when it is read after it was freed.
#![allow(unsafe_code, reason = "loom's cell checks what the type system cannot")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use loom::cell::UnsafeCell;

/// What a look at a value that is gone fails with.
pub(crate) const FREED: &str = "read after it was freed";

/// Outlives its value.
#[derive(Debug)]
pub(crate) struct Token {
    /// Reading is a read of it, making and freeing are writes: loom refuses those that are not
    /// ordered.
    cell: UnsafeCell<()>,
    freed: AtomicBool,
}

// SAFETY: all that loom's cell holds is a place in loom's books; loom runs one thread at a time.
unsafe impl Sync for Token {}
// SAFETY: as above.
unsafe impl Send for Token {}

impl Token {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            cell: UnsafeCell::new(()),
            freed: AtomicBool::new(false),
        })
    }

    pub(crate) fn is_freed(&self) -> bool {
        self.freed.load(Ordering::SeqCst)
    }
}

/// The number under which it is published, and its token.
#[derive(Debug)]
pub(crate) struct Value {
    pub(crate) number: u64,
    /// A raw pointer would do: the model keeps all tokens until its end.
    token: *const Token,
}

// SAFETY: the token is `Sync`, and outlives the value.
unsafe impl Sync for Value {}
// SAFETY: as above.
unsafe impl Send for Value {}

impl Value {
    pub(crate) fn new(number: u64, token: &Arc<Token>) -> Self {
        // What a reader must find written.
        token.cell.with_mut(|_| ());
        Self {
            number,
            token: Arc::as_ptr(token),
        }
    }

    fn token(&self) -> &Token {
        // SAFETY: the model that made this value keeps its token.
        unsafe { &*self.token }
    }

    /// A reader's look.
    pub(crate) fn look(&self) {
        self.token()
            .cell
            .with(|_| assert!(!self.token().is_freed(), "{FREED}"));
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let token = self.token();
        token.cell.with_mut(|_| {
            assert!(!token.freed.swap(true, Ordering::SeqCst), "freed twice");
        });
    }
}

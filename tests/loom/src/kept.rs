// SPDX-License-Identifier: Apache-2.0
//! A box whose content is dropped in time and whose memory never goes: a broken copy that reads
//! what it freed is caught by the model and not by the allocator.
#![allow(unsafe_code, reason = "stands in for the standard library's Box")]

use std::ops::Deref;
use std::ptr;

/// Takes the place of [`std::boxed::Box`] in the broken copies.
#[derive(Debug)]
pub struct Box<T>(*mut T);

impl<T> Box<T> {
    /// Boxes a value.
    pub fn new(value: T) -> Self {
        Self(std::boxed::Box::into_raw(std::boxed::Box::new(value)))
    }

    /// Gives up the ownership.
    pub fn into_raw(this: Self) -> *mut T {
        std::mem::ManuallyDrop::new(this).0
    }

    /// Takes it back.
    ///
    /// # Safety
    /// `raw` comes from [`Self::into_raw`] and nobody else owns it.
    pub unsafe fn from_raw(raw: *mut T) -> Self {
        Self(raw)
    }
}

impl<T> Deref for Box<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: made by `new`, and its memory is never given back.
        unsafe { &*self.0 }
    }
}

impl<T> Drop for Box<T> {
    fn drop(&mut self) {
        // SAFETY: made by `new`, and owned by this value alone.
        unsafe { ptr::drop_in_place(self.0) };
    }
}

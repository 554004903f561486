// SPDX-License-Identifier: Apache-2.0
//! Constructed messages, no kernel.

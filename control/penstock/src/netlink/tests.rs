// SPDX-License-Identifier: Apache-2.0
//! Against the real kernel.

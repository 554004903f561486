// SPDX-License-Identifier: Apache-2.0
//! (module to be written)

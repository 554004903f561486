// SPDX-License-Identifier: Apache-2.0
//! The fields of an mbuf, read and written in place.
//!
//! Their offsets come from the C compiler (`PS_MBUF_*`): DPDK releases nest the fields differently
//! in anonymous structs, and bindgen's names follow.

use std::ptr::NonNull;

use dpdk_sys::rte_mbuf;

/// One field: where it lies and what it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field<T> {
    offset: usize,
    kind: std::marker::PhantomData<T>,
}

impl<T: Copy> Field<T> {
    const fn at(offset: usize) -> Self {
        assert!(offset + size_of::<T>() <= size_of::<rte_mbuf>());
        assert!(offset.is_multiple_of(align_of::<T>()));
        Self {
            offset,
            kind: std::marker::PhantomData,
        }
    }

    /// The field's value.
    ///
    /// # Safety
    /// `mbuf` points to an mbuf that nothing writes meanwhile.
    #[inline]
    pub(crate) unsafe fn get(self, mbuf: NonNull<rte_mbuf>) -> T {
        // SAFETY: `at` checked that the field lies inside the mbuf.
        let field = unsafe { mbuf.cast::<u8>().add(self.offset) };
        // SAFETY: a field of this type, aligned (checked by `at`), inside a live mbuf.
        unsafe { field.cast::<T>().read() }
    }

    /// Writes the field.
    ///
    /// # Safety
    /// `mbuf` points to an mbuf that nothing else reads or writes meanwhile, and the value keeps it
    /// one that DPDK can use.
    #[inline]
    pub(crate) unsafe fn set(self, mbuf: NonNull<rte_mbuf>, value: T) {
        // SAFETY: `at` checked that the field lies inside the mbuf.
        let field = unsafe { mbuf.cast::<u8>().add(self.offset) };
        // SAFETY: a field of this type, aligned (checked by `at`), inside a live mbuf.
        unsafe { field.cast::<T>().write(value) }
    }
}

pub(crate) const BUF_ADDR: Field<*mut u8> = Field::at(dpdk_sys::PS_MBUF_BUF_ADDR);
pub(crate) const BUF_LEN: Field<u16> = Field::at(dpdk_sys::PS_MBUF_BUF_LEN);
pub(crate) const DATA_LEN: Field<u16> = Field::at(dpdk_sys::PS_MBUF_DATA_LEN);
pub(crate) const DATA_OFF: Field<u16> = Field::at(dpdk_sys::PS_MBUF_DATA_OFF);
pub(crate) const NB_SEGS: Field<u16> = Field::at(dpdk_sys::PS_MBUF_NB_SEGS);
pub(crate) const NEXT: Field<*mut rte_mbuf> = Field::at(dpdk_sys::PS_MBUF_NEXT);
pub(crate) const OL_FLAGS: Field<u64> = Field::at(dpdk_sys::PS_MBUF_OL_FLAGS);
pub(crate) const PKT_LEN: Field<u32> = Field::at(dpdk_sys::PS_MBUF_PKT_LEN);
pub(crate) const PORT: Field<u16> = Field::at(dpdk_sys::PS_MBUF_PORT);
/// All of `hash`, of which the RSS hash is the first half.
pub(crate) const TAG: Field<[u32; 2]> = Field::at(dpdk_sys::PS_MBUF_RSS_HASH);
pub(crate) const RSS_HASH: Field<u32> = Field::at(dpdk_sys::PS_MBUF_RSS_HASH);
pub(crate) const VLAN_TCI: Field<u16> = Field::at(dpdk_sys::PS_MBUF_VLAN_TCI);

// SPDX-License-Identifier: Apache-2.0
//! Several devices as one port: DPDK's bonding driver (decision 0017).
//!
//! The bonded port configures, starts and stops its members; they are given to it attached, and go
//! with it.

use std::ffi::CString;
use std::sync::PoisonError;

use super::attach::ATTACHED;
use super::device::{Device, Link, MacAddress};
use super::{DriverCall, Port, PortError};
use crate::eal::Eal;
use crate::errno::{Errno, check};

/// Members of a bonded port at most: LACP's usual eight.
pub const BOND_MEMBERS_MAX: usize = 8;

/// How a bonded port uses its members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BondMode {
    /// One sends; another takes over when its link goes down.
    ActiveBackup,
    /// LACP (IEEE 802.1AX, once 802.3ad): flows are spread over the members that the switch agrees
    /// on. Frames of the protocol leave when a queue is filled or [kept
    /// up](crate::TxQueue::keep_up), which has to be at least every 100 ms.
    Lacp,
}

impl BondMode {
    /// As DPDK has it.
    const fn number(self) -> u8 {
        match self {
            Self::ActiveBackup => dpdk_sys::PS_BOND_ACTIVE_BACKUP,
            Self::Lacp => dpdk_sys::PS_BOND_8023AD,
        }
    }
}

/// A member of a bonded port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The device's name.
    pub name: String,
    /// Whether it has link, as far as its driver or the kernel tells.
    pub up: bool,
    /// Whether packets leave by it.
    pub active: bool,
    /// The switch that answered by LACP.
    pub partner: Option<MacAddress>,
}

impl Port {
    /// Makes one port of several attached ones. `name` begins with `net_bonding` and is unique.
    ///
    /// # Errors
    /// [`PortError`]; the members are detached then.
    pub fn bond(
        eal: Eal,
        name: &str,
        mode: BondMode,
        members: Vec<Self>,
    ) -> Result<Self, PortError> {
        let mut bonded = Self::make_bond(eal, name, mode)?;
        for member in members {
            let (id, other) = (bonded.device.id(), member.device.id());
            // SAFETY: two attached ports of this process, neither of them started.
            let code = unsafe { dpdk_sys::ps_rte_eth_bond_member_add(id, other) };
            if code != 0 {
                return Err(PortError::Member {
                    port: bonded.device.name().to_owned(),
                    member: member.device.name().to_owned(),
                    errno: Errno::from_code(code),
                });
            }
            bonded.device.adopt_member(member.device);
        }
        bonded.device.set_bond_mode(mode);
        Ok(bonded)
    }

    /// A bonded port without members. Not from a device string: that wants them in its arguments,
    /// and adds them only when it is configured.
    fn make_bond(_eal: Eal, name: &str, mode: BondMode) -> Result<Self, PortError> {
        let text = CString::new(name).map_err(|_| PortError::Nul(name.to_owned()))?;
        let mut attached = ATTACHED.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: EAL runs; the string is NUL-terminated and copied by the callee.
        let code = unsafe { dpdk_sys::rte_eth_bond_create(text.as_ptr(), mode.number(), 0) };
        let id = check(code).map_err(|errno| PortError::Probe {
            device: name.to_owned(),
            errno,
        })?;
        let id = u16::try_from(id).unwrap_or(u16::MAX);
        attached.push(id);
        drop(attached);
        let device = Device::adopt(id, name.to_owned())?;
        if mode == BondMode::Lacp {
            // By addresses and ports: by MAC alone, all flows of a router would take one member.
            let policy = dpdk_sys::PS_BOND_BY_ADDRESS_AND_PORT;
            // SAFETY: a bonded port of this process.
            let code = unsafe { dpdk_sys::rte_eth_bond_xmit_policy_set(id, policy) };
            device.done(DriverCall::Configure, code)?;
        }
        Ok(Self { device })
    }
}

impl Device {
    /// The members of a bonded port, in the order given; empty for any other.
    #[must_use]
    pub fn members(&self) -> Vec<Member> {
        let Some(mode) = self.bond_mode() else {
            return Vec::new();
        };
        let active = self.active_member();
        let members = self.member_devices().iter().map(|member| {
            let up = member.link().is_some_and(|link| link.up);
            let (distributes, partner) = match mode {
                BondMode::ActiveBackup => (Some(member.id()) == active, None),
                BondMode::Lacp => self.lacp_state(member.id()),
            };
            Member {
                name: member.name().to_owned(),
                up,
                active: up && distributes,
                partner,
            }
        });
        members.collect()
    }

    /// In active-backup mode: has another member send, the first that has link, if the one that
    /// sends has none. Drivers that tell of a lost link make DPDK do so itself; software ports do
    /// not. Returns the new one's name.
    ///
    /// # Errors
    /// [`PortError::Driver`].
    pub fn fail_over(&self) -> Result<Option<String>, PortError> {
        if self.bond_mode() != Some(BondMode::ActiveBackup) {
            return Ok(None);
        }
        let has_link = |member: &&Self| member.link().is_some_and(|link: Link| link.up);
        let active = self.active_member();
        let members = self.member_devices();
        let working = members
            .iter()
            .any(|member| Some(member.id()) == active && has_link(&member));
        let Some(next) = members.iter().find(has_link).filter(|_| !working) else {
            return Ok(None);
        };
        let _one = self.lock();
        // SAFETY: a bonded port and a member of it.
        let code = unsafe { dpdk_sys::rte_eth_bond_primary_set(self.id(), next.id()) };
        self.done(DriverCall::ActiveMember, code)?;
        Ok(Some(next.name().to_owned()))
    }

    /// DPDK's number of the member that sends.
    fn active_member(&self) -> Option<u16> {
        // SAFETY: a bonded port.
        u16::try_from(unsafe { dpdk_sys::rte_eth_bond_primary_get(self.id()) }).ok()
    }

    /// Whether a member distributes, and its partner.
    fn lacp_state(&self, member: u16) -> (bool, Option<MacAddress>) {
        let mut state = 0;
        let mut partner = dpdk_sys::rte_ether_addr { addr_bytes: [0; 6] };
        // SAFETY: a bonded port and a member of it, and two places to write.
        let code = unsafe {
            dpdk_sys::ps_rte_eth_bond_8023ad_member_info(
                self.id(),
                member,
                &raw mut state,
                &raw mut partner,
            )
        };
        let heard = code == 0 && partner.addr_bytes != [0; 6];
        let distributes = code == 0 && state & dpdk_sys::PS_LACP_DISTRIBUTING != 0;
        // A partner of defaults is none.
        let known = heard && state & dpdk_sys::PS_LACP_DEFAULTED == 0;
        (distributes, known.then_some(MacAddress(partner.addr_bytes)))
    }
}

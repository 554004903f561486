// SPDX-License-Identifier: Apache-2.0
//! The master copy: every change goes through here, one at a time, in order.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::classifier::Classifier;
use crate::fib::{Fib, FibBuilder, Hasher};
use crate::ids::{LocalId, REALS_MAX, RealId, SERVICES_MAX, ServiceId};
use crate::local::{LocalError, LocalPools, PoolSpec, SnatRule};
use crate::op::{Op, OpError};
use crate::sched::table::{MH_SIZE, SchedTable};
use crate::sched::{SchedChange, SchedStart, WrrMark, gcd};
use crate::service::{
    ForwardMode, RealKey, RealServer, RealSpec, RealState, SchedulerKind, ServiceKey, ServiceSpec,
    Thresholds, VirtualService, Weight,
};
use crate::snapshot::{
    Interfaces, ServiceSet, Snapshot, Spread, TCP_ESTABLISHED, TCP_FIN_WAIT, Timeouts, Tunables,
};

mod slots;

use slots::Register;

/// Holds the running configuration and makes snapshots of it.
#[derive(Debug)]
pub struct Ledger {
    set: ServiceSet,
    register: Register,
    generation: u64,
    published: Arc<ServiceSet>,
    touched: bool,
    /// For each service slot and epoch, the generation that first carried it.
    carried: Vec<(u64, ServiceId, u64)>,
    hasher: Hasher,
    classifier: Arc<Classifier>,
    fib: Arc<Fib>,
    interfaces: Arc<Interfaces>,
    timeouts: Arc<Timeouts>,
    tunables: Arc<Tunables>,
    locals: Arc<LocalPools>,
    spread: Arc<Spread>,
}

impl Ledger {
    /// An empty director; `hasher` is seeded at boot.
    #[must_use]
    pub fn new(hasher: Hasher) -> Self {
        Self {
            published: Arc::new(ServiceSet::new(hasher.clone())),
            fib: Arc::new(FibBuilder::new(hasher.clone()).build(1)),
            set: ServiceSet::new(hasher.clone()),
            register: Register::new(&hasher),
            locals: Arc::new(LocalPools::new(hasher.clone())),
            hasher,
            classifier: Arc::new(Classifier::default()),
            generation: 0,
            touched: false,
            carried: Vec::new(),
            interfaces: Arc::new(Interfaces::default()),
            timeouts: Arc::new(Timeouts::default()),
            tunables: Arc::new(Tunables::default()),
            spread: Arc::new(Spread::Single),
        }
    }

    /// Replaces the mirror of routes and neighbours.
    pub fn set_fib(&mut self, fib: Fib) {
        self.fib = Arc::new(fib);
    }

    /// Replaces the rules that give packets a mark.
    pub fn set_classifier(&mut self, classifier: Classifier) {
        self.classifier = Arc::new(classifier);
    }

    /// Replaces the interfaces.
    pub fn set_interfaces(&mut self, interfaces: Interfaces) {
        self.interfaces = Arc::new(interfaces);
    }

    /// Replaces the switches.
    pub fn set_tunables(&mut self, tunables: Tunables) {
        self.tunables = Arc::new(tunables);
    }

    /// Replaces the pools of local addresses and the rules of the SNAT gateway. Addresses that are
    /// in no pool any more keep their flows, until [`Self::release_local`].
    ///
    /// # Errors
    /// [`LocalError`]; nothing has changed then.
    pub fn set_locals(&mut self, pools: &[PoolSpec], rules: &[SnatRule]) -> Result<(), LocalError> {
        Arc::make_mut(&mut self.locals).replace(pools, rules)
    }

    /// Frees the slot of a removed local address whose last flow has ended in every worker. Returns
    /// whether anything changed. The caller has made sure that every worker read a snapshot in
    /// which the address took no new flow.
    pub fn release_local(&mut self, id: LocalId) -> bool {
        Arc::make_mut(&mut self.locals).release(id)
    }

    /// Local addresses as they are now, published or not.
    #[must_use]
    pub fn locals(&self) -> &LocalPools {
        &self.locals
    }

    /// Replaces the way packets are spread over workers.
    pub fn set_spread(&mut self, spread: Spread) {
        self.spread = Arc::new(spread);
    }

    /// Services and servers as they are now, published or not.
    #[must_use]
    pub const fn services(&self) -> &ServiceSet {
        &self.set
    }

    /// The timeouts as they are now.
    #[must_use]
    pub fn timeouts(&self) -> &Timeouts {
        &self.timeouts
    }

    /// The generation of the last snapshot.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// Makes one change.
    ///
    /// # Errors
    /// [`OpError`]; nothing has changed then.
    pub fn apply(&mut self, op: &Op) -> Result<(), OpError> {
        match op {
            Op::AddService { key, spec } => self.add_service(*key, spec),
            Op::EditService { key, spec } => self.edit_service(*key, spec),
            Op::DeleteService { key } => self.delete_service(*key),
            Op::AddReal {
                service,
                real,
                spec,
            } => self.add_real(*service, *real, *spec),
            Op::EditReal {
                service,
                real,
                spec,
            } => self.edit_real(*service, *real, *spec),
            Op::DeleteReal { service, real } => self.delete_real(*service, *real),
            Op::DrainReal { service, real } => self.drain_real(*service, *real),
            Op::SetTimeouts {
                tcp_s,
                tcp_fin_s,
                udp_s,
            } => {
                self.set_timeouts(*tcp_s, *tcp_fin_s, *udp_s);
                Ok(())
            }
        }
    }

    /// Makes all changes or none.
    ///
    /// # Errors
    /// The first [`OpError`]; nothing has changed then.
    pub fn apply_all(&mut self, ops: &[Op]) -> Result<(), OpError> {
        let before = (
            self.set.clone(),
            self.register.clone(),
            Arc::clone(&self.timeouts),
        );
        for op in ops {
            if let Err(error) = self.apply(op) {
                (self.set, self.register, self.timeouts) = before;
                return Err(error);
            }
        }
        Ok(())
    }

    /// The next snapshot. The caller publishes it, and tells
    /// [`acknowledged`](Self::acknowledged) when every worker has passed it.
    pub fn snapshot(&mut self) -> Snapshot {
        self.generation = self.generation.saturating_add(1);
        if self.touched {
            self.touched = false;
            self.set.index(&self.hasher);
            self.fill_tables();
            self.published = Arc::new(self.set.clone());
            for service in self.set.services.iter().flatten() {
                if let Some(last) = service.changes.last() {
                    self.carried.push((self.generation, service.id, last.epoch));
                }
            }
        }
        Snapshot {
            generation: self.generation,
            services: Arc::clone(&self.published),
            classifier: Arc::clone(&self.classifier),
            fib: Arc::clone(&self.fib),
            interfaces: Arc::clone(&self.interfaces),
            timeouts: Arc::clone(&self.timeouts),
            tunables: Arc::clone(&self.tunables),
            locals: Arc::clone(&self.locals),
            spread: Arc::clone(&self.spread),
        }
    }

    /// Every worker has read a snapshot of at least this generation: the changes it carried need
    /// not be carried further.
    pub fn acknowledged(&mut self, generation: u64) {
        let mut seen: Vec<(ServiceId, u64)> = Vec::new();
        self.carried.retain(|(carried_by, service, epoch)| {
            let done = *carried_by <= generation;
            if done {
                seen.push((*service, *epoch));
            }
            !done
        });
        for (id, epoch) in seen {
            if let Some(Some(service)) = self.set.services.get_mut(id.index())
                && service
                    .changes
                    .first()
                    .is_some_and(|change| change.epoch <= epoch)
            {
                Arc::make_mut(service)
                    .changes
                    .retain(|change| change.epoch > epoch);
                self.touched = true;
            }
        }
    }

    /// Frees the slot of a deleted or draining server whose last flow has ended in every worker,
    /// and that of its service if that is deleted and has no server slot left. Returns whether
    /// anything changed. The caller has made sure that every worker read a snapshot in which the
    /// server took no new connection.
    pub fn release_real(&mut self, id: RealId) -> bool {
        let Some(real) = self.set.real(id) else {
            return false;
        };
        let (service, key) = (real.service, real.key);
        match real.state {
            RealState::Live => return false,
            RealState::Draining => self.unlink(service, id),
            RealState::Deleted => {}
        }
        if let Some(slot) = self.set.reals.get_mut(id.index()) {
            *slot = None;
        }
        self.register.leave(service, key, id);
        if self.register.is_empty(service)
            && let Some(slot) = self.set.services.get_mut(service.index())
            && let Some(orphan) = slot.take_if(|service| service.deleted)
        {
            self.register.forget(&orphan.key, service);
        }
        self.touched = true;
        true
    }

    fn add_service(&mut self, key: ServiceKey, spec: &ServiceSpec) -> Result<(), OpError> {
        if self.set.find(&key).is_some() {
            return Err(OpError::ServiceExists(key));
        }
        // One that is added again is another one, whose counters start at zero, and those of its
        // servers with them (`__ip_vs_update_dest`: `ip_vs_zero_stats` if the service is new);
        // only the flows live on.
        let id = match self.register.revive(&key) {
            Some(id) => id,
            None => self.free_service_slot()?,
        };
        let epoch = self.register.next_epoch(id);
        let generation = self.register.services.generation(id.0);
        self.register.set_weights(id, Some((0, 0)));
        let service = VirtualService {
            id,
            generation,
            key,
            spec: spec.clone(),
            deleted: false,
            reals: Vec::new(),
            bound: epoch,
            start: SchedStart {
                epoch,
                wrr: WrrMark::EMPTY,
            },
            changes: Vec::new(),
            table: None,
            has_limits: false,
            table_epoch: 0,
        };
        if let Some(slot) = self.set.services.get_mut(id.index()) {
            *slot = Some(Arc::new(service));
        }
        self.set.by_key.insert(key, id);
        self.touched = true;
        Ok(())
    }

    fn edit_service(&mut self, key: ServiceKey, spec: &ServiceSpec) -> Result<(), OpError> {
        let service = self.set.find(&key).ok_or(OpError::ServiceUnknown(key))?;
        let id = service.id;
        let rebind = service.spec.scheduler != spec.scheduler;
        if spec.scheduler == SchedulerKind::Mh && service.reals.len() > MH_SIZE as usize {
            let max = MH_SIZE as usize;
            return Err(OpError::TooManyInTable { service: key, max });
        }
        let (mw, di) = self.wrr_figures(id);
        let epoch = if rebind {
            self.register.next_epoch(id)
        } else {
            0
        };
        if let Some(service) = self.service_mut(id) {
            service.spec = spec.clone();
            if rebind {
                // ip_vs_wrr_init_svc: cw starts at mw.
                service.bound = epoch;
                service.start = SchedStart {
                    epoch,
                    wrr: WrrMark { cw: mw, mw, di },
                };
                service.changes.clear();
            }
        }
        self.touched = true;
        Ok(())
    }

    fn delete_service(&mut self, key: ServiceKey) -> Result<(), OpError> {
        let id = self.set.find(&key).ok_or(OpError::ServiceUnknown(key))?.id;
        self.set.by_key.remove(&key);
        self.set.deletions = self.set.deletions.wrapping_add(1);
        let mut list = Vec::new();
        if let Some(service) = self.service_mut(id) {
            service.deleted = true;
            list = core::mem::take(&mut service.reals);
            service.changes.clear();
        }
        for real in list {
            if let Some(Some(real)) = self.set.reals.get_mut(real.index()) {
                real.state = RealState::Deleted;
            }
        }
        if !self.register.is_empty(id) {
            self.register.bury(key, id);
        } else if let Some(slot) = self.set.services.get_mut(id.index()) {
            *slot = None;
            self.register.forget(&key, id);
        }
        self.touched = true;
        Ok(())
    }

    fn add_real(
        &mut self,
        service: ServiceKey,
        real: RealKey,
        spec: RealSpec,
    ) -> Result<(), OpError> {
        let id = self
            .set
            .find(&service)
            .ok_or(OpError::ServiceUnknown(service))?
            .id;
        if !may_serve(service, real, spec.mode) {
            return Err(OpError::FamilyMismatch { service, real });
        }
        check_thresholds(service, real, spec)?;
        self.check_table(id, service)?;
        let known = self
            .find_real(id, real)
            .map(|known| (known.id, known.state));
        match known {
            Some((_, RealState::Live)) => return Err(OpError::RealExists { service, real }),
            Some((slot, RealState::Draining)) => {
                // Still in the list, in its old place: as an edit.
                self.edit_slot(slot, spec, true);
                self.changed(id, None);
            }
            Some((slot, RealState::Deleted)) => {
                self.edit_slot(slot, spec, true);
                self.link(id, slot);
            }
            None => {
                let slot = self.free_real_slot()?;
                let generation = self.register.reals.generation(slot.0);
                self.register.enter(id, real, slot);
                if let Some(place) = self.set.reals.get_mut(slot.index()) {
                    *place = Some(RealServer {
                        id: slot,
                        generation,
                        service: id,
                        key: real,
                        spec,
                        state: RealState::Live,
                        last_weight: spec.weight,
                        reprieves: 0,
                        own_timeouts: false,
                        keeps_port: false,
                    });
                }
                self.link(id, slot);
            }
        }
        self.touched = true;
        Ok(())
    }

    fn edit_real(
        &mut self,
        service: ServiceKey,
        real: RealKey,
        spec: RealSpec,
    ) -> Result<(), OpError> {
        let (id, slot) = self.listed(service, real)?;
        if !may_serve(service, real, spec.mode) {
            return Err(OpError::FamilyMismatch { service, real });
        }
        check_thresholds(service, real, spec)?;
        self.edit_slot(slot, spec, false);
        self.changed(id, None);
        self.touched = true;
        Ok(())
    }

    fn delete_real(&mut self, service: ServiceKey, real: RealKey) -> Result<(), OpError> {
        let (id, slot) = self.listed(service, real)?;
        self.unlink(id, slot);
        if let Some(Some(server)) = self.set.reals.get_mut(slot.index()) {
            server.state = RealState::Deleted;
        }
        self.set.deletions = self.set.deletions.wrapping_add(1);
        self.touched = true;
        Ok(())
    }

    fn drain_real(&mut self, service: ServiceKey, real: RealKey) -> Result<(), OpError> {
        let (id, slot) = self.listed(service, real)?;
        if let Some(Some(server)) = self.set.reals.get_mut(slot.index()) {
            server.state = RealState::Draining;
            server.spec.weight = Weight::QUIESCED;
        }
        self.register.set_weights(id, None);
        self.changed(id, None);
        self.touched = true;
        Ok(())
    }

    /// Whether one more server fits into the table of its service's scheduler.
    fn check_table(&self, id: ServiceId, key: ServiceKey) -> Result<(), OpError> {
        let full = self.set.service(id).is_some_and(|service| {
            service.spec.scheduler == SchedulerKind::Mh && service.reals.len() >= MH_SIZE as usize
        });
        if full {
            let max = MH_SIZE as usize;
            return Err(OpError::TooManyInTable { service: key, max });
        }
        Ok(())
    }

    fn set_timeouts(&mut self, tcp_s: u32, tcp_fin_s: u32, udp_s: u32) {
        let timeouts = Arc::make_mut(&mut self.timeouts);
        let [_, established, _, _, fin_wait, ..] = &mut timeouts.tcp_ms;
        const {
            assert!(
                TCP_ESTABLISHED == 1 && TCP_FIN_WAIT == 4,
                "the pattern above"
            )
        };
        for (seconds, place) in [
            (tcp_s, established),
            (tcp_fin_s, fin_wait),
            (udp_s, &mut timeouts.udp_ms),
        ] {
            if seconds > 0 {
                *place = seconds.saturating_mul(1000);
            }
        }
    }

    fn find_real(&self, service: ServiceId, key: RealKey) -> Option<&RealServer> {
        self.set.real(self.register.real(service, key)?)
    }

    fn listed(&self, service: ServiceKey, real: RealKey) -> Result<(ServiceId, RealId), OpError> {
        let id = self
            .set
            .find(&service)
            .ok_or(OpError::ServiceUnknown(service))?
            .id;
        self.find_real(id, real)
            .filter(|known| known.state != RealState::Deleted)
            .map(|known| (id, known.id))
            .ok_or(OpError::RealUnknown { service, real })
    }

    fn service_mut(&mut self, id: ServiceId) -> Option<&mut VirtualService> {
        self.set
            .services
            .get_mut(id.index())?
            .as_mut()
            .map(Arc::make_mut)
    }

    /// Takes over what an operator set (`__ip_vs_update_dest`).
    fn edit_slot(&mut self, slot: RealId, spec: RealSpec, added: bool) {
        if let Some(Some(real)) = self.set.reals.get_mut(slot.index()) {
            // One that is out of the list counts when it joins.
            if real.state != RealState::Deleted {
                self.register.set_weights(real.service, None);
            }
            if added || spec.weight != Weight::QUIESCED {
                real.last_weight = spec.weight;
            }
            if spec.limits.upper == 0 || spec.limits.upper > real.spec.limits.upper {
                real.reprieves = real.reprieves.wrapping_add(1);
            }
            real.spec = spec;
            real.state = RealState::Live;
        }
    }

    /// Puts a server at the head of its service's list (`list_add_rcu`).
    fn link(&mut self, service: ServiceId, real: RealId) {
        if let Some(service) = self.service_mut(service) {
            service.reals.insert(0, real);
        }
        let weight = self.set.real(real).map_or(0, |real| real.spec.weight.get());
        self.register.joined(service, weight);
        self.changed(service, None);
    }

    fn unlink(&mut self, service: ServiceId, real: RealId) {
        let Some(owner) = self.service_mut(service) else {
            return;
        };
        let Some(place) = owner.reals.iter().position(|listed| *listed == real) else {
            return;
        };
        owner.reals.remove(place);
        let before = place
            .checked_sub(1)
            .and_then(|before| owner.reals.get(before))
            .copied();
        self.register.set_weights(service, None);
        self.changed(service, Some((real, before)));
    }

    /// Notes a change of the list for the workers' cursors.
    fn changed(&mut self, id: ServiceId, removed: Option<(RealId, Option<RealId>)>) {
        let (mw, di) = self.wrr_figures(id);
        let epoch = self.register.next_epoch(id);
        if let Some(service) = self.service_mut(id) {
            service.start.epoch = epoch;
            service.start.wrr.change(mw, di);
            service.changes.push(SchedChange {
                epoch,
                mw,
                di,
                removed,
            });
        }
    }

    /// `mw` and `di` of a service's list (`ip_vs_wrr_max_weight`, `ip_vs_wrr_gcd_weight`).
    fn wrr_figures(&mut self, id: ServiceId) -> (u32, u32) {
        let (max, divisor) = self.register.weights(id).unwrap_or_else(|| {
            let list = self
                .set
                .service(id)
                .map_or(&[][..], |service| &service.reals);
            let weights = list
                .iter()
                .filter_map(|real| self.set.real(*real))
                .map(|real| real.spec.weight.get());
            weights.fold((0, 0), |(max, divisor), w| (w.max(max), gcd(w, divisor)))
        });
        self.register.set_weights(id, Some((max, divisor)));
        let di = divisor.max(1);
        (max.saturating_sub(di.saturating_sub(1)), di)
    }

    fn free_service_slot(&mut self) -> Result<ServiceId, OpError> {
        let slot = self.register.services.take(SERVICES_MAX);
        let slot = slot.ok_or(OpError::TooManyServices { max: SERVICES_MAX })?;
        if self.set.services.len() <= slot as usize {
            self.set.services.push(None);
        }
        Ok(ServiceId(slot))
    }

    fn free_real_slot(&mut self) -> Result<RealId, OpError> {
        let slot = self.register.reals.take(REALS_MAX);
        let slot = slot.ok_or(OpError::TooManyReals { max: REALS_MAX })?;
        if self.set.reals.len() <= slot as usize {
            self.set.reals.push(None);
        }
        Ok(RealId(slot))
    }

    /// Fills the tables of hashing schedulers whose list has changed since (`*_dest_changed`);
    /// one that comes out as it was is shared on.
    fn fill_tables(&mut self) {
        let ServiceSet {
            services, reals, ..
        } = &mut self.set;
        for slot in services.iter_mut().flatten() {
            if slot.table_epoch == slot.start.epoch || slot.deleted {
                continue;
            }
            let list: Vec<&RealServer> = slot
                .reals
                .iter()
                .filter_map(|id| reals.get(id.index())?.as_ref())
                .collect();
            let table = SchedTable::build(slot.spec.scheduler, &list);
            let service = Arc::make_mut(slot);
            service.table_epoch = service.start.epoch;
            service.has_limits = list.iter().any(|real| real.spec.limits.upper != 0);
            if service.table.as_deref() != table.as_ref() {
                service.table = table.map(Arc::new);
            }
        }
    }
}

/// Whether a server's family fits its service: a tunnel carries either in either
/// (`ip_vs_new_dest`: "We only allow mixed families for tunnel"), and FullNAT translates.
fn may_serve(service: ServiceKey, real: RealKey, mode: ForwardMode) -> bool {
    matches!(mode, ForwardMode::Tun | ForwardMode::FullNat)
        || service.is_v4() == real.real_ip.is_v4()
}

fn check_thresholds(service: ServiceKey, real: RealKey, spec: RealSpec) -> Result<(), OpError> {
    let Thresholds { upper, lower } = spec.limits;
    if lower > upper {
        return Err(OpError::Thresholds {
            service,
            real,
            lower,
            upper,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests;

// SPDX-License-Identifier: Apache-2.0
//! What belongs to schedulers: their flags, thresholds of servers, how many servers there may be.

use model::sched::table::MH_SIZE;
use model::service::{SchedulerFlags, SchedulerKind, Thresholds};

use crate::diagnostic::{Code, Diagnostic};
use crate::findings::too_many;
use crate::read::Reader;
use crate::section::Section;

impl Reader<'_, '_> {
    /// `scheduler_flags`: each has to be one of the scheduler's.
    pub(super) fn scheduler_flags(
        &mut self,
        section: &Section<'_>,
        scheduler: Option<SchedulerKind>,
    ) -> Option<SchedulerFlags> {
        let mut flags = Some(SchedulerFlags::NONE);
        for item in section.texts(self.findings, "scheduler_flags") {
            let own = scheduler.map_or(&[][..], flags_of);
            if own.contains(&item.value) {
                let flag = SchedulerFlags::from_name(item.value);
                flags = flags.zip(flag).map(|(flags, flag)| flags.with(flag));
                continue;
            }
            flags = None;
            let Some(scheduler) = scheduler else { continue };
            let name = scheduler.name();
            let seen = self.seen(&item.place);
            let message = format!("{seen} is no flag of scheduler \"{name}\"");
            let allowed = if own.is_empty() {
                "none".to_owned()
            } else {
                let own: Vec<String> = own.iter().map(|flag| format!("\"{flag}\"")).collect();
                own.join(", ")
            };
            let help = if own.is_empty() {
                "leave scheduler_flags out; \"sh\" and \"mh\" have flags".to_owned()
            } else {
                format!("use one of {allowed}")
            };
            self.findings.add(
                Diagnostic::new(Code::SchedulerFlag, &item.place, message)
                    .seen(seen)
                    .allowed(allowed)
                    .help(help),
            );
        }
        flags
    }

    /// `connections_max` and `connections_min`.
    pub(super) fn thresholds(&mut self, section: &Section<'_>) -> Option<Thresholds> {
        let upper = section.integer(self.findings, "connections_max")?.value;
        let lower = section.integer(self.findings, "connections_min")?;
        if lower.value > upper {
            let seen = self.seen(&lower.place);
            let message = format!("connections_min {seen} is above connections_max {upper}");
            self.findings.add(
                Diagnostic::new(Code::Thresholds, &lower.place, message)
                    .seen(seen)
                    .allowed(format!("0 to {upper}"))
                    .help("set connections_max to the greater of the two"),
            );
            return None;
        }
        Some(Thresholds {
            upper,
            lower: lower.value,
        })
    }

    /// Whether a scheduler's table has room for so many servers.
    pub(super) fn check_table(
        &mut self,
        section: &Section<'_>,
        scheduler: Option<SchedulerKind>,
        servers: usize,
    ) {
        let max = MH_SIZE as usize;
        if scheduler == Some(SchedulerKind::Mh) && servers > max {
            let what = "servers of a service with scheduler = \"mh\"";
            too_many(self.findings, &section.place, what, max);
        }
    }
}

/// The flags that a scheduler knows.
const fn flags_of(scheduler: SchedulerKind) -> &'static [&'static str] {
    match scheduler {
        SchedulerKind::Sh => &["sh-port", "sh-fallback"],
        SchedulerKind::Mh => &["mh-port", "mh-fallback"],
        SchedulerKind::Rr
        | SchedulerKind::Wrr
        | SchedulerKind::Lc
        | SchedulerKind::Wlc
        | SchedulerKind::Sed
        | SchedulerKind::Nq
        | SchedulerKind::Lblc
        | SchedulerKind::Lblcr
        | SchedulerKind::Dh
        | SchedulerKind::Fo
        | SchedulerKind::Ovf
        | SchedulerKind::Twos
        | SchedulerKind::Conhash
        | SchedulerKind::Random => &[],
    }
}

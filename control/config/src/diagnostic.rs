// SPDX-License-Identifier: Apache-2.0
//! What is wrong with a file, and where.

use std::fmt;
use std::ops::Range;

/// Whether the file can be used all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// The file can be used, and probably does not do what was meant.
    Warning,
}

impl Severity {
    /// In lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// The kind of a diagnostic; its text never changes its meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// Every code there is.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// As printed, `PS` and four digits.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

codes! {
    /// Not TOML.
    Syntax = "PS0101",
    /// More than [`crate::FILE_BYTES_MAX`].
    FileTooLarge = "PS0102",
    /// A key that does not exist there.
    UnknownKey = "PS0103",
    /// A key that has to be there.
    MissingKey = "PS0104",
    /// A string where a number belongs, and the like.
    WrongType = "PS0105",
    /// A key that a later version will know.
    NotSupported = "PS0106",
    /// More services, servers, ports or addresses than there is room for.
    TooMany = "PS0107",
    /// A number outside its range.
    OutOfRange = "PS0201",
    /// A word that is not one of those allowed.
    NotOneOf = "PS0202",
    /// Not an address.
    BadAddress = "PS0203",
    /// An address that cannot be used for this.
    UnusableAddress = "PS0204",
    /// A name with characters or of a length that names must not have.
    BadName = "PS0205",
    /// Not a CPU list.
    BadCpuList = "PS0206",
    /// Not a DPDK device.
    BadDevice = "PS0207",
    /// Not an absolute path.
    BadPath = "PS0208",
    /// Not a port or a range of ports.
    BadPorts = "PS0209",
    /// Two services or two ports of one name.
    DuplicateName = "PS0301",
    /// Two services of one protocol, address and port.
    DuplicateService = "PS0302",
    /// One server twice in a service.
    DuplicateServer = "PS0303",
    /// One address on two interfaces.
    DuplicateAddress = "PS0304",
    /// One device in two ports.
    DuplicateDevice = "PS0305",
    /// One VLAN twice on a port.
    DuplicateVlan = "PS0306",
    /// A server of the other address family than its service.
    FamilyMismatch = "PS0307",
    /// Direct routing and tunnelling cannot change the port.
    DrPort = "PS0308",
    /// A server that is the service's own address.
    ServerIsVip = "PS0309",
    /// More queues than workers.
    QueuesWithoutWorker = "PS0310",
    /// An MTU that IPv6 does not allow.
    MtuBelowIpv6 = "PS0311",
    /// A VLAN whose packets its port cannot carry.
    VlanMtu = "PS0312",
    /// The name of a VLAN's kernel twin is taken or too long.
    VlanName = "PS0313",
    /// A bonded port without members, with too many, or with a device of its own.
    BondMembers = "PS0314",
    /// Options that a type of tunnel does not have, or lacks; or a tunnel that nobody uses.
    TunnelOptions = "PS0320",
    /// A tunnel to a server of a family that the director cannot send from.
    TunnelFamily = "PS0321",
    /// A flag that the scheduler does not have.
    SchedulerFlag = "PS0322",
    /// A lower threshold above the upper one.
    Thresholds = "PS0323",
    /// A segment size for a service that has no segments.
    MssWithoutTcp = "PS0330",
    /// Something for datagrams on a service that gets none.
    UdpOnly = "PS0331",
    /// Something for a TCP stream on a service that has none.
    TcpOnly = "PS0333",
    /// Something that has to see both directions, and a server that answers its client itself.
    NeedsBothWays = "PS0334",
    /// A helper for more than one address and port.
    HelperListen = "PS0335",
    /// The director as a server, by a method that would have to translate its answers.
    LocalServer = "PS0336",
    /// FullNAT without a pool of local addresses, or with one that there is not.
    LocalPool = "PS0350",
    /// A pool without an address of a server's family.
    LocalPoolFamily = "PS0351",
    /// A local address that is something else too.
    LocalAddress = "PS0352",
    /// An SNAT rule that can do nothing.
    SnatRule = "PS0353",
    /// A rule that no packet can fit.
    MarkFamily = "PS0332",
    /// A server id of the wrong length, or in a service that reads no connection ids.
    QuicServerId = "PS0340",
    /// A server id that names two servers.
    DuplicateQuicServerId = "PS0341",
    /// No `[[port]]`.
    NoPort = "PS0401",
    /// A service without servers.
    NoServer = "PS0402",
    /// A service whose servers are all quiesced.
    AllQuiesced = "PS0403",
    /// A service address in the subnet of no port.
    VipOffSubnet = "PS0404",
    /// The control side shares a CPU with a polling worker.
    CpuShared = "PS0405",
    /// A persistence engine that looks at nothing this service gets.
    EngineUnused = "PS0407",
    /// An interface address that is the address of its network.
    NetworkAddress = "PS0406",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether it forbids the use of the file.
    pub severity: Severity,
    /// Its kind.
    pub code: Code,
    /// What is wrong, in lower case, the object named.
    pub message: String,
    /// The key, from the top of the file: `service.web.server[2].weight`; ports and services by
    /// name where they have one, otherwise counted from 1. Empty for the file itself.
    pub key: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The place in the text, bytes.
    pub span: Range<usize>,
    /// The value seen, as written.
    pub seen: Option<String>,
    /// What is allowed there.
    pub allowed: Option<String>,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// Without line and column, which the collector fills in.
    pub(crate) fn new(code: Code, place: &Place, message: impl Into<String>) -> Self {
        let severity = if code < Code::NoPort {
            Severity::Error
        } else {
            Severity::Warning
        };
        Self {
            severity,
            code,
            message: message.into(),
            key: place.key.clone(),
            line: 0,
            column: 0,
            span: place.span.clone(),
            seen: None,
            allowed: None,
            help: None,
        }
    }

    pub(crate) fn seen(mut self, seen: impl Into<String>) -> Self {
        self.seen = Some(seen.into());
        self
    }

    pub(crate) fn allowed(mut self, allowed: impl Into<String>) -> Self {
        self.allowed = Some(allowed.into());
        self
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Where something stands in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) key: String,
    pub(crate) span: Range<usize>,
}

/// All that was found in one file, by place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// What was found, in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
    /// Errors beyond [`crate::DIAGNOSTICS_MAX`], counted and not kept.
    pub hidden_error_count: usize,
    /// Warnings beyond [`crate::DIAGNOSTICS_MAX`], counted and not kept.
    pub hidden_warning_count: usize,
}

impl Report {
    /// The errors.
    pub fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        self.of(Severity::Error)
    }

    /// The warnings.
    pub fn warnings(&self) -> impl Iterator<Item = &Diagnostic> {
        self.of(Severity::Warning)
    }

    /// Whether nothing was found.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.diagnostics.is_empty()
    }

    fn of(&self, severity: Severity) -> impl Iterator<Item = &Diagnostic> {
        self.diagnostics
            .iter()
            .filter(move |found| found.severity == severity)
    }
}

impl fmt::Display for Report {
    /// The counts; [`Report::render`] has the whole story.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errors = self.errors().count();
        let warnings = self.warnings().count();
        let mut comma = "";
        for (count, name) in [
            (errors.saturating_add(self.hidden_error_count), "error"),
            (
                warnings.saturating_add(self.hidden_warning_count),
                "warning",
            ),
        ] {
            if count > 0 {
                let plural = if count == 1 { "" } else { "s" };
                write!(f, "{comma}{count} {name}{plural}")?;
                comma = ", ";
            }
        }
        if comma.is_empty() {
            f.write_str("no errors")?;
        }
        Ok(())
    }
}

impl std::error::Error for Report {}

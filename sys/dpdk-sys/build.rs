// SPDX-License-Identifier: Apache-2.0
//! Finds DPDK, builds the shim, generates the bindings, and links DPDK and its drivers statically.
//!
//! Order of events: pkg-config (where is DPDK) -> meson + ninja (shim) -> bindgen (bindings.rs)
//! -> the driver archives (drivers.rs) -> link lines.
#![allow(
    clippy::disallowed_macros,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "how cargo is told"
)]

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Drivers and buses that nothing references by name: their constructors register them, so they
/// are linked whole. The list is the appliance's choice (decision 2 of the design); what they
/// depend on comes from pkg-config.
const DRIVERS: &[&str] = &[
    "bus_auxiliary",
    "bus_pci",
    "bus_vdev",
    "common_iavf",
    "common_mlx5",
    "mempool_ring",
    "mempool_stack",
    "net_af_packet",
    "net_af_xdp",
    "net_bond",
    "net_e1000",
    "net_ena",
    "net_i40e",
    "net_iavf",
    "net_ice",
    "net_igc",
    "net_ixgbe",
    "net_memif",
    "net_mlx5",
    "net_null",
    "net_pcap",
    "net_ring",
    "net_tap",
    "net_virtio",
    "net_vmxnet3",
];

/// Shared system libraries that the drivers and core libraries above call, each with the Debian
/// package that carries its link name. pkg-config's private list cannot be used: it names the
/// libraries of all drivers of the distribution, and systemd's through libpcap.
const SYSTEM_LIBRARIES: &[(&str, &str)] = &[
    ("pcap", "libpcap-dev"),
    ("ibverbs", "libibverbs-dev"),
    ("mlx5", "libibverbs-dev"),
    ("xdp", "libxdp-dev"),
    ("bpf", "libbpf-dev"),
    ("numa", "libnuma-dev"),
    ("bsd", "libbsd-dev"),
];

/// Functions and constants that `sys/dpdk` uses: the bindings hold these and the types they need.
const ALLOWED: &[&str] = &[
    "ps_.*",
    "PS_.*",
    "rte_dev_(name|probe|remove)",
    "rte_devargs_(parse|reset)",
    "rte_eal_(get_runtime_dir|has_hugepages|has_pci|init)",
    "rte_eth_(allmulticast|promiscuous)_(disable|enable|get)",
    "rte_eth_dev_(adjust_nb_rx_tx_desc|close|configure|info_get|socket_id|start|stop)",
    "rte_eth_dev_(default_mac_addr_set|mac_addr_add|mac_addr_remove)",
    "rte_eth_dev_(get_mtu|set_mtu|set_link_down|set_link_up)",
    "rte_eth_dev_rss_(hash_conf_get|hash_update|reta_query|reta_update)",
    "rte_eth_(find_next|link_get_nowait|macaddr_get|stats_get|xstats_get|xstats_get_names)",
    "rte_eth_(rx|tx)_queue_setup",
    "rte_eth_bond_(create|primary_get|primary_set|xmit_policy_set)",
    "rte_free|rte_zmalloc_socket",
    "rte_log_(get|set)_global_level",
    "rte_mbuf_best_mempool_ops",
    "rte_mempool_(avail_count|create_empty|free|obj_iter|populate_default|set_ops_byname)",
    "rte_pktmbuf_(free_bulk|init|pool_create|pool_init)",
    "rte_ring_(create|free)",
    "rte_thread_(register|unregister)",
    "rte_version",
];

/// Types that bindgen 0.72 cannot lay out (packed members with alignment of their own); penstock
/// passes none of them.
const OPAQUE: &[&str] = &["rte_arp_.*", "rte_l2tpv2.*", "rte_gtp_psc_.*"];

const PACKAGES: &str = "apt-get install libdpdk-dev libpcap-dev libclang-dev meson ninja-build \
                        pkg-config";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let text = error.to_string();
            let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
            println!("cargo::error={first}");
            eprintln!("{rest}");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<()> {
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let shim = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../meson-build");
    for file in [
        "meson.build",
        "shim/penstock_shim.c",
        "shim/penstock_shim.h",
    ] {
        println!("cargo:rerun-if-changed={}", shim.join(file).display());
    }
    println!("cargo:rerun-if-changed=build.rs");
    for variable in ["PKG_CONFIG_PATH", "PKG_CONFIG_LIBDIR"] {
        println!("cargo:rerun-if-env-changed={variable}");
    }

    let dpdk = Dpdk::find()?;
    build_shim(&shim, &out)?;
    generate_bindings(&shim, &dpdk, &out)?;
    generate_drivers(&dpdk, &out)?;
    link(&dpdk, &out)
}

/// What pkg-config says about the installed DPDK.
struct Dpdk {
    cflags: Vec<String>,
    libdir: PathBuf,
    /// `rte_eal`, … in pkg-config's order: users before the used.
    core: Vec<String>,
}

impl Dpdk {
    fn find() -> Result<Self> {
        pkg_config::Config::new()
            .atleast_version("22.11")
            .cargo_metadata(false)
            .probe("libdpdk")
            .map_err(|error| format!("DPDK 22.11 or later not found: {PACKAGES}\n{error}"))?;
        let libdir = PathBuf::from(pkg_config::get_variable("libdpdk", "libdir")?);
        let words = |option| -> Result<Vec<String>> {
            let output = run(
                Command::new("pkg-config").args([option, "libdpdk"]),
                "pkg-config",
            )?;
            Ok(output.split_whitespace().map(str::to_owned).collect())
        };
        let libs = words("--libs")?;
        let core: Vec<String> = libs
            .iter()
            .filter_map(|word| word.strip_prefix("-l"))
            .filter(|name| name.starts_with("rte_"))
            .map(str::to_owned)
            .collect();
        for name in core
            .iter()
            .cloned()
            .chain(DRIVERS.iter().map(|name| format!("rte_{name}")))
        {
            if !archive(&libdir, &name).is_file() {
                return Err(format!("lib{name}.a is missing (static DPDK): {PACKAGES}").into());
            }
        }
        Ok(Self {
            cflags: words("--cflags")?,
            libdir,
            core,
        })
    }
}

fn archive(libdir: &Path, name: &str) -> PathBuf {
    libdir.join(format!("lib{name}.a"))
}

/// Runs a build tool and returns its output; a missing tool is reported with its package.
fn run(command: &mut Command, package: &str) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .map_err(|error| format!("{name} does not start ({error}): apt-get install {package}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(format!("{name} failed ({}):\n{text}\n{errors}", output.status).into())
}

fn build_shim(shim: &Path, out: &Path) -> Result<()> {
    let build = out.join("meson");
    let mut setup = Command::new("meson");
    setup.arg("setup");
    if build.join("build.ninja").is_file() {
        setup.arg("--reconfigure");
    }
    run(setup.arg(&build).arg(shim), "meson")?;
    run(Command::new("ninja").arg("-C").arg(&build), "ninja-build")?;
    Ok(())
}

fn generate_bindings(shim: &Path, dpdk: &Dpdk, out: &Path) -> Result<()> {
    let mut builder = bindgen::Builder::default()
        .header(shim.join("shim/penstock_shim.h").to_string_lossy())
        .clang_args(&dpdk.cflags)
        .use_core()
        .derive_default(false)
        .generate_comments(false)
        .default_enum_style(bindgen::EnumVariation::Consts)
        .prepend_enum_name(false)
        .layout_tests(true);
    for name in ALLOWED {
        builder = builder.allowlist_function(name).allowlist_var(name);
    }
    for name in OPAQUE {
        builder = builder.opaque_type(name);
    }
    let bindings = builder.generate().map_err(|error| {
        format!("bindgen failed ({error}); does libclang exist? apt-get install libclang-dev")
    })?;
    bindings.write_to_file(out.join("bindings.rs"))?;
    Ok(())
}

/// Writes `drivers.rs`: a function over the `<name>_pmd_info` string of every driver. DPDK's build
/// puts one into each driver for `dpdk-pmdinfo`; because Rust names the symbol, a driver on
/// this list that were not linked would be a link error and not a wrong answer.
fn generate_drivers(dpdk: &Dpdk, out: &Path) -> Result<()> {
    let mut names = Vec::new();
    for driver in DRIVERS.iter().filter(|driver| driver.starts_with("net_")) {
        let bytes = fs::read(archive(&dpdk.libdir, &format!("rte_{driver}")))?;
        names.extend(driver_names(&bytes));
    }
    names.sort();
    let mut text = String::from("unsafe extern \"C\" {\n");
    for name in &names {
        writeln!(text, "    static {name}_pmd_info: core::ffi::c_char;")?;
    }
    text.push_str("}\n\n/// The NUL-terminated description of each linked driver.\n");
    writeln!(
        text,
        "pub fn driver_infos() -> [*const core::ffi::c_char; {}] {{",
        names.len()
    )?;
    text.push_str("    [\n");
    for name in &names {
        writeln!(text, "        &raw const {name}_pmd_info,")?;
    }
    text.push_str("    ]\n}\n");
    fs::write(out.join("drivers.rs"), text)?;
    Ok(())
}

/// The names in the `PMD_INFO_STRING= {"name": "net_null", …}` strings of an archive.
fn driver_names(archive: &[u8]) -> Vec<String> {
    const MARK: &[u8] = b"PMD_INFO_STRING= {\"name\": \"";
    archive
        .windows(MARK.len())
        .enumerate()
        .filter(|(_, window)| *window == MARK)
        .filter_map(|(at, _)| archive.get(at + MARK.len()..))
        .map(|rest| {
            rest.iter()
                .take_while(|byte| **byte != b'"')
                .map(|b| char::from(*b))
                .collect()
        })
        .collect()
}

/// Our own link lines: those of pkg-config's static mode arrive as link arguments, which cargo does
/// not pass on from a dependency, and half of DPDK would silently be the shared one.
fn link(dpdk: &Dpdk, out: &Path) -> Result<()> {
    println!(
        "cargo:rustc-link-search=native={}",
        out.join("meson").display()
    );
    println!("cargo:rustc-link-search=native={}", dpdk.libdir.display());
    println!("cargo:rustc-link-lib=static=penstock_shim");
    for name in DRIVERS {
        println!("cargo:rustc-link-lib=static:+whole-archive,-bundle=rte_{name}");
    }
    for name in &dpdk.core {
        println!("cargo:rustc-link-lib=static:-bundle={name}");
    }
    for (name, package) in SYSTEM_LIBRARIES {
        // The compiler answers with a path, or with the bare name when it finds none.
        let asked = format!("-print-file-name=lib{name}.so");
        let found = run(Command::new("cc").arg(asked), "gcc")?;
        if !Path::new(found.trim()).exists() {
            return Err(format!("lib{name}.so is missing: apt-get install {package}").into());
        }
        println!("cargo:rustc-link-lib=dylib={name}");
    }
    Ok(())
}

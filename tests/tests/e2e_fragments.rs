// SPDX-License-Identifier: Apache-2.0
//! Datagrams in pieces, and ICMP errors for sockets, on ports that hide neither (af_xdp: af_packet
//! puts IPv4 fragments together before anyone sees them).
#![forbid(unsafe_code)]

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use penstock_tests::lab::{
    Decapsulator, DirectorConfig, Family, Lab, LabError, LabResult, Look, RawSocket, Topology,
    UdpEcho, UdpLoad, addr, ensure_equal, skipped, wait_for,
};
use penstock_tests::scene::{Scene, ServiceText, clients, note};
use wire::builder::Frame;
use wire::ethernet::MacAddress;

/// Where the echo servers listen.
const ECHO: u16 = 7;
const BOUND: Duration = Duration::from_secs(20);
/// How long a datagram may take to arrive (`engine::fragments::WAIT_MAX`), with some patience.
const EXPIRY_BOUND: Duration = Duration::from_secs(60);

/// Ports that deliver what is on the wire.
fn on_af_xdp(config: &mut DirectorConfig) {
    for (number, port) in (0..).zip(&mut config.ports) {
        port.device = format!("net_af_xdp{number},iface=e{number},busy_budget=0");
    }
}

fn scene(services: &[ServiceText]) -> LabResult<Scene> {
    let mut scene = Scene::new(Topology::default(), on_af_xdp, services)?;
    expect_af_xdp(&mut scene);
    Ok(scene)
}

/// libbpf and libxdp speak at start; a burst per port waits to be taken back.
fn expect_af_xdp(scene: &mut Scene) {
    scene.expect_log("lib");
    scene.buffers_come_late(2 * 32);
}

/// An echo service by this method, at its VIP.
fn echo(forward: &'static str, family: Family) -> ServiceText {
    ServiceText::new(
        &format!("{forward}{family:?}"),
        "udp",
        family,
        forward,
        ECHO,
    )
}

/// Echo servers on every real server, at its address and at the VIPs.
fn echo_servers(scene: &Scene) -> LabResult<Vec<UdpEcho>> {
    let mut servers = Vec::new();
    for (place, number) in scene.lab.reals().iter().zip(1..) {
        let mut addresses = Vec::new();
        for family in Family::BOTH {
            let vips = [0, 1].map(|vip| addr::vip(family, vip));
            addresses.extend([vips[0], vips[1], addr::real(family, number)]);
        }
        let addresses = addresses.into_iter().map(|ip| SocketAddr::new(ip, ECHO));
        servers.push(UdpEcho::start(place, &addresses.collect::<Vec<_>>())?);
    }
    Ok(servers)
}

#[test]
fn datagrams_larger_than_the_link_arrive_whole_both_ways() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let mut services = Vec::new();
    for family in Family::BOTH {
        services.extend([echo("nat", family), echo("dr", family)]);
    }
    let scene = scene(&services)?;
    let servers = echo_servers(&scene)?;
    for service in &services {
        let family = family_of(service.target.ip());
        for bytes in [1473, 2500, 9000, 60_000] {
            // A socket's receive buffer holds two of the largest: a third would be lost there.
            let load = UdpLoad::echo(service.target, 60, bytes).threads(2);
            let load = load.sources(&clients(family));
            load.run(scene.client())?.check_all_answered()?;
        }
        note(format_args!("{}: up to 60000 bytes and back", service.name));
    }
    // All three had some of it, whole: a datagram is scheduled once.
    for server in &servers {
        ensure_equal("datagrams at a server", &(server.count() > 100), &true)?;
    }
    let total: u64 = servers.iter().map(UdpEcho::count).sum();
    ensure_equal("datagrams", &total, &(60 * 4 * 4))?;
    scene.finish()
}

#[test]
fn datagrams_larger_than_the_link_pass_a_tunnel() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let tunnels = [
        ("ipip", "type = \"ipip\""),
        ("gue", "type = \"gue\", port = 6080"),
    ];
    let mut services = Vec::new();
    for family in Family::BOTH {
        for ((name, options), vip) in tunnels.into_iter().zip(0..) {
            let service = ServiceText::new(name, "udp", family, "tun", ECHO);
            let name = format!("{name}{family:?}");
            let service = ServiceText { name, ..service }
                .at(addr::vip(family, vip), ECHO)
                .lines(&format!("tunnel = {{ {options} }}"));
            services.push(service);
        }
    }
    let ends = |lab: &Lab, config: &mut DirectorConfig| {
        on_af_xdp(config);
        let mut ends = Vec::new();
        for (place, number) in lab.reals().iter().zip(1..) {
            let own = Family::BOTH.map(|family| addr::real(family, number));
            ends.push(Decapsulator::start(place, &own, 6080)?);
        }
        Ok(ends)
    };
    let (mut scene, ends) = Scene::prepared(Topology::default(), ends, &services)?;
    expect_af_xdp(&mut scene);
    let servers = echo_servers(&scene)?;
    let mut told = 0;
    for service in &services {
        let family = family_of(service.target.ip());
        if family == Family::V6 {
            // Pieces as long as the link do not fit the tunnel, and nobody but their sender may
            // cut them: Linux tells its socket once, and cuts them smaller from then on.
            let first = UdpLoad::echo(service.target, 60, 2500).sources(&clients(family));
            let report = first.run(scene.client())?;
            ensure_equal("lost", &(report.lost, report.wrong), &(0, 0))?;
            told += report.refused;
        }
        for bytes in [2500, 9000] {
            let load = UdpLoad::echo(service.target, 60, bytes).sources(&clients(family));
            load.run(scene.client())?.check_all_answered()?;
        }
    }
    for (end, number) in ends.iter().zip(1..) {
        ensure_equal(&format!("bad at r{number}"), &end.bad(), &0)?;
        ensure_equal("unwrapped", &(end.unwrapped() > 100), &true)?;
    }
    let total: u64 = servers.iter().map(UdpEcho::count).sum();
    ensure_equal("datagrams", &total, &(60 * 2 * 4 + 60 * 2 - told))?;
    ensure_equal("told of the tunnel's size", &(told > 0), &true)?;
    scene.finish()
}

/// A client that cuts its datagrams itself.
struct Cutter {
    raw: RawSocket,
    director: MacAddress,
    socket: UdpSocket,
    from: SocketAddr,
    to: SocketAddr,
}

impl Cutter {
    fn new(scene: &Scene, to: SocketAddr) -> LabResult<Self> {
        let raw = RawSocket::open(scene.client(), "e0")?;
        let ports = scene.director.show("ports")?;
        let mac = ports["ports"][0]["mac"].as_str().unwrap_or_default();
        let mut director = [0; 6];
        for (byte, text) in director.iter_mut().zip(mac.split(':')) {
            *byte = u8::from_str_radix(text, 16).unwrap_or_default();
        }
        let own = SocketAddr::new(addr::client(family_of(to.ip()), 0), 0);
        let open = |error| LabError::io("open a UDP socket", error);
        let socket = scene
            .client()
            .inside(|| UdpSocket::bind(own).map_err(open))?;
        socket.set_read_timeout(Some(BOUND)).map_err(open)?;
        let from = socket.local_addr().map_err(open)?;
        Ok(Self {
            raw,
            director: MacAddress(director),
            socket,
            from,
            to,
        })
    }

    /// A datagram of 4000 bytes, whose content `seed` decides, in pieces of 1000.
    fn pieces(&self, seed: u8) -> (Vec<u8>, Vec<Vec<u8>>) {
        let bytes = (0..4000_u16).map(|at| at.to_be_bytes()[1].wrapping_mul(seed));
        let payload: Vec<u8> = bytes.collect();
        let frame = Frame::udp(&self.from.to_string(), &self.to.to_string())
            .macs(MacAddress(self.raw.mac()), self.director)
            .ident(0x5000 + u32::from(seed))
            .payload(&payload);
        (payload, frame.fragments(1000))
    }

    fn send(&self, pieces: &[&Vec<u8>]) -> LabResult<()> {
        for piece in pieces {
            ensure_equal("sent", &self.raw.send(piece)?, &true)?;
        }
        Ok(())
    }

    fn expect(&self, payload: &[u8]) -> LabResult<()> {
        let mut buffer = vec![0; 65536];
        let count = self.socket.recv(&mut buffer);
        let count = count.map_err(|error| LabError::io("receive an echo", error))?;
        ensure_equal(
            "the echo is what was sent",
            &(buffer[..count] == *payload),
            &true,
        )
    }
}

fn family_of(address: IpAddr) -> Family {
    if address.is_ipv4() {
        Family::V4
    } else {
        Family::V6
    }
}

fn wait_drops(scene: &Scene, reason: &str, wanted: u64, bound: Duration) -> LabResult<()> {
    wait_for(reason, bound, || {
        let count = scene.books()?.drops_for(reason);
        Ok(if count >= wanted {
            Look::Ready(())
        } else {
            Look::NotYet(count.to_string())
        })
    })
}

#[test]
fn pieces_in_any_order_make_a_datagram_and_others_none() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let services = Family::BOTH.map(|family| echo("nat", family));
    let scene = scene(&services)?;
    let servers = echo_servers(&scene)?;
    let mut answered = 0;
    for service in &services {
        let cutter = Cutter::new(&scene, service.target)?;
        // The director learns the client's MAC, and the flow begins.
        cutter
            .socket
            .connect(cutter.to)
            .map_err(|error| LabError::io("connect", error))?;
        cutter
            .socket
            .send(&[7; 100])
            .map_err(|error| LabError::io("send", error))?;
        cutter.expect(&[7; 100])?;
        for (seed, order) in [[4, 3, 2, 1, 0], [2, 0, 4, 1, 3], [1, 0, 3, 2, 4]]
            .iter()
            .enumerate()
        {
            let (payload, pieces) = cutter.pieces(u8::try_from(seed).unwrap_or_default() + 1);
            ensure_equal("pieces", &pieces.len(), &5)?;
            let ordered: Vec<&Vec<u8>> = order.iter().map(|place| &pieces[*place]).collect();
            cutter.send(&ordered)?;
            cutter.expect(&payload)?;
        }
        // Twice the same piece is no harm.
        let (payload, pieces) = cutter.pieces(50);
        cutter.send(&[
            &pieces[1], &pieces[1], &pieces[0], &pieces[3], &pieces[2], &pieces[4],
        ])?;
        cutter.expect(&payload)?;
        answered += 5;
        // A piece that covers others: nothing of the datagram arrives (RFC 5722).
        let before = scene.books()?.drops_for("fragment_overlap");
        let (_, pieces) = cutter.pieces(51);
        let covering = Frame::udp(&cutter.from.to_string(), &cutter.to.to_string())
            .macs(MacAddress(cutter.raw.mac()), cutter.director)
            .ident(0x5000 + 51)
            .payload(&[0xee; 4000])
            .fragments(1400);
        cutter.send(&[
            &pieces[0],
            &covering[1],
            &pieces[1],
            &pieces[2],
            &pieces[3],
            &pieces[4],
        ])?;
        wait_drops(&scene, "fragment_overlap", before + 1, BOUND)?;
        // One that never gets its end: the next is served all the same.
        let (_, pieces) = cutter.pieces(52);
        cutter.send(&[&pieces[0], &pieces[1], &pieces[3]])?;
        cutter
            .socket
            .send(&[8; 100])
            .map_err(|error| LabError::io("send", error))?;
        cutter.expect(&[8; 100])?;
        answered += 1;
    }
    let total: u64 = servers.iter().map(UdpEcho::count).sum();
    ensure_equal("datagrams at the servers", &total, &answered)?;
    // What is left of the incomplete ones goes with time: three pieces of each family, and what
    // followed an overlap.
    wait_drops(&scene, "fragment_timeout", 6, EXPIRY_BOUND)?;
    scene.finish()
}

#[test]
fn an_error_from_the_servers_side_reaches_the_clients_socket() -> LabResult<()> {
    if skipped() {
        return Ok(());
    }
    let mut services = Vec::new();
    for family in Family::BOTH {
        for forward in ["nat", "dr"] {
            services.push(echo(forward, family));
            let name = format!("web_{forward}{family:?}");
            services.push(ServiceText::new(&name, "tcp", family, forward, 80));
        }
    }
    let scene = scene(&services)?;
    for place in scene.lab.reals() {
        place.nft(
            "add table inet closed\n\
             add chain inet closed in { type filter hook input priority 0; }\n\
             add rule inet closed in meta nfproto ipv4 tcp flags syn reject with icmp \
             host-unreachable\n\
             add rule inet closed in meta nfproto ipv6 tcp flags syn reject with icmpv6 \
             addr-unreachable\n",
        )?;
    }
    for service in &services {
        let told = scene.client().inside(|| {
            // Blocking, and bounded by the kernel's patience: with a timeout, the library may find
            // the socket closed and the reason not set yet.
            Ok(match service.protocol {
                "udp" => udp_error(service.target),
                _ => TcpStream::connect(service.target).err(),
            })
        })?;
        let wanted = match service.protocol {
            // Nobody listens: port unreachable.
            "udp" => io::ErrorKind::ConnectionRefused,
            _ => io::ErrorKind::HostUnreachable,
        };
        let told = told.map(|error| error.kind());
        ensure_equal(
            &format!("the error of {}", service.name),
            &told,
            &Some(wanted),
        )?;
    }
    scene.finish()
}

/// What a connected socket hears of a datagram.
fn udp_error(target: SocketAddr) -> Option<io::Error> {
    let own = SocketAddr::new(addr::client(family_of(target.ip()), 0), 0);
    let ask = || {
        let socket = UdpSocket::bind(own)?;
        socket.set_read_timeout(Some(BOUND))?;
        socket.connect(target)?;
        socket.send(b"is anybody there?")?;
        socket.recv(&mut [0; 100])
    };
    ask().err()
}

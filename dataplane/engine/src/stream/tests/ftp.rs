// SPDX-License-Identifier: Apache-2.0
//! FTP through the helper, with one worker and with four: whoever receives a packet, it goes where
//! its control connection said.

use core::time::Duration;

use super::*;

const SERVICE: &str = "
    service tcp 10.0.0.100:21 rr ftp
    real 10.1.0.11:21 nat
    real 10.1.0.12:2121 nat
    service tcp [2001:db8::100]:21 rr ftp
    real [2001:db8:1::11]:21 nat
    service tcp 10.0.0.100:30001 rr
    real 10.1.0.13:80 nat
    service tcp 10.0.0.101:80 rr
    real 10.1.0.11:80 nat
";

/// A director, and which worker the next packet comes to.
struct Lab {
    bench: Bench,
    next: usize,
}

impl Lab {
    fn new(workers: usize) -> Self {
        Self {
            bench: Bench::new(&format!("workers {workers}\n{SERVICE}")),
            next: 0,
        }
    }

    fn deliver(&mut self, port: u16, frame: &[u8]) -> Vec<Outcome> {
        self.next = (self.next + 1) % self.bench.worker_count();
        self.bench.deliver(self.next, port, frame).1
    }

    /// As it comes out, on its way to somebody: his address, source, destination, segment.
    #[track_caller]
    fn sent(&mut self, port: u16, frame: &[u8]) -> (String, Sent) {
        let outcomes = self.deliver(port, frame);
        assert_eq!(outcomes.len(), 1, "{outcomes:?}");
        let line = format!("{}", outcomes[0]);
        let words: Vec<&str> = line.split_whitespace().collect();
        (words[4..7].join(" "), sent(&outcomes[0]))
    }

    #[track_caller]
    fn client(&mut self, frame: &Frame) -> (String, Sent) {
        self.sent(0, &frame.build())
    }

    #[track_caller]
    fn server(&mut self, frame: Frame) -> (String, Sent) {
        self.sent(1, &from_server(frame))
    }

    /// A control connection from that port, established; its server's end.
    fn login(&mut self, cport: u16) -> String {
        let (way, _) = self.client(&from(cport).flags(SYN).seq(C));
        let real = way.rsplit(' ').next().unwrap().to_owned();
        self.server(to(&real, cport).flags(SYN | ACK).seq(S).ack(at(0)));
        self.client(&from(cport).flags(ACK).seq(at(0)).ack(S + 1));
        real
    }

    fn flows(&self) -> usize {
        self.bench.flow_count()
    }
}

fn from(cport: u16) -> Frame {
    Frame::tcp(&format!("10.0.0.9:{cport}"), "10.0.0.100:21")
}

fn to(real: &str, cport: u16) -> Frame {
    Frame::tcp(real, &format!("10.0.0.9:{cport}"))
}

fn says(cport: u16, line: &str) -> Frame {
    let frame = from(cport).flags(ACK | PSH).seq(at(0)).ack(S + 1);
    frame.payload(line.as_bytes())
}

fn answers(real: &str, cport: u16, seq: u32, line: &str) -> Frame {
    let frame = to(real, cport).flags(ACK | PSH).seq(seq).ack(at(6));
    frame.payload(line.as_bytes())
}

/// The server announces its own end, in the form of the old reply.
fn entering(real: &str, port: u16) -> String {
    let host = real.split(':').next().unwrap().replace('.', ",");
    format!(
        "227 Entering Passive Mode ({host},{},{})\r\n",
        port >> 8,
        port & 255
    )
}

#[test]
fn a_passive_connection_goes_to_the_server_of_its_control_connection() {
    for workers in [1, 4] {
        let mut lab = Lab::new(workers);
        for cport in 1000..1020 {
            let real = lab.login(cport);
            let host = real.split(':').next().unwrap().to_owned();
            let (_, sent) = lab.client(&says(cport, "PASV\r\n"));
            assert_eq!(sent.payload, b"PASV\r\n");
            let port = 40_000 + cport;
            let line = entering(&real, port);
            let (_, sent) = lab.server(answers(&real, cport, S + 1, &line));
            let expected = entering("10.0.0.100:21", port);
            assert_eq!(String::from_utf8(sent.payload).unwrap(), expected);
            // What comes behind is numbered by what the client has.
            let grown = u32::try_from(expected.len()).unwrap();
            let behind = S + 1 + u32::try_from(line.len()).unwrap();
            let (_, sent) = lab.server(answers(&real, cport, behind, "150\r\n"));
            assert_eq!(sent.seq, S + 1 + grown);
            let acks = from(cport).flags(ACK).seq(at(6)).ack(S + 1 + grown);
            assert_eq!(lab.client(&acks).1.ack, behind);
            // The client comes, from wherever it likes.
            let data = Frame::tcp(
                &format!("10.0.0.9:{}", 50_000 + cport),
                &format!("10.0.0.100:{port}"),
            );
            let (way, _) = lab.client(&data.clone().flags(SYN));
            assert_eq!(way, format!("10.0.0.9:{} > {host}:{port}", 50_000 + cport));
            let back = Frame::tcp(
                &format!("{host}:{port}"),
                &format!("10.0.0.9:{}", 50_000 + cport),
            );
            let (way, _) = lab.server(back.flags(SYN | ACK));
            assert_eq!(
                way,
                format!("10.0.0.100:{port} > 10.0.0.9:{}", 50_000 + cport)
            );
            lab.client(&data.flags(ACK));
        }
        assert_eq!(lab.flows(), 40, "{workers} workers: a connection each");
        let counted: u64 = lab
            .bench
            .boards()
            .iter()
            .map(|b| b.worker.data_expected.get())
            .sum();
        assert_eq!(counted, 20);
    }
}

#[test]
fn an_active_connection_comes_from_the_vip() {
    for workers in [1, 4] {
        let mut lab = Lab::new(workers);
        for cport in 1000..1020u16 {
            let real = lab.login(cport);
            let (host, rport) = real.split_once(':').unwrap();
            let own = rport.parse::<u16>().unwrap() - 1;
            let port = 20_000 + cport;
            let line = format!("PORT 10,0,0,9,{},{}\r\n", port >> 8, port & 255);
            let (_, sent) = lab.client(&says(cport, &line));
            assert_eq!(
                sent.payload,
                line.as_bytes(),
                "NAT leaves the client's address"
            );
            let data = Frame::tcp(&format!("{host}:{own}"), &format!("10.0.0.9:{port}"));
            let (way, _) = lab.server(data.flags(SYN));
            assert_eq!(way, format!("10.0.0.100:20 > 10.0.0.9:{port}"));
            let back = Frame::tcp(&format!("10.0.0.9:{port}"), "10.0.0.100:20");
            let (way, _) = lab.client(&back.flags(SYN | ACK));
            assert_eq!(way, format!("10.0.0.9:{port} > {host}:{own}"));
        }
    }
}

#[test]
fn the_extended_forms_work_over_ipv6() {
    for workers in [1, 4] {
        let mut lab = Lab::new(workers);
        let control = Frame::tcp("[2001:db8::9]:1000", "[2001:db8::100]:21");
        let server = Frame::tcp("[2001:db8:1::11]:21", "[2001:db8::9]:1000");
        lab.client(&control.clone().flags(SYN).seq(C));
        lab.server(server.clone().flags(SYN | ACK).seq(S).ack(at(0)));
        lab.client(&control.clone().flags(ACK).seq(at(0)).ack(S + 1));
        lab.client(&control.clone().flags(ACK).seq(at(0)).payload(b"EPSV\r\n"));
        let line = b"229 Entering Extended Passive Mode (|||40000|)\r\n";
        let (_, sent) = lab.server(server.clone().flags(ACK).seq(S + 1).payload(line));
        assert_eq!(sent.payload, line);
        let data = Frame::tcp("[2001:db8::9]:5000", "[2001:db8::100]:40000");
        let (way, _) = lab.client(&data.flags(SYN));
        assert_eq!(way, "[2001:db8::9]:5000 > [2001:db8:1::11]:40000");
        let line = b"EPRT |2|2001:db8::9|6000|\r\n";
        lab.client(&control.flags(ACK).seq(at(6)).payload(line));
        let data = Frame::tcp("[2001:db8:1::11]:20", "[2001:db8::9]:6000");
        let (way, _) = lab.server(data.flags(SYN));
        assert_eq!(way, "[2001:db8::100]:20 > [2001:db8::9]:6000");
    }
}

#[test]
fn a_port_that_a_service_or_another_server_has_is_not_given_out() {
    let mut lab = Lab::new(1);
    let passive = |lab: &mut Lab, cport, real: &str, port| {
        lab.client(&says(cport, "PASV\r\n"));
        let line = entering(real, port);
        let (_, sent) = lab.server(answers(real, cport, S + 1, &line));
        String::from_utf8(sent.payload).unwrap()
    };
    let (first, second) = (lab.login(1000), lab.login(1001));
    assert_ne!(first, second);
    assert_eq!(
        passive(&mut lab, 1000, &first, 30_000),
        entering("10.0.0.100", 30_000)
    );
    assert_eq!(
        passive(&mut lab, 1001, &second, 30_000),
        entering("10.0.0.100", 30_002),
        "30000 is the first server's, 30001 a service's"
    );
    for (port, real) in [(30_000, &first), (30_002, &second)] {
        let data = Frame::tcp("10.0.0.9:5000", &format!("10.0.0.100:{port}"));
        let (way, _) = lab.client(&data.flags(SYN));
        let host = real.split(':').next().unwrap();
        assert_eq!(way, format!("10.0.0.9:5000 > {host}:30000"));
    }
}

#[test]
fn a_reply_that_is_sent_again_is_changed_again() {
    let mut lab = Lab::new(1);
    let real = lab.login(1000);
    lab.client(&says(1000, "PASV\r\n"));
    let line = entering(&real, 40_000);
    let first = lab.server(answers(&real, 1000, S + 1, &line));
    assert_eq!(lab.server(answers(&real, 1000, S + 1, &line)), first);
    // With something behind it, too; cut, it cannot be.
    let more = format!("{line}150\r\n");
    let (_, sent) = lab.server(answers(&real, 1000, S + 1, &more));
    assert!(sent.payload.starts_with(&first.1.payload) && sent.payload.ends_with(b"150\r\n"));
    let cut = answers(&real, 1000, S + 1, &line[..30]);
    let outcomes = lab.deliver(1, &from_server(cut));
    assert_eq!(outcomes[0].verdict, Verdict::Drop(DropReason::StreamCut));
    assert_eq!(lab.flows(), 2);
}

#[test]
fn what_is_not_the_clients_or_the_servers_own_is_left_alone() {
    let mut lab = Lab::new(1);
    let real = lab.login(1000);
    lab.client(&says(1000, "PORT 10,0,0,8,4,1\r\n"));
    assert_eq!(lab.flows(), 1, "somebody else's address");
    let line = entering("10.1.0.99", 40_000);
    lab.server(answers(&real, 1000, S + 1, &line));
    assert_eq!(lab.flows(), 1, "nobody asked");
    lab.client(&says(1000, "PASV\r\n"));
    let (_, sent) = lab.server(answers(&real, 1000, S + 1, &line));
    assert_eq!((sent.payload, lab.flows()), (line.into_bytes(), 1));
    // A server that announces the VIP is meant.
    let line = entering("10.0.0.100", 40_000);
    let (_, sent) = lab.server(answers(&real, 1000, S + 1, &line));
    assert_eq!((sent.payload, lab.flows()), (line.into_bytes(), 2));
}

#[test]
fn the_latest_announcement_replaces_the_one_before() {
    let mut lab = Lab::new(1);
    lab.login(1000);
    for port in 1..=200 {
        lab.client(&says(1000, &format!("PORT 10,0,0,9,4,{port}\r\n")));
        assert_eq!(lab.flows(), 2);
    }
}

#[test]
fn a_transfer_keeps_its_control_connection() {
    let mut lab = Lab::new(1);
    let real = lab.login(1000);
    lab.client(&says(1000, "PASV\r\n"));
    lab.server(answers(&real, 1000, S + 1, &entering(&real, 40_000)));
    let data = Frame::tcp("10.0.0.9:5000", "10.0.0.100:40000");
    lab.client(&data.clone().flags(SYN));
    for _ in 0..40 {
        lab.bench.advance(Duration::from_secs(50));
        lab.client(&data.clone().flags(ACK).payload(b"data"));
    }
    let (way, _) = lab.client(&says(1000, "NOOP\r\n"));
    assert_eq!(way, format!("10.0.0.9:1000 > {real}"));
    assert_eq!(lab.flows(), 2);
    for _ in 0..2000 {
        lab.bench.advance(Duration::from_secs(1));
    }
    assert_eq!(lab.flows(), 0);
}

#[test]
fn an_announcement_that_nobody_takes_up_is_forgotten() {
    let mut lab = Lab::new(1);
    let real = lab.login(1000);
    lab.client(&says(1000, "PASV\r\n"));
    lab.server(answers(&real, 1000, S + 1, &entering(&real, 40_000)));
    assert_eq!(lab.flows(), 2);
    for _ in 0..130 {
        lab.bench.advance(Duration::from_secs(1));
    }
    assert_eq!(lab.flows(), 1, "LISTEN lasts two minutes");
    let data = Frame::tcp("10.0.0.9:5000", "10.0.0.100:40000").flags(SYN);
    let outcomes = lab.deliver(0, &data.build());
    assert!(
        matches!(outcomes[0].verdict, Verdict::Punt { .. }),
        "{outcomes:?}"
    );
}

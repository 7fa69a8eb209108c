//! TLS to Debian's mosquitto: who is who, and what is said where that can't be.

mod broker;

use std::path::{Path, PathBuf};

use broker::{Mosquitto, Process, lines, rowmill, wait_until};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair};
use tempfile::TempDir;

fn named(name: &str, hosts: &[&str]) -> CertificateParams {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(hosts).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// An authority, and what it signs.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Authority {
        let mut params = named("authority", &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn write(&self, directory: &TempDir, name: &str) -> PathBuf {
        let path = directory.path().join(name);
        std::fs::write(&path, self.0.pem()).unwrap();
        path
    }

    /// The paths of a certificate for `host`, and its key.
    fn sign(&self, directory: &TempDir, host: &str, name: &str) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let certificate = named(name, &[host]).signed_by(&key, &self.0).unwrap();
        let paths = ["pem", "key"].map(|ending| directory.path().join(format!("{name}.{ending}")));
        std::fs::write(&paths[0], certificate.pem()).unwrap();
        std::fs::write(&paths[1], key.serialize_pem()).unwrap();
        paths.into()
    }
}

fn set(section: &str, files: &[(&str, &Path)]) -> Vec<String> {
    let set = |(key, path): &(&str, &Path)| ["--set".to_owned(), format!("{section}.{key}={:?}", path)];
    files.iter().flat_map(set).collect()
}

#[test]
#[ignore = "needs mosquitto"]
fn rows_go_over_tls_and_strangers_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (ours, others) = (Authority::new(), Authority::new());
    let (ca, stranger) = (ours.write(&directory, "ca.pem"), others.write(&directory, "stranger.pem"));
    let (server, server_key) = ours.sign(&directory, "127.0.0.1", "server");
    let (client, client_key) = ours.sign(&directory, "rowmill", "client");
    let options = format!(
        "allow_anonymous true\ncafile {}\ncertfile {}\nkeyfile {}\nrequire_certificate true\n",
        ca.display(),
        server.display(),
        server_key.display()
    );
    let broker = Mosquitto::start(&directory, &options);
    let url = format!("mqtts://127.0.0.1:{}/rows", broker.port);
    let out = directory.path().join("out.csv");
    let files = [("ca", &*ca), ("certificate", &*client), ("key", &*client_key)];
    let over = |source: &str, sink: &str| {
        let mut command = rowmill(&["run", "dataflows/weather.toml", "--source", source, "--sink", sink]);
        command.args(["--delay", "200ms"]);
        command
    };
    let mut reader = over(&url, out.to_str().unwrap());
    let reader = Process::subscribed(reader.args(set("source", &files)));
    let sent = over("data/sample.csv", &url).args(set("sink", &files)).status();
    assert!(sent.unwrap().success());
    wait_until("rows over TLS", || lines(&out) > 1900);
    reader.drain();

    let refused = |section: &str, files: &[(&str, &Path)]| {
        let (source, sink) = if section == "source" { (&*url, "null") } else { ("data/sample.csv", &*url) };
        let output = over(source, sink).args(set(section, files)).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), said)
    };
    for section in ["source", "sink"] {
        let (code, said) = refused(section, &[("ca", &stranger), files[1], files[2]]);
        assert!(code == Some(1) && said.contains("check `ca`, `certificate` and `key`"), "{code:?} {said}");
        let (code, said) = refused(section, &files[..1]);
        assert!(code == Some(1) && said.contains("check `ca`, `certificate` and `key`"), "{code:?} {said}");
        let (code, said) = refused(section, &files[..2]);
        assert!(code == Some(2) && said.contains("go together"), "{code:?} {said}");
    }
}

/// A certificate that nobody but itself has signed, as devices and add-ons make them, over TLS and over a WebSocket.
#[test]
#[ignore = "needs mosquitto"]
fn a_self_signed_certificate_is_trusted_and_plain_text_at_its_port_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let key = KeyPair::generate().unwrap();
    // As `openssl req -x509 -subj /CN=broker` makes it: without the names of a host.
    let mut params = named("broker", &[]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap();
    let [pem, key_file] = ["own.pem", "own.key"].map(|name| directory.path().join(name));
    std::fs::write(&pem, certificate.pem()).unwrap();
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    let tls = format!("certfile {}\nkeyfile {}\n", pem.display(), key_file.display());
    let [web, secure_web, plain] = [broker::free_port(), broker::free_port(), broker::free_port()];
    let options = format!(
        "allow_anonymous true\n{tls}listener {web} 127.0.0.1\nprotocol websockets\nallow_anonymous true\n\
         listener {secure_web} 127.0.0.1\nprotocol websockets\nallow_anonymous true\n{tls}listener {plain} 127.0.0.1\n"
    );
    let broker = Mosquitto::start(&directory, &options);
    let addresses = [
        format!("mqtts://127.0.0.1:{}", broker.port),
        format!("ws://127.0.0.1:{web}"),
        format!("wss://127.0.0.1:{secure_web}"),
    ];
    for (number, address) in addresses.iter().enumerate() {
        let (url, out) = (format!("{address}/rows/{number}"), directory.path().join(format!("{number}.csv")));
        let over = |source: &str, sink: &str, section: &str| {
            let mut command = rowmill(&["run", "dataflows/weather.toml", "--source", source, "--sink", sink]);
            let files = set(section, &[("ca", &pem)]);
            command.args(["--delay", "200ms"]).args(if address.starts_with("ws:") { &[][..] } else { &files });
            command
        };
        let reader = Process::subscribed(&mut over(&url, out.to_str().unwrap(), "source"));
        assert!(over("data/sample.csv", &url, "sink").status().unwrap().success(), "{url}");
        wait_until(&url, || lines(&out) > 1900);
        reader.drain();
    }
    // What speaks otherwise than the address says: the last line says what may help.
    for (scheme, port, told) in [
        ("mqtt", broker.port, "if it speaks TLS, write mqtts://"),
        ("mqtt", web, "over a WebSocket, ws://"),
        ("ws", secure_web, "if it speaks TLS, write wss://"),
        ("mqtts", plain, "if it speaks without TLS, write mqtt://"),
        ("wss", web, "if it speaks without TLS, write ws://"),
    ] {
        let url = format!("{scheme}://127.0.0.1:{port}/rows");
        for (source, sink) in [(&*url, "null"), ("data/sample.csv", &*url)] {
            let mut run = rowmill(&["run", "dataflows/weather.toml", "--source", source, "--sink", sink]);
            let output = run.args(["--connect-timeout", "3s"]).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            let last = said.lines().last().unwrap_or_default();
            assert!(output.status.code() == Some(1) && last.contains(told), "{url}: {said}");
        }
    }
}

//! Handshakes with a real server, whose certificate is made here.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ServerConfig, ServerConnection, Stream};

use url::Url;

use super::*;
use crate::labelstudio::{Client, ClientConfig, LabelStudioError, http};
use crate::media::{Media, MediaConfig};

/// A certificate, and the key that proves whose it is.
struct Identity {
    der: CertificateDer<'static>,
    key: KeyPair,
}

fn params(name: &str, is_ca: IsCa) -> CertificateParams {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.is_ca = is_ca;
    params
}

fn signed_by_itself(params: &CertificateParams) -> Identity {
    let key = KeyPair::generate().unwrap();
    Identity { der: params.self_signed(&key).unwrap().der().clone(), key }
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn signed_by(authority: &CertifiedIssuer<'static, KeyPair>, params: &CertificateParams) -> Identity {
    let key = KeyPair::generate().unwrap();
    Identity { der: params.signed_by(&key, authority).unwrap().der().clone(), key }
}

/// Answers one client, and gives the port.
fn serve(identity: Identity) -> u16 {
    install_tls();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let key = PrivatePkcs8KeyDer::from(identity.key.serialize_der()).into();
    let key = ring::sign::any_supported_type(&key).unwrap();
    // Not checked here: the key may be another's.
    let shown = SingleCertAndKey::from(CertifiedKey::new(vec![identity.der], key));
    let config = ServerConfig::builder().with_no_client_auth().with_cert_resolver(Arc::new(shown));
    thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut tls = ServerConnection::new(Arc::new(config)).unwrap();
        let mut stream = Stream::new(&mut tls, &mut socket);
        // A client that refuses the certificate sends no request.
        if stream.read(&mut [0; 1024]).is_ok() {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok").unwrap();
        }
    });
    port
}

/// Answer that a client gets that trusts these certificates, or the reason for none.
async fn get(identity: Identity, named: &[CertificateDer<'static>]) -> Result<String, String> {
    let port = serve(identity);
    let client = reqwest::Client::builder().no_proxy().tls_backend_preconfigured(tls(named).unwrap()).build();
    let answer = client.unwrap().get(format!("https://localhost:{port}/")).send().await;
    Ok(answer.map_err(|error| http::reason(&error))?.text().await.unwrap())
}

#[tokio::test]
async fn a_named_certificate_of_a_server_is_taken_from_that_server() {
    let authority = authority();
    for (kind, identity) in [
        (
            "as openssl makes it",
            signed_by_itself(&params("localhost", IsCa::Ca(BasicConstraints::Unconstrained))),
        ),
        ("no authority", signed_by_itself(&params("localhost", IsCa::ExplicitNoCa))),
        ("without a word on it", signed_by_itself(&params("localhost", IsCa::NoCa))),
        ("of an authority that is not named", signed_by(&authority, &params("localhost", IsCa::NoCa))),
    ] {
        let named = [identity.der.clone()];
        assert_eq!(get(identity, &named).await.as_deref(), Ok("ok"), "{kind}");
    }
}

#[tokio::test]
async fn a_named_authority_vouches_for_what_it_signed() {
    let authority = authority();
    let identity = signed_by(&authority, &params("localhost", IsCa::NoCa));
    assert_eq!(get(identity, &[authority.as_ref().der().clone()]).await.as_deref(), Ok("ok"));
}

#[tokio::test]
async fn a_named_certificate_counts_for_its_name_and_its_time_only() {
    let kinds = [IsCa::Ca(BasicConstraints::Unconstrained), IsCa::NoCa];
    let authority = authority();
    for is_ca in kinds {
        for by in [None, Some(&authority)] {
            let made = |params: &CertificateParams| match by {
                None => signed_by_itself(params),
                Some(authority) => signed_by(authority, params),
            };
            let other = made(&params("labels.example", is_ca));
            let named = [other.der.clone()];
            let refused = get(other, &named).await.unwrap_err();
            assert!(refused.contains("not valid for name"), "{refused}");

            let mut old = params("localhost", is_ca);
            (old.not_before, old.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
            let old = made(&old);
            let named = [old.der.clone()];
            let refused = get(old, &named).await.unwrap_err();
            assert!(refused.contains("expired"), "{refused}");

            let mut young = params("localhost", is_ca);
            (young.not_before, young.not_after) = (date_time_ymd(4000, 1, 1), date_time_ymd(4001, 1, 1));
            let young = made(&young);
            let named = [young.der.clone()];
            let refused = get(young, &named).await.unwrap_err();
            assert!(refused.contains("not valid yet"), "{refused}");
        }
    }
}

#[tokio::test]
async fn who_shows_another_certificate_or_lacks_the_key_is_refused_with_what_to_do() {
    let ours = signed_by_itself(&params("localhost", IsCa::Ca(BasicConstraints::Unconstrained)));
    let named = [ours.der.clone()];
    let of_another_name = |is_ca| {
        let mut params = params("localhost", is_ca);
        params.distinguished_name.push(DnType::CommonName, "another");
        signed_by_itself(&params)
    };
    let other = of_another_name(IsCa::Ca(BasicConstraints::Unconstrained));
    let refused = get(other, &named).await.unwrap_err();
    assert!(refused.contains("signed its certificate itself; name the file"), "{refused}");
    let renewed = signed_by_itself(&params("localhost", IsCa::NoCa));
    let refused = get(renewed, &named).await.unwrap_err();
    assert!(refused.contains("was it renewed? Then name the new file"), "{refused}");
    let other = of_another_name(IsCa::NoCa);
    let refused = get(other, &named).await.unwrap_err();
    assert!(refused.contains("name the file of your own authority with --ca-file"), "{refused}");
    let copied = Identity { der: ours.der, key: KeyPair::generate().unwrap() };
    let refused = get(copied, &named).await.unwrap_err();
    assert!(refused.contains("BadSignature") || refused.contains("bad signature"), "{refused}");
}

#[test]
fn files_are_read_as_far_as_they_hold_certificates() {
    for text in [&b""[..], b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", b"no PEM"] {
        assert!(trust(text).unwrap_err().contains("no certificate"));
    }
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert_eq!(trust(broken.as_bytes()).unwrap_err(), "none of its 1 certificates can be read");
    assert!(NAMED.get().is_none());
    let key = KeyPair::generate().unwrap();
    let good = params("localhost", IsCa::NoCa).self_signed(&key).unwrap();
    let (certificates, unread) = read(format!("# a comment\n{broken}{}", good.pem()).as_bytes()).unwrap();
    assert_eq!((certificates.as_slice(), unread), (&[good.der().clone()][..], 1));
}

#[tokio::test]
async fn the_check_is_left_out_for_label_studio_alone() {
    let address = || {
        let identity = signed_by_itself(&params("127.0.0.1", IsCa::NoCa));
        Url::parse(&format!("https://127.0.0.1:{}/", serve(identity))).unwrap()
    };
    let client = |base: Url, verify_tls: bool| {
        let timeout = Duration::from_secs(20);
        let config = ClientConfig {
            base_url: Some(base),
            token: None,
            verify_tls,
            connect_timeout: timeout,
            timeout,
            proxy: None,
        };
        Client::new(config).unwrap()
    };
    let checked = client(address(), true).greet().await.unwrap_err();
    assert!(matches!(checked, LabelStudioError::Unreachable { .. }), "{checked}");
    assert!(checked.to_string().contains("--ca-file"), "{checked}");
    let answered = client(address(), false).greet().await.unwrap_err();
    assert!(matches!(answered, LabelStudioError::NotLabelStudio { .. }), "it says `ok`: {answered}");

    let media = |client: &Client| {
        let config = MediaConfig {
            local_files_root: None,
            allow: vec!["127.0.0.0/8".parse().unwrap()],
            max_image_bytes: 1_000,
            image_timeout: Duration::from_secs(20),
            max_downloads: 4,
        };
        Media::new(config, Some(client)).unwrap()
    };
    let own = address();
    let file = own.join("a.jpg").unwrap();
    let fetched = media(&client(own, false)).fetch(None, file.as_str(), None).await.unwrap();
    assert_eq!(fetched, &b"ok"[..]);
    let elsewhere = address().join("a.jpg").unwrap();
    let refused = media(&client(address(), false)).fetch(None, elsewhere.as_str(), None).await.unwrap_err();
    assert!(refused.to_string().contains("--ca-file"), "{refused}");
}

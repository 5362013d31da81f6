//! The listeners: each port in the clear and, where the settings say so, over TLS.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use engine::http_apis::HttpApis;
use tokio::net::{TcpListener, TcpSocket};

use crate::files::Address;
use crate::http::{Connections, Hosts, Listening, Port};
use crate::settings::Settings;
use crate::start_error::StartError;
use crate::tls::{Source, Tls};

/// Connections that the system keeps for us until we take them; it may allow fewer.
const BACKLOG: u32 = 4096;

/// All that we listen on. What one is called is in the errors about it.
#[derive(Debug)]
pub(crate) struct Entrances {
    api: TcpListener,
    gateway: TcpListener,
    api_tls: Option<TcpListener>,
    gateway_tls: Option<TcpListener>,
}

impl Entrances {
    pub fn open(settings: &Settings) -> Result<Self, StartError> {
        let config = &settings.config;
        let perhaps = |what, address: Option<_>| {
            let listener = address.map(|address| listen(what, address));
            listener.transpose()
        };
        Ok(Self {
            api: listen("AWS endpoint", config.api)?,
            gateway: listen("gateway", config.gateway)?,
            api_tls: perhaps("AWS endpoint over TLS", config.api_tls)?,
            gateway_tls: perhaps("gateway over TLS", config.gateway_tls)?,
        })
    }

    /// Where the AWS endpoint listens in the clear.
    pub fn api(&self) -> Result<SocketAddr, StartError> {
        local(&self.api)
    }

    /// Where everything is, for clients.
    pub fn address(&self, settings: &Settings, tls: Option<&Tls>) -> Result<Address, StartError> {
        let mut address = Address::new(self.api()?, local(&self.gateway)?, &settings.scope);
        address.api_tls = https(self.api_tls.as_ref())?;
        address.gateway_tls = https(self.gateway_tls.as_ref())?;
        let authority = tls.and_then(Tls::authority_file);
        address.tls_authority = authority.map(|path| path.display().to_string());
        Ok(address)
    }

    /// The certificates, if anything is served over TLS.
    pub fn tls(
        &self,
        settings: &Settings,
        apis: &Arc<HttpApis>,
    ) -> Result<Option<Arc<Tls>>, StartError> {
        let config = &settings.config;
        let listeners = [&self.api_tls, &self.gateway_tls];
        if listeners.iter().all(|listener| listener.is_none()) {
            return Ok(None);
        }
        let (certificate, key) = (config.tls_certificate.clone(), config.tls_key.clone());
        if certificate.is_dir() {
            return Ok(Some(Arc::new(Tls::given(Source::Folder(certificate))?)));
        }
        if !certificate.as_os_str().is_empty() {
            // Some keep both in one file.
            let key = if key.as_os_str().is_empty() {
                certificate.clone()
            } else {
                key
            };
            let source = Source::Pair { certificate, key };
            return Ok(Some(Arc::new(Tls::given(source)?)));
        }
        let (names, mut addresses) = own_names(settings);
        for listener in listeners.into_iter().flatten() {
            let bound = local(listener)?.ip();
            if !bound.is_unspecified() && !addresses.contains(&bound) {
                addresses.push(bound);
            }
        }
        let hosts = hosts(settings, apis);
        let tls = Tls::own(&settings.data, hosts, names, addresses)?;
        Ok(Some(Arc::new(tls)))
    }

    /// Puts the ports behind all listeners.
    pub fn serve<A: Port, G: Port>(
        self,
        connections: &Connections,
        settings: &Settings,
        apis: &Arc<HttpApis>,
        tls: Option<Arc<Tls>>,
        ports: (Arc<A>, Arc<G>),
    ) {
        let (api_port, gateway_port) = ports;
        let listening = |tls: Option<Arc<Tls>>| Listening {
            tls,
            hosts: hosts(settings, apis),
            proxies: settings.config.trusted_proxies.clone(),
        };
        // Clients of AWS may know the engine by a name that only they resolve.
        let signed = |listening: Listening| Listening {
            hosts: listening.hosts.or_signed(),
            ..listening
        };
        connections.serve(self.api, signed(listening(None)), api_port.clone());
        connections.serve(self.gateway, listening(None), gateway_port.clone());
        let Some(tls) = tls else {
            return;
        };
        if let Some(listener) = self.api_tls {
            connections.serve(listener, signed(listening(Some(tls.clone()))), api_port);
        }
        if let Some(listener) = self.gateway_tls {
            connections.serve(listener, listening(Some(tls.clone())), gateway_port);
        }
        connections.run(tls.keep());
    }
}

/// The names under which this server may be asked: settings, the machine's, and the
/// domains that lead to HTTP APIs.
pub(crate) fn hosts(settings: &Settings, apis: &Arc<HttpApis>) -> Hosts {
    let apis = apis.clone();
    let given = &settings.config.hosts;
    Hosts::new(given, &settings.machine_name).or(move |host| apis.domain(host).is_some())
}

/// What our own certificates hold for in any case.
fn own_names(settings: &Settings) -> (Vec<String>, Vec<IpAddr>) {
    let region = &settings.scope.region;
    let mut names = vec![
        "localhost".to_owned(),
        "*.localhost".to_owned(),
        format!("*.execute-api.{region}.localhost"),
        format!("*.lambda-url.{region}.localhost"),
        "*.s3.localhost".to_owned(),
        "*.s3-website.localhost".to_owned(),
    ];
    let machine = settings.machine_name.to_ascii_lowercase();
    if crate::http::check_given(&machine).is_ok() {
        names.push(machine);
    }
    let mut addresses = vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    for host in &settings.config.tls_hosts {
        match host.parse() {
            Ok(address) => addresses.push(address),
            Err(_) => names.push(host.to_ascii_lowercase()),
        }
    }
    (names, addresses)
}

fn https(listener: Option<&TcpListener>) -> Result<Option<String>, StartError> {
    let address = listener.map(local).transpose()?;
    Ok(address.map(|address| crate::files::url(address).replacen("http:", "https:", 1)))
}

pub(crate) fn listen(what: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    let bound = || {
        let socket = if address.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        // A port on which an earlier engine's connections still end is free.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    bound().map_err(|source| StartError::Listen {
        what,
        address,
        source,
    })
}

pub(crate) fn local(listener: &TcpListener) -> Result<SocketAddr, StartError> {
    listener.local_addr().map_err(|source| StartError::Io {
        what: "find out where it listens",
        source,
    })
}

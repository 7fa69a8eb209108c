//! `http://user:password@host:port/write?db=NAME`.

use crate::mqtt::{Credentials, host_and_port, is_secret};

/// Where points are sent.
#[derive(Clone, Debug)]
pub struct WriteAddress {
    /// A name, or an address without brackets.
    pub host: String,
    pub port: u16,
    pub is_encrypted: bool,
    /// Host and port as the address writes them.
    pub authority: String,
    /// Path and parameters.
    pub target: String,
    pub login: Option<Credentials>,
}

const FORMS: &str = "write http://host:8086/write?db=NAME, or http://host:8086/api/v2/write?org=ORG&bucket=BUCKET";

impl WriteAddress {
    /// # Errors
    /// In words: what is wrong with it, without its password.
    pub fn read(url: &str) -> Result<WriteAddress, String> {
        let (is_encrypted, rest) = match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            _ => return Err(format!("no address of HTTP: {FORMS}")),
        };
        let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let (login, authority) = match authority.rsplit_once('@') {
            Some((login, authority)) => (Some(Credentials::read(login)?), authority),
            // What stands there may be a part of a password.
            None if target.contains('@') => return Err("in a password, write / as %2F, ? as %3F and @ as %40".into()),
            None => (None, authority),
        };
        let (host, port) = host_and_port(authority, if is_encrypted { 443 } else { 80 })?;
        let (path, parameters) = target.split_once('?').unwrap_or((target, ""));
        if path.trim_matches('/').is_empty() {
            return Err(format!("the address has no path: {FORMS}"));
        }
        if target.parse::<hyper::Uri>().is_err() {
            return Err("path and parameters are no part of an address: write what is special as in %20".into());
        }
        for parameter in parameters.split('&') {
            match parameter.split('=').next().unwrap_or_default() {
                "precision" => return Err("precision: times are sent in nanoseconds: leave it out".into()),
                "u" | "p" => return Err("the login stands in `user` and `password`, not in the parameters".into()),
                key if is_secret(key) => return Err(format!("the {key} stands in `token`, not in the parameters")),
                _ => {}
            }
        }
        let (authority, target) = (authority.to_owned(), target.to_owned());
        Ok(WriteAddress { host, port, is_encrypted, authority, target, login })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_all_servers() {
        let address = WriteAddress::read("http://anna:s%40crt@[::1]:8086/write?db=weather&rp=year").unwrap();
        assert_eq!((address.host.as_str(), address.port, address.is_encrypted), ("::1", 8086, false));
        assert_eq!((address.authority.as_str(), address.target.as_str()), ("[::1]:8086", "/write?db=weather&rp=year"));
        let login = address.login.unwrap();
        assert_eq!((login.user.as_str(), login.password.unwrap().reveal()), ("anna", "s@crt"));
        let address = WriteAddress::read("https://cloud.example/api/v2/write?org=o%20p&bucket=b").unwrap();
        assert_eq!((address.port, address.is_encrypted, address.login), (443, true, None));
    }

    #[test]
    fn what_is_no_address_is_refused_without_its_password() {
        for (wrong, words) in [
            ("http://host:8086", "no path"),
            ("http://host:8086/", "no path"),
            ("http://host:8086?db=x", "no path"),
            ("http://anna:hun/hunter2@host/write", "%2F"),
            ("http://host:port/write", "port"),
            ("http:///write", "no host"),
            ("http://host/write?db=a b", "%20"),
            ("http://host/write?db=w&precision=s", "nanoseconds"),
            ("http://host/write?u=anna&p=hunter2", "`password`"),
            ("http://host/api/v2/write?token=hunter2", "`token`"),
        ] {
            let refused = WriteAddress::read(wrong).unwrap_err();
            assert!(!refused.contains("hunter2") && refused.contains(words), "{wrong}: {refused}");
        }
    }
}

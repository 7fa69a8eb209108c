//! `postgresql://user:password@host:port/database?sslmode=verify-full`, and what TLS must prove.

use postgres::Config;
use postgres::config::SslMode;

/// What a server's certificate must prove, as libpq's `sslmode` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verification {
    /// Nothing: the connection is encrypted, if it is.
    Nothing,
    /// That a trusted authority signed it.
    Authority,
    /// That it is the host's, too.
    Host,
}

/// Where a database is, and how it is spoken to.
#[derive(Clone, Debug)]
pub struct Address {
    pub config: Config,
    pub verification: Verification,
}

impl Address {
    /// Reads an address; with an authority of its own, the default is to verify.
    ///
    /// # Errors
    /// In words: what is wrong with it, without its password.
    pub fn read(url: &str, has_authority: bool) -> Result<Address, String> {
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let (modes, others): (Vec<&str>, Vec<&str>) =
            query.split('&').filter(|part| !part.is_empty()).partition(|part| part.starts_with("sslmode="));
        let mode = modes.last().map(|part| &part["sslmode=".len()..]);
        let mode = mode.unwrap_or(if has_authority { "verify-full" } else { "prefer" });
        let (mode, verification) = match mode {
            "disable" => (SslMode::Disable, Verification::Nothing),
            "allow" | "prefer" => (SslMode::Prefer, Verification::Nothing),
            "require" if has_authority => (SslMode::Require, Verification::Authority),
            "require" => (SslMode::Require, Verification::Nothing),
            "verify-ca" => (SslMode::Require, Verification::Authority),
            "verify-full" => (SslMode::Require, Verification::Host),
            other => {
                return Err(format!("sslmode={other} is none of disable, prefer, require, verify-ca and verify-full"));
            }
        };
        let text = if others.is_empty() { base.to_owned() } else { format!("{base}?{}", others.join("&")) };
        let read = text.parse::<Config>();
        let mut config = read.map_err(|error| {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            format!("no address of PostgreSQL{cause}; write postgresql://user@host:port/database")
        })?;
        if config.get_hosts().is_empty() {
            return Err("the address names no host: write postgresql://user@host:port/database".into());
        }
        config.ssl_mode(mode);
        Ok(Address { config, verification })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_modes_of_libpq() {
        let mode = |url: &str, authority| {
            let address = Address::read(url, authority).unwrap();
            (address.config.get_ssl_mode(), address.verification)
        };
        let url = "postgresql://anna:s%40crt@host:5433/db";
        assert_eq!(mode(url, false), (SslMode::Prefer, Verification::Nothing));
        assert_eq!(mode(url, true), (SslMode::Require, Verification::Host));
        for (name, expected) in [
            ("disable", (SslMode::Disable, Verification::Nothing)),
            ("require", (SslMode::Require, Verification::Nothing)),
            ("verify-ca", (SslMode::Require, Verification::Authority)),
            ("verify-full", (SslMode::Require, Verification::Host)),
        ] {
            assert_eq!(mode(&format!("{url}?application_name=x&sslmode={name}"), false), expected);
        }
        assert_eq!(mode(&format!("{url}?sslmode=require"), true), (SslMode::Require, Verification::Authority));
        let config = Address::read(url, false).unwrap().config;
        assert_eq!((config.get_password(), config.get_ports()), (Some(&b"s@crt"[..]), &[5433][..]));
    }

    #[test]
    fn what_is_no_address_is_refused_without_its_password() {
        for wrong in [
            "postgresql://anna:hunter2@host/db?sslmode=maybe",
            "postgresql://anna:hunter2@host:port/db",
            "postgresql://anna:hunter2@host/db?colour=red",
            "postgresql:///db",
        ] {
            let refused = Address::read(wrong, false).unwrap_err();
            assert!(!refused.contains("hunter2"), "{refused}");
        }
        assert!(Address::read("postgresql://host/db?sslmode=maybe", false).unwrap_err().contains("verify-full"));
    }
}

//! Where requests come from: what one client has of addresses.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};

/// An IPv4 address, or a network of IPv6: whoever has one has all its addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientOrigin {
    Address(Ipv4Addr),
    Network([u16; 4]),
}

impl ClientOrigin {
    pub fn of(address: IpAddr) -> ClientOrigin {
        match address.to_canonical() {
            IpAddr::V4(address) => ClientOrigin::Address(address),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                ClientOrigin::Network([a, b, c, d])
            }
        }
    }
}

/// How much each origin holds at once, up to a bound: no client takes all that there is.
#[derive(Debug)]
pub struct ClientShares {
    most: usize,
    held: Mutex<HashMap<ClientOrigin, usize>>,
}

/// One of an origin's; it is given back when it is dropped.
#[derive(Debug)]
pub struct ClientShare {
    origin: ClientOrigin,
    of: Arc<ClientShares>,
}

impl ClientShares {
    /// Up to so many for each origin.
    pub fn of_each(most: usize) -> Arc<ClientShares> {
        Arc::new(ClientShares { most, held: Mutex::default() })
    }

    /// One more for an address; none if its origin has all that one may have.
    pub fn take(self: &Arc<ClientShares>, address: IpAddr) -> Option<ClientShare> {
        let origin = ClientOrigin::of(address);
        let mut all = self.held.lock().expect("no holder panics");
        let held = all.entry(origin).or_default();
        (*held < self.most).then(|| {
            *held += 1;
            ClientShare { origin, of: self.clone() }
        })
    }
}

impl Drop for ClientShare {
    fn drop(&mut self) {
        let mut all = self.of.held.lock().expect("no holder panics");
        if let Some(held) = all.get_mut(&self.origin) {
            *held -= 1;
            if *held == 0 {
                all.remove(&self.origin);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_origin_has_its_share() {
        let (shares, at) = (ClientShares::of_each(2), |text: &str| text.parse::<IpAddr>().unwrap());
        let held = [shares.take(at("2001:db8:0:1::1")), shares.take(at("2001:db8:0:1::2"))];
        assert!(held.iter().all(Option::is_some));
        assert!(shares.take(at("2001:db8:0:1::3")).is_none(), "the same network");
        assert!(shares.take(at("10.0.0.1")).is_some(), "another one");
        drop(held);
        assert!(shares.take(at("2001:db8:0:1::3")).is_some());
        assert!(shares.held.lock().unwrap().is_empty(), "what is given back is forgotten");
    }
}
